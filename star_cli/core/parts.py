"""The vocabulary on one page: Task, Grader, Engine, Trainer, Method, Model, and the values they exchange.

Every part is a ``@dataclass(kw_only=True)`` made by ``@register``: its fields are its configuration, its documentation
and its identity. ``Runtime`` says where and how fast, never what, and enters no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Protocol,
    TypeVar,
    dataclass_transform,
)

from star_cli.lib import images as pictures
from star_cli.core.keys import key
from star_cli.errors import StarError
from star_cli.core.records import Example, Labelled, Pair, Problem, Rationale, Verdict

if TYPE_CHECKING:
    from star_cli.run.lab import Lab
    from star_cli.store.artifacts import Artifact, Draft

T = TypeVar("T")
RUNTIME: dict[str, Any] = {"identity": False}  # metadata of a field that does not enter the key


def need(condition: bool, what: str, hint: str | None = None) -> None:
    """Raise a StarError unless a setting makes sense."""
    if not condition:
        raise StarError(what, hint=hint)


@dataclass(kw_only=True)
class Part:
    """Anything registered. ``check`` raises a StarError that names a setting without sense."""

    def check(self) -> None:
        """Say what is wrong with the settings, before any work is done."""


@dataclass(kw_only=True)
class Sampling:
    """How rationales are drawn. ``temperature=0`` is greedy; ``max_tokens=null`` takes the task's own limit."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int | None = None

    def check(self, name: str = "sampling") -> None:
        need(self.temperature >= 0, f"{name}.temperature must be >= 0, got {self.temperature}",
             "0 is greedy, 1 samples from the model as it is")
        need(0 < self.top_p <= 1, f"{name}.top_p must be in (0, 1], got {self.top_p}")
        need(self.top_k >= 0, f"{name}.top_k must be >= 0 (0 is off), got {self.top_k}")
        need(self.max_tokens is None or self.max_tokens >= 1, f"{name}.max_tokens must be >= 1, got {self.max_tokens}")


@dataclass(frozen=True)
class Prompt:
    """What the model is shown: plain text (a chat model gets it as one user turn) and the paths of pictures."""

    text: str
    images: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """16 hex digits of its text and of what its pictures hold, wherever they lie."""
        return key([self.text, [pictures.digest(path) for path in self.images]])[:16]


