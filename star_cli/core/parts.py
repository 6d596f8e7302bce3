"""The kinds of parts on one page: Task, Grader, Engine, Trainer, Verifier, Model, and the values they exchange.

Every part is a ``@dataclass(kw_only=True)`` made by ``@register``: its fields are its configuration, its documentation
and its identity. ``Runtime`` says where and how fast, never what, and enters no key. Methods are in run/lab.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Protocol,
    runtime_checkable,
)

from star_cli.core.keys import CHANGED, seed_of, tagged
from star_cli.core.records import NO_VOTE, Example, Labelled, Pair, Problem, Rationale, Stepped, Verdict
from star_cli.core.settings import Runtime, Sampling, Verification
from star_cli.errors import need

RUNTIME: dict[str, Any] = {"identity": False}  # metadata of a field that does not enter the key
ADDED: dict[str, Any] = {"identity": CHANGED}  # of one added later: it enters the key where it is not its default


@dataclass(kw_only=True)
class Part:
    """Whatever is registered by kind and name."""

    def check(self) -> None:
        """Check the settings before any work is done, and fill in what depends on files (content hashes).

        Raises StarError that names a setting without sense. May be called more than once.
        """

    @property
    def packages(self) -> tuple[str, ...]:
        """What it imports that star installs without: looked for before it is used, and named with the pip command."""
        return ()


@dataclass(frozen=True)
class Prompt:
    """What the model is shown: plain text (a chat model gets it as one user turn) and the paths of pictures."""

    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelRef:
    """Weights an engine or a trainer can load: a Hugging Face directory (or hub id) and how to talk to it."""

    key: str
    path: str
    revision: str | None = None
    dtype: str = "auto"
    chat: bool | None = None  # None: as the tokenizer says (it has a chat template)
    canary: tuple[dict[str, Any], ...] = ()  # texts whose log-probability the trainer itself computed
    thinking: str = "auto"  # what the chat template is told: auto (nothing), on, off, low, medium or high
    reasoning: tuple[str, ...] = ()  # the tokens around a thought; empty: as the tokenizer and its template say

    def shown(self, canary: dict[str, Any]) -> str | Prompt:
        """The prompt of a canary text; its pictures lie beside the weights."""
        names = canary.get("images")
        return (
            Prompt(canary["prompt"], tuple(str(Path(self.path) / n) for n in names)) if names else str(canary["prompt"])
        )


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
    """What an engine wrote for a request.

    ``finish`` is "stop" (the model ended it) or "length" (it ran out of tokens); ``logprob`` is the sum over its
    ``tokens`` tokens in nats.
    """

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
        """log P(completion, end of text | prompt) in nats for each (prompt, completion), in order.

        A prompt is a text, or a Prompt where it has pictures.
        """

    def swap(self, model: ModelRef) -> bool:
        """Put other weights into the living engine; False where it cannot (then it is opened anew)."""

    def sleep(self) -> None:
        """Give the device's memory back while a trainer works, where that is supported."""

    def wake(self) -> None:
        """Take the memory again after ``sleep``."""

    def close(self) -> None:
        """End the engine and free the device."""


