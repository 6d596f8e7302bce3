"""RL-STaR's theory beside a run: its measured accuracy and steps, and the closed form from its base model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from star_cli.config import Composed, launch
from star_cli.errors import StarError
from star_cli.grading import joined
from star_cli.parts import Experiment, Task
from star_cli.records import Metric
from star_cli.resume import name_of
from star_cli.runs import Run
from star_cli.session import open_store
from star_cli.stats import wilson
from star_cli.store import Artifact, Store
from star_cli.theory.conventions import Convention, check_deltas
from star_cli.theory.policy import Policy
from star_cli.theory.tables import estimate_deltas
from star_cli.theory.temperature import at_temperature, trajectory_at


@dataclass(frozen=True)
class Row:
    """A round: what was measured (95 % intervals) and what the theory says. Deltas are the theory's, at evaluation."""

    round: int
    accuracy: float
    low: float
    high: float
    theory: float
    inside: bool
    delta: list[float]
    delta_low: list[float]
    delta_high: list[float]
    theory_delta: list[float]
    wrong: float | None  # share of the right answers with a wrong step
    theory_wrong: float


@dataclass(frozen=True)
class Comparison:
    """A run beside the theory; ``source`` says where the theory's starting deltas come from."""

    name: str
    steps: int
    states: int
    source: str
    start: list[float]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """A round's evaluation."""

    accuracy: Metric
    wrong: float | None
    right_steps: list[int]  # of each step, how many were right given the state before
    samples: int


def experiment_of(home: Path, name: str) -> Experiment:
    """The experiment of a run, composed again as it was asked for."""
    info = Run(home, name).info
    if "overrides" not in info:
        raise StarError(f"{name} is a sweep, not one run", hint=f"name one of its arms: {name}/...")
    kept = [o for o in info["overrides"] if name_of(o) not in ("name", "home")]
    found: Composed | None = launch([*kept, f"name='{name}'", f"home='{home}'"], lambda c: c)
    assert found is not None
    return found.experiment


def compare_run(home: Path, name: str, delta: list[float] | None, convention: str) -> Comparison:
    """The Comparison of a run. ``delta``: start the theory from these instead of from the base model."""
    x = experiment_of(home, name)
    shape = x.task.chain()
    if shape is None:
        raise StarError(f"the task of {name} is no chain with known steps, so the theory has nothing to stand beside",
                        hint="compare a run of task=zip; star forecast works for every task")
    steps, states = shape
    run, store = Run(home, name), open_store(home)
    done = sorted({e.round for e in run.events() if e.name == "evaluate"})
    measured = {n: measure(run, store, x, n, steps) for n in done}
    if 0 not in measured:
        raise StarError(f"{name} has no evaluation of its base model yet", hint=f"star resume {name}")
    start, source = _start(run, store, x, measured[0], states, steps, delta, convention)
    told = trajectory_at(start, states, max(measured), sampling=x.sampling.temperature,
                         evaluation=x.evaluation.temperature)
    rows = []
    for n, m in measured.items():
        j, low, high = told[n].accuracy[0], m.accuracy.low or 0.0, 1.0 if m.accuracy.high is None else m.accuracy.high
        ends = [wilson(right, m.samples) for right in m.right_steps]
        rows.append(Row(n, m.accuracy.value, low, high, j, low <= j <= high,
                        [_delta(right / m.samples, states) for right in m.right_steps],
                        [_delta(a, states) for a, _ in ends], [_delta(b, states) for _, b in ends],
                        list(told[n].delta[0]), m.wrong, told[n].wrong_given_kept[0]))
    return Comparison(name, steps, states, source, list(start), rows, _notes(x))


def measure(run: Run, store: Store, x: Experiment, round: int, steps: int) -> Measured:
    """Accuracy, wrong steps among the right answers, and every step's transitions, of one round's evaluation."""
    metrics = {m.name: m for m in run.artifact(store, round, "evaluate").read(Metric)}
    answers = run.artifact(store, round, f"generate-{x.evaluation.split}")
    problems = store.get(answers.manifest["inputs"]["problems"])
    if problems is None:
        raise StarError(f"the problems that {run.name}/round-{round} was evaluated on are no longer in the store",
                        hint=f"star resume {run.name}")
    right, samples = transitions(x.task, problems, answers, steps)
    wrong = metrics.get("right_with_wrong_step")
    return Measured(metrics["accuracy"], wrong.value if wrong else None, right, samples)


def transitions(task: Task, problems: Artifact, rationales: Artifact, steps: int) -> tuple[list[int], int]:
    """How often each step was right given the state before it, and of how many samples."""
    right, samples = [0] * steps, 0
    for problem, rationale in joined(problems, rationales):
        samples += 1
        for n, good in enumerate(task.right_steps(problem, rationale.text) or ()):
            right[n] += good
    return right, samples


def _start(run: Run, store: Store, x: Experiment, base: Measured, states: int, steps: int, delta: list[float] | None,
           convention: str) -> tuple[tuple[float, ...], str]:
    if delta is not None:
        values = delta * steps if len(delta) == 1 else delta
        return check_deltas(values, states, convention), f"from the given deltas, {Convention(convention)} convention"
    model = [e for e in run.events() if e.round == 0 and e.stage in ("pretrain", "base")]
    found = store.get(model[0].key) if model else None
    if found is not None and found.has_file("model/tables.npy"):
        tables = Policy.load(found.directory("model")).tables
        truth = [list(range(states))] * steps
        return check_deltas(estimate_deltas(tables, truth).tolist(), states), "from the base's own tables"
    seen = [_delta(right / base.samples, states) for right in base.right_steps]
    t = x.evaluation.temperature
    if t == 0:
        raise StarError(f"{run.name} was evaluated greedily, which does not show the base's deltas",
                        hint="give them with --delta, or evaluate with evaluation.temperature=1")
    return at_temperature(seen, states, 1 / t), "from the base's measured steps"


def _notes(x: Experiment) -> list[str]:
    notes = []
    if (x.sampling.temperature, x.evaluation.temperature) != (1.0, 1.0):
        notes.append(f"sampled at T={x.sampling.temperature:g}, evaluated at T={x.evaluation.temperature:g}; the "
                     "theory's curve is for these temperatures, the paper's theorems are for 1")
    if getattr(x.method, "rationalize", False):
        notes.append("rationalization is on, which the theory does not know")
    if x.filter.limit or x.filter.mode != "none":
        notes.append("the filter drops right rationales (filter.limit, filter.dedupe); the theory trains on all")
    return notes


def _delta(share: float, states: int) -> float:
    return (states * share - 1) / (states - 1)