@dataclass(frozen=True)
class ModelRef:
    """Weights an engine or a trainer can load: a Hugging Face directory (or hub id) and how to talk to it."""

    key: str
    path: str
    revision: str | None = None
    dtype: str = "auto"
    chat: bool | None = None  # None: as the tokenizer says (it has a chat template)
    canary: tuple[dict[str, Any], ...] = ()  # texts whose log-probability the trainer itself computed

    def shown(self, canary: dict[str, Any]) -> str | Prompt:
        """The prompt of a canary; its pictures lie beside the weights."""
        names = canary.get("images")
        return Prompt(canary["prompt"], tuple(str(Path(self.path) / n) for n in names)) if names else str(canary["prompt"])

    def render(self, tokenizer: Any, prompt: str) -> str:
        """The exact text the model reads: through the chat template where there is one. Engine and trainer share it."""
        template = getattr(tokenizer, "chat_template", None)
        if self.chat and not template:
            raise StarError(f"model.chat=true, but the tokenizer of {self.path} has no chat template",
                            hint="set model.chat=false")
        if self.chat is False or not template:
            return prompt
        turn = [{"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))

    def encode(self, tokenizer: Any, prompt: str) -> list[int]:
        """The token ids of the rendered prompt, special tokens as the tokenizer adds them to plain text."""
        text = self.render(tokenizer, prompt)
        templated = text != prompt
        return list(tokenizer(text, add_special_tokens=not templated)["input_ids"])


@dataclass(frozen=True)
class Request:
    """One completion to write. ``seed`` decides it alone, whatever else is in the batch."""

    id: tuple[str, int]  # (problem id, sample)
    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Completion:
    """What came back: ``finish`` is "stop" or "length"; ``logprob`` the sum over its ``tokens`` tokens in nats."""

    id: tuple[str, int]
    text: str
    tokens: int
    finish: str
    logprob: float | None
    image_tokens: int = 0  # of the prompt


class Session(Protocol):
    """A living engine with one set of weights in it."""

    model: ModelRef
    device: str

    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions as they finish, in any order. Requests are pulled lazily. Raises EngineDied."""

    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """log P(completion, end of text | prompt) in nats for (prompt, completion), in order; a Prompt may have pictures."""

    def swap(self, model: ModelRef) -> bool:
        """Put other weights into the living engine; False where it cannot (then it is opened anew)."""

    def sleep(self) -> None:
        """Give the device's memory back while a trainer works, where that is supported."""

    def wake(self) -> None:
        """Take the memory again after ``sleep``."""

    def close(self) -> None:
        """End the engine and free the device."""


@dataclass(kw_only=True)
class Runtime:
    """Where and how fast, never what: no field of it enters an artifact's key."""

    gpus: int = 1
    tensor_parallel: int = 1
    gpu_memory: float = 0.85  # share of a GPU's memory the engine may take
    kv_cache_mb: int = 256  # key/value cache on CPU
    max_num_seqs: int = 512  # sequences the engine runs at once
    max_model_len: int | None = None
    train_threads: int = 0  # CPU threads of the trainer; 0: all cores
    grade_workers: int = 0  # processes for graders that can hang or explode; 0: all cores
    max_images: int = 4  # pictures in one prompt, at most
    grade_early: bool = True  # let them begin while text is being written
    checkpoint_minutes: float = 10.0  # a long fine-tuning can be continued from here
    sync_seconds: float = 0.5  # how often written samples are forced to disk
    progress: str = "auto"  # auto | bar | plain | none
    engine_log: str | None = None  # where the engine's own log goes

    def check(self) -> None:
        need(self.progress in ("auto", "bar", "plain", "none"),
             f"runtime.progress must be auto, bar, plain or none, got {self.progress!r}")
        need(0 < self.gpu_memory <= 1, f"runtime.gpu_memory must be in (0, 1], got {self.gpu_memory}")
        for name in ("gpus", "tensor_parallel", "kv_cache_mb", "max_num_seqs", "max_images"):
            need(getattr(self, name) >= 1, f"runtime.{name} must be >= 1, got {getattr(self, name)}")


class Task(Part):
    """Problems, and how they are put to a model. Subclass, register, and open the file with a sample row."""

    grader: ClassVar[dict[str, Any]] = {"name": "exact"}  # the grader used with grader=auto, and its settings
    max_tokens: ClassVar[int] = 256
    stop: ClassVar[tuple[str, ...]] = ()
    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")
    lessons: dict[str, int]

    def problems(self, split: str) -> Iterator[Problem]:
        """All problems of a split, always in the same order."""
        raise NotImplementedError

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        """What the model is asked; with ``hint`` the bare final answer is shown too (rationalization)."""
        raise NotImplementedError

    def training_prompt(self, problem: Problem) -> str:
        """The prompt of a training example: never hinted, without few-shot examples."""
        return self.prompt(problem).text

    def answer_only(self, problem: Problem) -> str:
        """The completion of the ``direct`` baseline: the answer without a rationale."""
        return problem.answer

    def gold(self, problem: Problem) -> str | None:
        """A gold rationale where the data has one."""
        return None

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        """The supervised set a tiny base model is pretrained on: ``lessons`` says how many of each kind."""
        return iter(())

    def groups(self, problem: Problem) -> dict[str, str]:
        """What accuracy is broken down by, as {name: value}; for example {"digits": "3"}."""
        return {}

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        """How many steps of a rationale are wrong, where the task knows the true steps; else None."""
        return None

    def stepwise(self) -> bool:
        """Whether every step is prompted for and learnt by itself (``converse`` and ``pieces``)."""
        return False

    def converse(self, session: Session, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions for requests; a stepwise task takes several turns for each."""
        return session.stream(requests)

    def pieces(self, prompt: str, completion: str) -> list[tuple[str, str]]:
        """A kept rationale as (prompt, completion) of each step, for a stepwise task; always equally many."""
        return [(prompt, completion)]

    def chain(self) -> tuple[int, int] | None:
        """(steps N, states M) where the problems are a chain of RL-STaR's theory; else None."""
        return None

    def right_steps(self, problem: Problem, text: str) -> list[bool] | None:
        """For each step whether it is right given the state it started from, right or wrong; None where unknown."""
        return None

    def picture(self, name: str) -> str:
        """The path of a picture, given as a problem names it; a problem's names are relative to its data."""
        return name

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """Further measures of one answer beside right and wrong, as {name: 0.0 to 1.0}; evaluate reports their means."""
        return {}

    def left_out(self, split: str) -> dict[str, int]:
        """How many problems of a split were not given when it was read last, by reason: {"bad_picture": 3}."""
        return {}

    def check_split(self, split: str) -> None:
        need(split in self.splits, f"unknown split {split!r}, expected one of {', '.join(self.splits)}")


class Grader(Part):
    """Judges one rationale. ``CASES`` is a table that runs as a test: (gold, text, reason of the verdict) and, where
    it takes more, a dict with ``choices``, ``meta`` or ``finish``.
    """

    CASES: ClassVar[list[tuple[Any, ...]]] = []

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        """The verdict on one sample. A grader that cannot decide says GRADER_ERROR, never "wrong"."""
        raise NotImplementedError

    def gold_fault(self, problem: Problem) -> str | None:
        """Why no text can be judged by this problem's known answer or tests; None where it can. Checked before writing."""
        return None

    @property
    def isolated(self) -> bool:
        """True where judging can hang or explode: then it happens in worker processes with a hard limit (pool.py)."""
        return False

    @property
    def cheap(self) -> bool:
        """Cheap enough to judge while text is being written."""
        return not self.isolated

    @property
    def wall(self) -> float:
        """Seconds one verdict may take in a worker before it is killed."""
        return 10.0

    def judged(self, text: str) -> str:
        """The part of a right text that was judged, and is worth learning: what runs on after it is left out."""
        return text


class Engine(Part):
    """Writes completions. Heavy imports happen inside ``open``."""

    install: ClassVar[str] = ""  # the command that installs what it needs

    def prepare(self, runtime: Runtime) -> None:
        """What must be set before any heavy import (environment variables); called first thing in a run."""

    def open(self, model: ModelRef, runtime: Runtime) -> Session:
        """Start the engine with these weights."""
        raise NotImplementedError


@dataclass
class TrainJob:
    """What a trainer is given. ``steps`` wins over ``epochs``; ``scratch`` survives a crash (checkpoints)."""

    start: ModelRef
    examples: list[Example]
    out: Path
    scratch: Path
    seed: int
    runtime: Runtime
    steps: int | None = None
    epochs: float | None = None
    progress: Callable[[int, int, float], None] = field(default=lambda done, total, loss: None)


class Trainer(Part):
    """Fine-tunes. The output is a plain Hugging Face directory and a ``canary.json`` beside the weights."""

    install: ClassVar[str] = ""
    generalises: ClassVar[bool] = True  # whether what it learns of one problem helps another; a forecast asks

    def train(self, job: TrainJob) -> dict[str, Any]:
        """Train and save to ``job.out``; returns metrics (loss, steps, tokens, ...)."""
        raise NotImplementedError

    def initialise(self, model: Model, texts: Iterable[str], out: Path, seed: int) -> None:
        """Make an untrained model for ``model`` in ``out``; only a model that is pretrained locally needs it."""
        model.initialise(texts, out, seed)


@dataclass(kw_only=True)
class Verification:
    """How verifiers are trained, and the pool of candidates they choose from.

    The optimiser's settings are those of every verifier unless ``verifier`` has its own (DPO: AdamW, one pass; Hosseini
    et al. 2024 do not report theirs). ``steps`` wins over ``epochs``. ``pairs`` caps the right x wrong pairs of one
    problem (0: all). At the end ``candidates`` solutions of each held-out problem are drawn at ``temperature``, and every
    selector chooses among the same ones, at each k of ``ks``.
    """

    lr: float = 5e-6
    schedule: str = "constant"
    warmup: int = 0
    batch: int = 32
    epochs: float = 1.0
    steps: int | None = None
    pairs: int = 8
    lora_rank: int = 0
    lora_alpha: float = 32.0
    candidates: int = 16
    temperature: float = 0.7
    ks: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16])
    score_by: str = "auto"  # auto | engine | forward: where likelihoods are computed
    any_tokenizer: bool = False  # let a verifier judge texts of a generator with another tokenizer

    def check(self) -> None:
        need(self.lr > 0, f"verification.lr must be > 0, got {self.lr}")
        need(self.batch >= 1, f"verification.batch must be >= 1, got {self.batch}")
        need(self.epochs > 0, f"verification.epochs must be > 0, got {self.epochs}")
        need(self.steps is None or self.steps >= 1, f"verification.steps must be >= 1 or null, got {self.steps}")
        need(self.pairs >= 0, f"verification.pairs must be >= 0 (0: all), got {self.pairs}")
        need(self.candidates >= 1, f"verification.candidates must be >= 1, got {self.candidates}")
        need(self.temperature > 0 or self.candidates == 1,
             f"verification.temperature must be > 0 to draw {self.candidates} different candidates, got {self.temperature}")
        need(bool(self.ks) and all(k >= 1 for k in self.ks), f"verification.ks must be numbers >= 1, got {self.ks}")
        need(max(self.ks) <= self.candidates,
             f"verification.ks asks for k={max(self.ks)}, more than verification.candidates={self.candidates}",
             "draw more candidates, or ask for a smaller k")
        need(self.score_by in ("auto", "engine", "forward"),
             f"verification.score_by must be auto, engine or forward, got {self.score_by!r}")


@dataclass
class VerifyJob:
    """What a verifier learns from: its initial weights and pairs, or labelled solutions, of D_VER."""

    start: ModelRef
    pairs: list[Pair]
    labelled: list[Labelled]
    out: Path
    scratch: Path
    seed: int
    runtime: Runtime
    settings: Verification
    progress: Callable[[int, int, float], None] = field(default=lambda done, total, loss: None)


class Verifier(Part):
    """Tells right solutions from wrong ones by a score; a higher one is better. Scores compare within one problem."""

    learns_from: ClassVar[str] = "pairs"  # pairs | labelled | nothing
    likelihood: ClassVar[bool] = False  # the score is log P(solution | problem): an engine can compute it, too
    lr: float | None
    steps: int | None

    def train(self, job: VerifyJob) -> dict[str, Any]:
        """Train from ``job.start`` and save to ``job.out``; returns metrics."""
        raise NotImplementedError

    def score(self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime) -> list[float]:
        """The score of each (prompt, completion), in order, by the trained weights' own forward pass."""
        raise NotImplementedError

    def engine_is_faster(self) -> bool:
        """Whether a living engine computes these scores faster than ``score`` on this machine."""
        return False


class Model(Part):
    """A base model: pretrained here (``local = True``) or brought from outside."""

    local: ClassVar[bool] = False
    dtype: str
    chat: bool | None

    def initialise(self, texts: Iterable[str], out: Path, seed: int) -> None:
        """Write an untrained model and its tokenizer to ``out`` (local models)."""
        raise NotImplementedError

    def resolve(self) -> dict[str, Any]:
        """Where outside weights are and what addresses them: {"path", "revision", "content"}."""
        raise NotImplementedError


class Method(Part):
    """A whole algorithm on one page."""

    defaults: ClassVar[dict[str, Any]] = {}  # what its paper sets elsewhere: {"sampling.temperature": 0.7}
    verifier: ClassVar[str] = "none"  # the verifier of verifier=auto
    rounds: int
    samples: int

    def run(self, lab: Lab) -> Artifact:
        """The loop; returns the last model."""
        raise NotImplementedError

    def check(self) -> None:
        for name in ("rounds", "samples"):
            value = getattr(self, name, 1)
            need(value >= 1, f"{name} must be >= 1, got {value}", f"for example {name}=3")


class Meter(Protocol):
    """A progress display of one piece of work."""

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        """Count ``n`` more items; what is known beside is shown (tokens/s, running accuracy, loss)."""

    def close(self) -> None:
        """End the display."""


@dataclass
class Work:
    """What a stage may use while it runs. Nothing in here is part of the stage's identity."""

    draft: Draft
    inputs: dict[str, Artifact]
    runtime: Runtime
    session: Callable[[Artifact], Session]  # the living engine with these weights in it
    revive: Callable[[Artifact, StarError], Session]  # a new engine after one died; raises when it dies again
    model: Callable[[Artifact], ModelRef]
    meter: Callable[[str, int], Meter]  # (what, total) -> display
    warn: Callable[[str], None]
    glance: Callable[[Problem, Rationale], bool | None]  # right or wrong for the display only; None: not shown
    grader: Grader | None = None  # the one that will judge what is written
    picture: Callable[[str], str] = str  # the path of a picture as examples name it
    max_gold_errors: float = 1.0  # share of problems it cannot use above which nothing is written


class Stage(Part):
    """A value that says how to make one artifact. Its fields and its inputs' keys are the artifact's address."""

    def run(self, work: Work) -> dict[str, Any]:
        """Write the artifact's files into ``work.draft``; returns metrics for the manifest."""
        raise NotImplementedError

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        """What building it would take, as upper bounds: {"samples": ..., "tokens": ...} or {"steps": ...}."""
        return {}


@dataclass_transform(kw_only_default=True)
def stage(name: str, *, version: int = 1) -> Callable[[type[T]], type[T]]:
    """Make a dataclass a stage named ``name``; raise ``version`` when what it writes changes."""

    def add(cls: type[T]) -> type[T]:
        made = dataclass(kw_only=True)(cls)
        made.__part__ = f"stage/{name}/{version}"  # type: ignore[attr-defined]
        return made

    return add


@dataclass(kw_only=True)
class Evaluation:
    """How accuracy on held-out problems is measured after every round. ``limit=0`` takes the whole split."""

    split: str = "dev"
    limit: int = 0
    samples: int = 1
    temperature: float = 0.0

    def check(self) -> None:
        need(self.samples >= 1, f"evaluation.samples must be >= 1, got {self.samples}")
        need(self.limit >= 0, f"evaluation.limit must be >= 0 (0: the whole split), got {self.limit}")
        need(self.temperature >= 0, f"evaluation.temperature must be >= 0, got {self.temperature}", "0 is greedy")


@dataclass(kw_only=True)
class Schedule:
    """Fine-tuning steps of round n: ``int(start * grow**(n-1)) + add*(n-1)``; with ``epochs`` set, passes over the data.

    The defaults are STaR's (40 steps, 20 % more each round; section 4 of Zelikman et al. 2022).
    """

    start: int = 40
    grow: float = 1.2
    add: int = 0
    epochs: float | None = None

    def steps(self, round: int) -> int | None:
        """Optimiser steps of round ``round`` (1 is the first), or None when ``epochs`` decides."""
        if self.epochs is not None:
            return None
        return int(self.start * self.grow ** (round - 1)) + self.add * (round - 1)

    def check(self) -> None:
        need(self.epochs is None or self.epochs > 0, f"schedule.epochs must be > 0, got {self.epochs}")
        need(self.start >= 1, f"schedule.start must be >= 1, got {self.start}")
        need(self.grow > 0, f"schedule.grow must be > 0, got {self.grow}")


@dataclass(kw_only=True)
class Pretraining:
    """How ``model=tiny`` is made: steps, learning rate and batch of its supervised start; ``lessons`` from the task.

    ``first`` and ``first_steps`` are an easier course before it: what is slow to learn from noisy lessons alone.
    """

    steps: int = 450
    lr: float = 3e-3
    batch: int = 64
    warmup: int = 0
    schedule: str = "constant"
    seed: int = 0
    lessons: dict[str, int] = field(default_factory=dict)  # empty: what the task proposes
    first: dict[str, int] = field(default_factory=dict)
    first_steps: int = 0

    def check(self) -> None:
        need(self.steps >= 1, f"pretraining.steps must be >= 1, got {self.steps}")
        need(self.first_steps >= 0, f"pretraining.first_steps must be >= 0, got {self.first_steps}")
        need(bool(self.first) == bool(self.first_steps), "pretraining.first and pretraining.first_steps need each other",
             "set both, or neither")
        for name, count in self.lessons.items():
            need(count >= 0, f"pretraining.lessons.{name} must be >= 0, got {count}")


@dataclass(kw_only=True)
class Tracking:
    """Where runs are reported beside the terminal: none, wandb, or auto (wandb where somebody is logged in)."""

    kind: str = "none"
    project: str = "star"
    mode: str = "online"  # online | offline

    def check(self) -> None:
        need(self.kind in ("auto", "none", "wandb"), f"tracking must be auto, none or wandb, got {self.kind!r}")
        need(self.mode in ("online", "offline"), f"tracking.mode must be online or offline, got {self.mode!r}")


@dataclass(kw_only=True)
class Keep:
    """What the filter keeps of the right rationales: at most ``limit`` a problem (0: all), equal ones once.

    ``dedupe`` says what counts as equal: text (also written true) the same text, equations the same equations in the same
    order (RFT), none (also false) nothing: then the training data has the model's own weights. ``control=random`` keeps as
    many rationales of the same problems, chosen by seed whatever their verdicts: what is left of a gain then is not the
    filter's.
    """

    limit: int = 1
    dedupe: bool | str = True
    sound: bool = False  # leave out a right rationale with an annotated equation (<<2*3=6>>) that does not hold
    max_errors: float = 0.02  # share of GRADER_ERROR verdicts above which the stage fails
    max_gold_errors: float = 0.02  # share of problems the grader cannot use above which nothing is generated
    control: str = "none"

    @property
    def mode(self) -> str:
        """``dedupe`` as one of text, none and equations."""
        return dedupe_mode(self.dedupe)

    def check(self) -> None:
        need(self.limit >= 0, f"filter.limit must be >= 0 (0 keeps all), got {self.limit}")
        need(self.control in CONTROLS, f"filter.control must be {' or '.join(CONTROLS)}, got {self.control!r}",
             "random is the control that shows what grading is worth")
        self.mode  # noqa: B018  (raises)


DEDUPE = ("text", "none", "equations")
CONTROLS = ("none", "random")


def dedupe_mode(setting: bool | str) -> str:
    """text, none or equations of a setting that may be true or false; anything else is a StarError."""
    mode = {True: "text", False: "none"}[setting] if isinstance(setting, bool) else setting
    need(mode in DEDUPE, f"filter.dedupe must be {', '.join(DEDUPE)}, true or false, got {setting!r}",
         "text keeps equal texts once, none keeps all")
    return mode


@dataclass(kw_only=True)
class Pilot:
    """What a forecast looks at: ``samples`` rationales of the base for each of ``problems`` training problems."""

    problems: int = 100
    samples: int = 4

    def check(self) -> None:
        for name in ("problems", "samples"):
            need(getattr(self, name) >= 1, f"pilot.{name} must be >= 1, got {getattr(self, name)}")


@dataclass(kw_only=True)
class Experiment:
    """Everything `star run` needs, as live parts. It has no key of its own: only its stages have."""

    name: str
    home: Path
    seed: int
    task: Task
    grader: Grader
    engine: Engine
    trainer: Trainer
    method: Method
    model: Model
    sampling: Sampling
    filter: Keep
    evaluation: Evaluation
    schedule: Schedule
    pretraining: Pretraining
    runtime: Runtime
    tracking: Tracking
    problems: int = 0  # training problems drawn afresh each round; 0: the whole split
    pilot: Pilot = field(default_factory=Pilot)
    verifier: Verifier | None = None
    verification: Verification = field(default_factory=Verification)
    forecast: bool = False  # say first what to expect, from the pilot

    def check(self) -> None:
        """Every part's own check, before any work is done."""
        need(self.problems >= 0, f"problems must be >= 0 (0: the whole split), got {self.problems}")
        self.sampling.check()
        parts: list[Any] = [self.task, self.grader, self.engine, self.trainer, self.method, self.model, self.filter,
                            self.evaluation, self.schedule, self.pretraining, self.runtime, self.tracking, self.pilot,
                            self.verification, *([self.verifier] if self.verifier else [])]
        for part in parts:
            part.check()
        self.task.check_split(self.evaluation.split)