class Task(Part):
    """Problems, and how they are put to a model. A subclass is registered, and its file opens with a sample row."""

    grader: ClassVar[dict[str, Any]] = {"name": "exact"}  # the grader used with grader=auto, and its settings
    max_tokens: ClassVar[int] = 256  # of an answer
    stop: ClassVar[tuple[str, ...]] = ()  # texts before which an answer ends
    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")
    lessons: dict[str, int] = {"answer": 512, "answer/hinted": 512}  # of which kind how many, see lesson_examples
    thinking: str = "auto"  # whether a model that can think before it answers does; a field where a chat model is asked

    def problems(self, split: str) -> Iterator[Problem]:
        """All problems of a split, always in the same order. Raises StarError for a split that does not exist."""
        raise NotImplementedError

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        """What the model reads; with ``hint`` the bare final answer, too (STaR's rationalization)."""
        raise NotImplementedError

    def training_prompt(self, problem: Problem, hint: bool = False) -> str:
        """The prompt of a training example: without few-shot examples, and hinted only where a method asks for it."""
        return self.prompt(problem, hint).text

    def without_shots(self) -> Task | None:
        """The task that asks without worked examples; None where its prompts hold none that could be left out."""
        return None

    def with_shots_in_training(self) -> Task | None:
        """The task whose training prompts hold the worked examples, too; None where that cannot be."""
        return None

    def answer_only(self, problem: Problem) -> str:
        """The completion of the ``direct`` baseline: the answer without a rationale."""
        return problem.answer

    def gold(self, problem: Problem) -> str | None:
        """A gold rationale where the data has one."""
        return None

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        """The supervised set a tiny base model is pretrained on: ``lessons`` says how many of each kind.

        Unless a task has its own kinds these are "answer" and "gold", the bare answer or the gold rationale of training
        problems that are drawn by ``seed``, and "answer/hinted" and "gold/hinted", with the answer in the prompt.
        """
        for name, count in lessons.items():
            kind, _, form = name.partition("/")
            need(
                kind in ("answer", "gold") and form in ("", "hinted"),
                f"unknown lesson {name!r}, expected answer, gold, answer/hinted or gold/hinted",
            )
            drawn = sorted(self.problems("train"), key=lambda p: seed_of("lesson", seed, name, p.id))
            for p in drawn[:count]:
                yield Example(
                    problem_id=f"lesson/{name}/{p.id}",
                    sample=0,
                    prompt=self.prompt(p, hint=True).text if form else self.training_prompt(p),
                    completion=(self.gold(p) if kind == "gold" else None) or self.answer_only(p),
                    origin="gold",
                    images=p.images,
                )

    def groups(self, problem: Problem) -> dict[str, str]:
        """What accuracy is broken down by, as {name: value}; for example {"digits": "3"}."""
        return {}

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        """How many steps of a rationale are wrong, where the task knows the true steps; else None."""
        return None

    def wrong_lines(self, problem: Problem, text: str) -> list[int]:
        """The lines of a rationale, counted from 0, that are steps known to be wrong; for marking them in the text."""
        return []

    def picture(self, name: str) -> str:
        """The path of a picture, given as a problem names it; a problem's names are relative to its data."""
        return name

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """Further measures of one answer beside right and wrong, as {name: 0.0 to 1.0}; means are reported."""
        return {}

    def left_out(self, split: str) -> dict[str, int]:
        """How many problems were left out when a split was last read, by reason: {"bad_picture": 3}."""
        return {}

    def split_note(self, split: str) -> str | None:
        """What to know of how a split came about (rows held out by a hash, ...), as a sentence; None if nothing."""
        return None

    def whole_population(self, split: str) -> bool:
        """Whether a split holds every problem there is, not a sample of them: then only the answers vary by chance."""
        return False

    def check_split(self, split: str) -> None:
        """Raise StarError for a split that the task does not have."""
        need(split in self.splits, f"unknown split {split!r}, expected one of {', '.join(self.splits)}")


