"""The settings beside those of the parts, a class for each section of a configuration, checked before anything runs.

sampling.temperature=0.7 sets ``Sampling.temperature``. All of them change results, and so artifact keys, but those of
``Runtime`` (where and how fast), ``Tracking`` (where results are reported) and ``Pilot`` (what a forecast looks at).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from star_cli.core.keys import CHANGED, tagged
from star_cli.errors import need

DEDUPE = ("text", "none", "equations", "near")
DIVERSITY = ("none", "equations", "words")
THOUGHTS_KEPT = ("keep", "strip")
CONTROLS = ("none", "random")
SAMPLING_SHOTS = ("task", "first", "none")
TRACKERS = ("wandb", "trackio", "mlflow", "tensorboard")
THINKING = ("auto", "on", "off", "low", "medium", "high")


@tagged("sampling", 1)
@dataclass(kw_only=True)
class Sampling:
    """How rationales of the training problems are drawn from the model.

    ``temperature`` 0 is greedy decoding; ``top_p`` and ``top_k`` cut the distribution (1.0 and 0: not at all);
    ``max_tokens`` is the longest completion, in tokens (null: the task's own limit).

    With ``stop_after`` a problem that has that many right rationales gets no further samples in this round (0: it gets
    all). Samples are asked for in waves of 1, 1, 2, 4, ..., so that the result depends on seeds alone, not on timing.

    ``shots`` says whether prompts hold the task's worked examples: as the ``task`` has them, in the ``first`` round
    alone (STaR's code can leave them out later), or ``none``.

    ``max_thinking`` is the longest thought of a model that thinks before it answers, in tokens (0: no limit): one that
    is longer is closed by a sentence that says so, and the answer follows. That sentence is never trained on.
    """

    temperature: float = 0.0  # 0 is greedy, 1 samples from the model as it is
    top_p: float = 1.0  # nucleus sampling; 1: off
    top_k: int = 0  # the likeliest tokens that are drawn from; 0: all
    max_tokens: int | None = None  # of a completion; null: what the task says
    stop_after: int = 0  # right rationales after which a problem gets no further samples; 0: never
    shots: str = field(
        default="task", metadata={"identity": False}
    )  # task, first (round alone) or none: where the task's worked examples stand
    max_thinking: int = field(default=0, metadata={"identity": CHANGED})  # tokens of a thought; 0: no limit

    def check(self, name: str = "sampling") -> None:
        need(
            self.shots in SAMPLING_SHOTS,
            f"{name}.shots must be {', '.join(SAMPLING_SHOTS)}, got {self.shots!r}",
            "task: the task's worked examples in every prompt; first: in the first round alone; none: never",
        )
        need(
            self.temperature >= 0,
            f"{name}.temperature must be >= 0, got {self.temperature}",
            "0 is greedy, 1 samples from the model as it is",
        )
        need(0 < self.top_p <= 1, f"{name}.top_p must be in (0, 1], got {self.top_p}")
        need(self.top_k >= 0, f"{name}.top_k must be >= 0 (0 is off), got {self.top_k}")
        need(self.max_tokens is None or self.max_tokens >= 1, f"{name}.max_tokens must be >= 1, got {self.max_tokens}")
        need(self.stop_after >= 0, f"{name}.stop_after must be >= 0 (0: never), got {self.stop_after}")
        need(self.max_thinking >= 0, f"{name}.max_thinking must be >= 0 (0: no limit), got {self.max_thinking}")
        need(
            self.max_tokens is None or self.max_thinking < self.max_tokens,
            f"{name}.max_thinking={self.max_thinking} has no effect: {name}.max_tokens={self.max_tokens} ends the text "
            "before",
            "leave room for the answer",
        )


@dataclass(kw_only=True)
class Runtime:
    """Where the work is done and how fast. No setting of it changes a result or enters an artifact's key."""

    gpus: int = 1  # processes of the trainer, one a GPU; of each node where there are several
    nodes: int = 1  # machines that train, of the Slurm job this runs in
    shard: str = "auto"  # auto | always | never: split the trained weights over the GPUs (FSDP2), or copy them
    cpu_offload: bool = False  # keep sharded weights and moments in main memory
    max_restarts: int = 1  # how often a training of several processes goes on from its checkpoint after one died
    tensor_parallel: int = 1  # GPUs over which the engine splits one model
    gpu_memory: float = 0.85  # share of a GPU's memory the engine may take
    kv_cache_mb: int = 256  # size of the engine's key/value cache on a CPU
    max_num_seqs: int = 512  # sequences the engine runs at once
    max_model_len: int | None = None  # tokens of prompt and completion; null: what the model allows
    train_threads: int = 0  # CPU threads of the trainer; 0: all cores
    grade_workers: int = 0  # processes for graders that can hang or explode; 0: all cores
    max_images: int = 4  # pictures in one prompt, at most
    grade_early: bool = True  # grade while the engine still writes
    checkpoint_minutes: float = 10.0  # how often a fine-tuning saves a state to continue from
    grace_seconds: float = 60.0  # from SIGTERM or SIGUSR1 until the run has ended (exit code 75: run it again)
    sync_seconds: float = 0.5  # how often written samples are forced to disk
    progress: str = "auto"  # auto | bar | plain | none
    engine_log: str | None = None  # where the engine's own log goes
    engine_patience: float = 300.0  # seconds without a token after which an engine is ended and started anew; 0: never

    def check(self) -> None:
        need(
            self.progress in ("auto", "bar", "plain", "none"),
            f"runtime.progress must be auto, bar, plain or none, got {self.progress!r}",
        )
        need(
            self.engine_patience >= 0,
            f"runtime.engine_patience must be >= 0 seconds (0: wait for ever), got {self.engine_patience}",
        )
        need(0 < self.gpu_memory <= 1, f"runtime.gpu_memory must be in (0, 1], got {self.gpu_memory}")
        need(self.grace_seconds > 0, f"runtime.grace_seconds must be > 0, got {self.grace_seconds}")
        need(
            self.shard in ("auto", "always", "never"),
            f"runtime.shard must be auto, always or never, got {self.shard!r}",
        )
        need(
            not self.cpu_offload or self.shard == "always",
            "runtime.cpu_offload=true has no effect unless the weights are sharded",
            "set runtime.shard=always, too",
        )
        need(self.max_restarts >= 0, f"runtime.max_restarts must be >= 0, got {self.max_restarts}")
        for name in ("nodes", "gpus", "tensor_parallel", "kv_cache_mb", "max_num_seqs", "max_images"):
            need(getattr(self, name) >= 1, f"runtime.{name} must be >= 1, got {getattr(self, name)}")


@dataclass(kw_only=True)
class Verification:
    """How verifiers are trained, and the candidates among which they choose at the end.

    ``lr`` to ``lora_alpha`` are the optimiser's settings of every verifier that has none of its own (``verifier.lr``,
    ``verifier.steps``); Hosseini et al. (2024) do not report theirs. ``steps`` wins over ``epochs``. ``pairs`` is the
    most pairs of a right and a wrong solution that are taken from one problem (0: all). After the last round
    ``candidates`` solutions of each held-out problem are drawn at ``temperature``; every way of choosing is measured on
    the same ones, at each number k of ``ks``.
    """

    lr: float = 5e-6  # the verifier's learning rate, where its own is not set
    schedule: str = "constant"  # constant, linear or cosine
    warmup: int = 0  # steps
    batch: int = 32  # pairs or solutions of one step
    epochs: float = 1.0  # passes over the data
    steps: int | None = None  # of training; null: as epochs says
    pairs: int = 8  # pairs of a problem, at most; 0: all
    lora_rank: int = 0  # 0: all weights are trained
    lora_alpha: float = 32.0  # scale of the LoRA update
    candidates: int = 16  # solutions of each held-out problem to choose from
    temperature: float = 0.7  # with which candidates are drawn
    ks: list[int] = field(
        default_factory=lambda: [1, 2, 4, 8, 16]
    )  # numbers of candidates at which selectors are measured
    score_by: str = "auto"  # auto | engine | forward: where likelihoods are computed
    any_tokenizer: bool = False  # let a verifier judge texts of a generator with another tokenizer

    def check(self) -> None:
        need(self.lr > 0, f"verification.lr must be > 0, got {self.lr}")
        need(self.batch >= 1, f"verification.batch must be >= 1, got {self.batch}")
        need(self.epochs > 0, f"verification.epochs must be > 0, got {self.epochs}")
        need(self.steps is None or self.steps >= 1, f"verification.steps must be >= 1 or null, got {self.steps}")
        need(self.pairs >= 0, f"verification.pairs must be >= 0 (0: all), got {self.pairs}")
        need(self.candidates >= 1, f"verification.candidates must be >= 1, got {self.candidates}")
        need(
            self.temperature > 0 or self.candidates == 1,
            f"verification.temperature must be > 0 to draw {self.candidates} different candidates, "
            f"got {self.temperature}",
        )
        need(bool(self.ks) and all(k >= 1 for k in self.ks), f"verification.ks must be numbers >= 1, got {self.ks}")
        need(
            max(self.ks) <= self.candidates,
            f"verification.ks asks for k={max(self.ks)}, more than verification.candidates={self.candidates}",
            "draw more candidates, or ask for a smaller k",
        )
        need(
            self.score_by in ("auto", "engine", "forward"),
            f"verification.score_by must be auto, engine or forward, got {self.score_by!r}",
        )


@dataclass(kw_only=True)
class Evaluation:
    """How accuracy on held-out problems is measured after every round.

    On ``limit`` problems of ``split`` (0: all of them), ``samples`` answers each at ``temperature``. With ``final`` the
    round that is best there is measured once more at the end, on the whole of that other split (``final=test``): no
    round is chosen on the problems that are reported. ``rules`` are further rules of the grader, such as
    ``[spider,bird]``, by which the same answers are graded once more, beside ours and never instead. ``shots=none``
    asks without the task's worked examples.

    ``tasks`` are other tasks on whose ``split`` the same models are measured, each by its own grader (transfer): names,
    or names with settings, ``[countdown,{addition:{max_digits:5}}]``. ``tasks_at`` says when: after each ``round``, or
    of the base model and the last one at the ``end``.
    """

    split: str = "dev"  # the held-out split that every round is measured on
    tasks: list[Any] = field(default_factory=list)  # other tasks on which the same models are measured
    tasks_at: str = "round"  # round: after each; end: of the base model and the last one
    final: str | None = None  # a split that the best round is measured on, once, at the end
    rules: list[str] = field(default_factory=list)  # published scripts' rules to report beside star's own
    shots: str = "task"  # task: with the task's worked examples; none: without
    limit: int = 0  # problems of the split; 0: all
    samples: int = 1  # answers a problem
    temperature: float = 0.0  # 0 is greedy

    def check(self) -> None:
        need(
            self.final != self.split,
            f"evaluation.final={self.final} is the split that rounds are chosen on",
            "choose on evaluation.split=dev and report evaluation.final=test",
        )
        need(
            self.tasks_at in ("round", "end"),
            f"evaluation.tasks_at must be round or end, got {self.tasks_at!r}",
            "round: after every round; end: the base model and the last one",
        )
        need(self.samples >= 1, f"evaluation.samples must be >= 1, got {self.samples}")
        need(self.shots in ("task", "none"), f"evaluation.shots must be task or none, got {self.shots!r}")
        need(self.limit >= 0, f"evaluation.limit must be >= 0 (0: the whole split), got {self.limit}")
        need(self.temperature >= 0, f"evaluation.temperature must be >= 0, got {self.temperature}", "0 is greedy")


@dataclass(kw_only=True)
class Mixed:
    """A file of JSON lines with prompt and completion, of which ``weight`` rows are trained on beside each own one."""

    path: str = ""
    weight: float = 1.0


@dataclass(kw_only=True)
class Training:
    """What is trained on beside what was kept, and how it is shown.

    With ``shots`` a training prompt holds the task's worked examples, as in sampling (ReST-EM). ``replay`` is the share
    of the training examples that are lessons of the base model's pretraining, drawn by seed: a small model forgets
    less of what the others do not show, such as what a hint is. No paper's algorithm here has that. ``mix`` are files
    from outside, as [{path: chat.jsonl, weight: 0.5}]: half as many of its rows as the round has examples, drawn anew
    each round.
    """

    shots: bool = False  # prompts of training texts hold the task's worked examples
    replay: float = 0.0  # share of the training examples that are lessons of the pretraining
    mix: list[Mixed] = field(default_factory=list)  # [{path, weight}]: rows from outside beside each own example

    def check(self) -> None:
        need(
            0 <= self.replay < 1,
            f"training.replay must be a share from 0 up to, not including, 1, got {self.replay}",
            "0.2: every fifth example is a lesson of the pretraining",
        )
        for i, mixed in enumerate(self.mix):
            need(bool(mixed.path), f"training.mix[{i}] names no path", "training.mix=[{path: chat.jsonl, weight: 0.5}]")
            need(mixed.weight > 0, f"training.mix[{i}].weight must be > 0, got {mixed.weight}", "leave the file out")
        paths = [mixed.path for mixed in self.mix]
        need(len(set(paths)) == len(paths), f"training.mix names a file twice: {', '.join(paths)}", "add their weights")


@dataclass(kw_only=True)
class Schedule:
    """How long each round fine-tunes.

    Round n takes ``int(start * grow**(n-1)) + add*(n-1)`` optimiser steps, or ``epochs`` passes over its examples where
    that is set. The defaults are STaR's: 40 steps, 20 % more each round (Zelikman et al. 2022, section 4). With
    ``patience`` a run ends before its last round once that many rounds in a row were no better on the held-out split
    than the best before them (STaR ends at a plateau; 0: never).
    """

    start: int = 40  # training steps of round 1
    grow: float = 1.2  # factor from round to round
    add: int = 0  # steps added from round to round
    epochs: float | None = None  # passes over the examples instead of steps
    patience: int = 0  # rounds without a better one after which the run ends; 0: never

    def steps(self, round: int) -> int | None:
        """Optimiser steps of round ``round`` (1 is the first), or None when ``epochs`` decides."""
        if self.epochs is not None:
            return None
        return int(self.start * self.grow ** (round - 1)) + self.add * (round - 1)

    def check(self) -> None:
        need(self.epochs is None or self.epochs > 0, f"schedule.epochs must be > 0, got {self.epochs}")
        need(self.start >= 1, f"schedule.start must be >= 1, got {self.start}")
        need(self.grow > 0, f"schedule.grow must be > 0, got {self.grow}")
        need(self.patience >= 0, f"schedule.patience must be >= 0 (0: never), got {self.patience}")


@dataclass(kw_only=True)
class Pretraining:
    """How a model that star makes itself (model=tiny) is trained before round 1, on examples that the task writes.

    ``lessons`` says how many examples of each kind ({"2": 2500, "2/hinted": 300}; empty: what the task proposes). With
    ``first`` and ``first_steps`` it is trained on easier examples before that, for what noisy examples teach slowly.
    """

    steps: int = 450  # training steps
    lr: float = 3e-3  # learning rate
    batch: int = 64  # lessons of one step
    warmup: int = 0  # steps
    schedule: str = "constant"  # constant, linear or cosine
    seed: int = 0  # of weights and lessons
    lessons: dict[str, int] = field(default_factory=dict)  # how many of each kind; empty: the task's own
    first: dict[str, int] = field(default_factory=dict)  # lessons that are taught before the others
    first_steps: int = 0  # steps on those

    def check(self) -> None:
        need(self.steps >= 1, f"pretraining.steps must be >= 1, got {self.steps}")
        need(self.first_steps >= 0, f"pretraining.first_steps must be >= 0, got {self.first_steps}")
        need(
            bool(self.first) == bool(self.first_steps),
            "pretraining.first and pretraining.first_steps need each other",
            "set both, or neither",
        )
        for name, count in self.lessons.items():
            need(count >= 0, f"pretraining.lessons.{name} must be >= 0, got {count}")


@dataclass(kw_only=True)
class Tracking:
    """Where runs are reported beside the terminal.

    ``kind`` is none, wandb, trackio, mlflow, tensorboard, or auto: wandb where somebody is logged in to it. ``mode`` is
    wandb's online or offline; ``server`` is the address of an MLflow server. The others write below the home.
    """

    kind: str = "none"  # none, wandb, trackio, mlflow, tensorboard, or auto: wandb where somebody is logged in
    project: str = "star"  # of wandb, trackio and MLflow
    mode: str = "online"  # of wandb: online or offline
    server: str | None = None  # of MLflow: the address of its server

    def check(self) -> None:
        need(
            self.kind in ("auto", "none", *TRACKERS),
            f"tracking must be auto, none, {', '.join(TRACKERS)}, got {self.kind!r}",
        )
        need(
            self.server is None or self.kind == "mlflow",
            f"tracking.server={self.server} has no effect with tracking={self.kind}",
            "it is the address of an MLflow server: set tracking=mlflow",
        )
        need(
            self.mode == "online" or self.kind in ("wandb", "auto"),
            f"tracking.mode={self.mode} has no effect with tracking={self.kind}",
            "it is wandb's; the others write below the home",
        )
        need(self.mode in ("online", "offline"), f"tracking.mode must be online or offline, got {self.mode!r}")


@dataclass(kw_only=True)
class Filtering:
    """Which of the right rationales become training examples: at most ``limit`` a problem (0: all), equal ones once.

    ``dedupe`` says which count as equal: ``text`` (or true) those with the same text, ``equations`` those with the same
    equations in the same order (RFT), ``near`` those that share ``similar`` of their runs of three words (MinHash),
    ``none`` (or false) none, so that what the model writes often weighs more.
    ``diverse`` takes the ``limit`` that differ most, by their ``equations`` or by runs of three ``words``; ``shortest``
    takes the shortest; ``longest`` leaves out what has more tokens (0: nothing). ``pass_rate`` are the least and the
    most of a problem's samples that may be right, so that what is too hard or too easy is left out.
    ``thinking=strip`` trains on what follows a thought, ``keep`` on both.
    ``control=random`` keeps equally many rationales of the same problems whatever their verdicts, chosen by seed: a
    gain that remains is not due to grading.
    """

    limit: int = 1  # examples a problem, at most; 0: all
    dedupe: bool | str = True  # true: equal texts once; equations: equal lists of equations once; false: all
    sound: bool = False  # leave out a right rationale with an equation (<<2*3=6>> or 2 * 3 = 6) that does not hold
    max_errors: float = 0.02  # share of GRADER_ERROR verdicts above which the stage fails
    max_gold_errors: float = 0.02  # share of known answers it cannot use above which nothing is generated
    control: str = "none"  # random: as many as the rule keeps, drawn whatever their verdicts
    similar: float = field(default=0.8, metadata={"identity": CHANGED})  # with dedupe=near: how like is equal
    diverse: str = field(default="none", metadata={"identity": CHANGED})  # equations, words: the most different
    shortest: bool = field(default=False, metadata={"identity": CHANGED})  # keep the shortest
    longest: int = field(default=0, metadata={"identity": CHANGED})  # tokens above which one is left out; 0: none
    pass_rate: list[float] = field(
        default_factory=lambda: [0.0, 1.0], metadata={"identity": CHANGED}
    )  # least and most of a problem's samples that may be right
    thinking: str = field(default="keep", metadata={"identity": CHANGED})  # strip: train on what follows a thought

    @property
    def mode(self) -> str:
        """``dedupe`` as one of text, none and equations."""
        return dedupe_mode(self.dedupe)

    def check(self) -> None:
        need(self.limit >= 0, f"filter.limit must be >= 0 (0 keeps all), got {self.limit}")
        need(
            self.control in CONTROLS,
            f"filter.control must be {' or '.join(CONTROLS)}, got {self.control!r}",
            "random is the control that shows what grading is worth",
        )
        check_choice(self)
        need(
            self.mode == "near" or self.similar == 0.8,
            f"filter.similar={self.similar} has no effect with filter.dedupe={self.mode}",
            "set filter.dedupe=near",
        )
        need(
            self.diverse == "none" or self.limit > 1,
            f"filter.diverse={self.diverse} has no effect with filter.limit={self.limit}",
            "set filter.limit=4, for example: the four of a problem that differ most are kept",
        )
        need(
            not self.shortest or self.limit > 0,
            "filter.shortest=true has no effect with filter.limit=0, which keeps all",
            "set filter.limit=1",
        )


class Choosing(Protocol):
    """What ``Filtering`` and the rule that a filter has in its key both say of the rationales that are kept."""

    @property
    def similar(self) -> float: ...
    @property
    def diverse(self) -> str: ...
    @property
    def shortest(self) -> bool: ...
    @property
    def longest(self) -> int: ...
    @property
    def pass_rate(self) -> list[float]: ...
    @property
    def thinking(self) -> str: ...


def check_choice(rule: Choosing) -> None:
    """Refuse settings of a filter without sense."""
    need(0 < rule.similar <= 1, f"filter.similar must be above 0 and at most 1, got {rule.similar}")
    need(rule.diverse in DIVERSITY, f"filter.diverse must be {', '.join(DIVERSITY)}, got {rule.diverse!r}")
    need(rule.longest >= 0, f"filter.longest must be >= 0 tokens (0: no limit), got {rule.longest}")
    need(
        len(rule.pass_rate) == 2 and 0 <= rule.pass_rate[0] <= rule.pass_rate[1] <= 1,
        f"filter.pass_rate must be two shares, the least and the most, got {rule.pass_rate}",
        "for example filter.pass_rate=[0.1,0.9]",
    )
    need(
        rule.thinking in THOUGHTS_KEPT,
        f"filter.thinking must be {' or '.join(THOUGHTS_KEPT)}, got {rule.thinking!r}",
        "strip trains on what follows a thought, keep on both",
    )
    need(
        not (rule.shortest and rule.diverse != "none"),
        f"filter.shortest=true and filter.diverse={rule.diverse} both say which are kept",
        "leave one of them out",
    )


def dedupe_mode(setting: bool | str) -> str:
    """text, none or equations of a setting that may be true or false; anything else is a StarError."""
    mode = {True: "text", False: "none"}[setting] if isinstance(setting, bool) else setting
    need(
        mode in DEDUPE,
        f"filter.dedupe must be {', '.join(DEDUPE)}, true or false, got {setting!r}",
        "text keeps equal texts once, none keeps all",
    )
    return mode


@dataclass(kw_only=True)
class Pilot:
    """What a forecast measures first: ``samples`` rationales of the base model on each of ``problems`` problems.

    ``uncalibrated`` gives accuracies by round also for tasks whose steps are not known, by a law that was no better
    than "no change" on runs it had not seen (docs/forecast.md).
    """

    problems: int = 100  # how many are tried
    samples: int = 4  # rationales a problem
    uncalibrated: bool = False  # accuracies by round also where no law is calibrated

    def check(self) -> None:
        for name in ("problems", "samples"):
            need(getattr(self, name) >= 1, f"pilot.{name} must be >= 1, got {getattr(self, name)}")


def check_thinking(thinking: str) -> None:
    """Refuse a value of task.thinking that is none."""
    need(
        thinking in THINKING,
        f"task.thinking must be {', '.join(THINKING)}, got {thinking!r}",
        "on and off for models that can do both (Qwen3, SmolLM3), low, medium and high for gpt-oss",
    )