@runtime_checkable
class StepwiseTask(Protocol):
    """A task that can ask for each step of a rationale in a prompt of its own, and train on each step alone."""

    def stepwise(self) -> bool:
        """Whether it does so with its present settings."""

    def converse(self, session: Session, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions for requests, each written in several turns."""

    def pieces(self, prompt: str, completion: str) -> list[tuple[str, str]]:
        """A kept rationale as (prompt, completion) of each step; always equally many."""


@runtime_checkable
class ChainTask(Protocol):
    """A task whose problems are a chain of N steps over M states, as in RL-STaR's theory."""

    def chain(self) -> tuple[int, int]:
        """(steps N, states M)."""

    def right_steps(self, problem: Problem, text: str) -> list[bool] | None:
        """For each step whether it is right given the state it started from; None where the text cannot be read."""

    def path(self, problem: Problem, text: str) -> list[int | None]:
        """The N+1 states of a rationale, the problem's first, as numbers from 0 below M.

        None stands for a line that is no state. The states are numbered so that at every step each is its own right
        successor.
        """


def stepwise(task: Task) -> StepwiseTask | None:
    """The task as a StepwiseTask where it is one with its present settings, else None."""
    return task if isinstance(task, StepwiseTask) and task.stepwise() else None


class Grader(Part):
    """Judges one rationale.

    ``CASES`` is a table that runs as a test: (gold, text, reason of the verdict) and, where it takes more, a dict with
    ``choices``, ``meta`` or ``finish``.
    """

    CASES: ClassVar[list[tuple[Any, ...]]] = []
    asks: ClassVar[bool] = False  # a model is asked first: it has question() and decided(), as graders/judge.py

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        """The verdict on one sample. A grader that cannot decide says GRADER_ERROR, never "wrong"."""
        raise NotImplementedError

    @staticmethod
    def verdict(
        rationale: Rationale, reason: str, answer: str | None = None, answer_class: str | None = None
    ) -> Verdict:
        """The verdict for a reason: MATCH is right, MISMATCH, NO_ANSWER, ... are not (records.REASONS).

        ``answer_class`` is one text for all spellings of an answer, whatever the known answer is; votes go by it.
        """
        return Verdict(
            problem_id=rationale.problem_id,
            sample=rationale.sample,
            correct=reason == "MATCH",
            answer=answer,
            reason=reason,
            answer_class=answer_class if reason not in NO_VOTE else None,
        )

    def same_answer(self, a: str, b: str) -> bool:
        """Whether two different answer classes are one answer; asked where ``merges_classes``."""
        return False

    @property
    def merges_classes(self) -> bool:
        """Whether its answer classes are no normal form, so that those of a problem are compared with each other."""
        return False

    def gold_fault(self, problem: Problem) -> str | None:
        """Why no text can be judged by this problem's known answer or tests; None where it can.

        It is asked before anything is generated.
        """
        return None

    @property
    def isolated(self) -> bool:
        """Whether judging can hang or exhaust memory: then it is done in worker processes with a hard limit."""
        return False

    @property
    def cheap(self) -> bool:
        """Whether it is quick enough to judge in the process that writes."""
        return not self.isolated

    @property
    def wall(self) -> float:
        """Seconds one verdict may take in a worker before it is killed."""
        return 10.0

    def judged(self, text: str) -> str:
        """The part of a right text that was judged and is trained on; what runs on after it is left out."""
        return text


class Engine(Part):
    """Writes completions. Heavy imports happen inside ``open``."""

    determinism: ClassVar[str] = "seeds"  # what decides a text beside prompt and weights: its seed, or "none" can say

    @property
    def own_weights(self) -> bool:
        """Whether a session writes with the weights it is opened with; False: with a model that is fixed elsewhere."""
        return True

    closes_thoughts: ClassVar[bool] = False  # it can end a thought that is over its budget (sampling.max_thinking)

    def open(self, model: ModelRef, runtime: Runtime) -> Session:
        """Start the engine with these weights."""
        raise NotImplementedError


@dataclass
class TrainJob:
    """What a trainer works from. ``steps`` wins over ``epochs``; the directory ``scratch`` keeps checkpoints."""

    start: ModelRef
    examples: list[Example]
    out: Path
    scratch: Path
    seed: int
    runtime: Runtime
    steps: int | None = None
    epochs: float | None = None
    progress: Callable[[int, int, float], None] = field(default=lambda done, total, loss: None)


@dataclass
class PreferenceJob:
    """What preference training works from: pairs, and the weights it starts from, which are its reference, too.

    ``beta`` weighs the distance to the reference, ``loss`` is any that TRL's DPO knows, ``nll`` the weight of the
    negative log-likelihood of the chosen solution (nats a token) beside it.
    """

    start: ModelRef
    pairs: list[Pair]
    out: Path
    scratch: Path
    seed: int
    runtime: Runtime
    beta: float
    nll: float = 0.0
    loss: str = "sigmoid"
    steps: int | None = None
    epochs: float | None = None
    progress: Callable[[int, int, float], None] = field(default=lambda done, total, loss: None)


@tagged("group_policy", 1)
@dataclass(frozen=True)
class GroupPolicy:
    """The settings of group-relative policy optimisation (Shao et al. 2024, arXiv 2402.03300, section 4.1).

    ``group`` completions a prompt (G), ``kl`` the weight of the distance to the start (beta), ``clip`` how far a
    probability ratio counts (epsilon), ``updates`` optimiser steps on one batch of completions (mu); ``loss`` is one of
    TRL's ways to average over tokens, ``scale`` divides advantages by the group's standard deviation. The rest
    says how a completion is sampled.
    """

    group: int
    kl: float
    clip: float
    updates: int
    loss: str
    scale: bool
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...]


@dataclass
class PolicyJob:
    """What policy optimisation works from: prompts by problem id, and a ``reward`` of completions.

    ``reward`` gets the completions of one step, ``group`` of each prompt in a row, and returns as many numbers.
    """

    start: ModelRef
    prompts: dict[str, str]
    reward: Callable[[list[Completion]], list[float]]
    policy: GroupPolicy
    steps: int
    out: Path
    scratch: Path
    seed: int
    runtime: Runtime
    vllm: bool = False
    progress: Callable[[int, int, float], None] = field(default=lambda done, total, loss: None)


class Trainer(Part):
    """Fine-tunes. The output is a plain Hugging Face directory and a ``canary.json`` beside the weights."""

    generalises: ClassVar[bool] = True  # whether what it learns of one problem helps another; a forecast asks
    learns_from: ClassVar[tuple[str, ...]] = ("examples",)  # and where it can: "pairs" (prefer), "rewards" (reinforce)

    def train(self, job: TrainJob) -> dict[str, Any]:
        """Train and save to ``job.out``; returns metrics (loss, steps, tokens, ...)."""
        raise NotImplementedError

    def prefer(self, job: PreferenceJob) -> dict[str, Any]:
        """Train on pairs of a better and a worse solution and save to ``job.out``; returns metrics as ``train``."""
        raise NotImplementedError

    def reinforce(self, job: PolicyJob) -> dict[str, Any]:
        """Sample, ask for rewards and train, step by step; save to ``job.out``; returns metrics as ``train``."""
        raise NotImplementedError

    def initialise(self, model: Model, texts: Iterable[str], out: Path, seed: int) -> None:
        """Make an untrained model for ``model`` in ``out``; only a model that is pretrained locally needs it."""
        model.initialise(texts, out, seed)


@dataclass
class VerifyJob:
    """What a verifier learns from: initial weights, and pairs, labelled solutions or labelled steps."""

    start: ModelRef
    pairs: list[Pair]
    labelled: list[Labelled]
    out: Path
    scratch: Path
    seed: int
    runtime: Runtime
    settings: Verification
    progress: Callable[[int, int, float], None] = field(default=lambda done, total, loss: None)
    stepped: list[Stepped] = field(default_factory=list)


class Verifier(Part):
    """Tells right solutions from wrong ones by a score; a higher one is better. Scores compare within one problem."""

    learns_from: ClassVar[str] = "pairs"  # pairs | labelled | steps | nothing
    likelihood: ClassVar[bool] = False  # the score is log P(solution | problem): an engine can compute it, too
    reads_ends: ClassVar[bool] = False  # ``score`` takes ``ended``: which solutions have an end of text
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
    reasoning: list[str] | None = None  # the tokens around a thought, where a model can name them

    def initialise(self, texts: Iterable[str], out: Path, seed: int) -> None:
        """Write an untrained model and its tokenizer to ``out`` (local models)."""
        raise NotImplementedError

    def resolve(self) -> dict[str, Any]:
        """Where outside weights are and what addresses them: {"path", "revision", "content"}."""
        raise NotImplementedError


class Meter(Protocol):
    """A progress display of one piece of work."""

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        """Count ``n`` more items, with their tokens, how many are right, or the loss, where that is known."""

    def close(self) -> None:
        """End the display."""
