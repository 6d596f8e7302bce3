"""RL-STaR's theory beside a run: its measured accuracy and steps, and the closed form from its base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from star_cli.analysis.forecast.chain import WORK, possible, rows_run, shared_run, sizes_for
from star_cli.analysis.forecast.result import load as load_outlook
from star_cli.core.parts import ChainTask
from star_cli.core.records import Metric, Problem
from star_cli.errors import StarError
from star_cli.lib.intervals import wilson
from star_cli.lib.theory.conventions import Convention, check_deltas
from star_cli.lib.theory.policy import Policy
from star_cli.lib.theory.tables import estimate_deltas
from star_cli.lib.theory.temperature import at_temperature, trajectory_at
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.lab import Experiment
from star_cli.run.overrides import name_of
from star_cli.stages.grading.judge import joined
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.ledger import Run


@dataclass(frozen=True)
class Row:
    """A round: what was measured (95 % intervals) and what the theory says. Deltas are the theory's, at evaluation.

    ``theory`` is the closed form, for endless samples; ``band`` holds 95 % of simulated runs of this run's sizes
    (finitely many kept samples, the evaluation's noise, what is not known of the base), and ``usual`` says whether the
    measured accuracy lies in it.
    """

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
    samples: int  # that the deltas and the wrong steps were measured on
    band: list[float]
    usual: bool


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
    forecast: list[float] = field(default_factory=list)  # what the run was forecast to measure, where it was

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """A round's evaluation, and what the next round's training samples tell of the same model beside it.

    The latter count for the steps where both are drawn at one temperature.
    """

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
    if not isinstance(x.task, ChainTask):
        raise StarError(
            f"the task of {name} is no chain with known steps, so the theory has nothing to stand beside",
            hint="compare a run of task=zip; star forecast works for every task",
        )
    steps, states = x.task.chain()
    run, store = Run(home, name), open_store(home)
    done = sorted({e.round for e in run.events() if e.name == "evaluate"})
    measured = {n: measure(run, store, x, n, steps) for n in done}
    if 0 not in measured:
        raise StarError(f"{name} has no evaluation of its base model yet", hint=f"star resume {name}")
    start, source = _start(run, store, x, measured[0], states, steps, delta, convention)
    told = trajectory_at(
        start, states, max(measured), sampling=x.sampling.temperature, evaluation=x.evaluation.temperature
    )
    bands = bands_of(x, run, store, start, measured[0] if "measured" in source else None, max(measured))
    rows = []
    for n, m in measured.items():
        j, low, high = told[n].accuracy[0], m.accuracy.low or 0.0, 1.0 if m.accuracy.high is None else m.accuracy.high
        ends = [wilson(right, m.samples) for right in m.right_steps]
        rows.append(
            Row(
                n,
                m.accuracy.value,
                low,
                high,
                j,
                low <= j <= high,
                [_delta(right / m.samples, states) for right in m.right_steps],
                [_delta(a, states) for a, _ in ends],
                [_delta(b, states) for _, b in ends],
                list(told[n].delta[0]),
                m.wrong,
                told[n].wrong_given_kept[0],
                m.samples,
                list(bands[n]),
                bands[n][0] - 1e-9 <= m.accuracy.value <= bands[n][1] + 1e-9,
            )
        )
    outlook = load_outlook(run.path)
    return Comparison(
        name,
        steps,
        states,
        source,
        list(start),
        rows,
        _notes(x),
        [row.accuracy for row in outlook.rows] if outlook else [],
    )


def measure(run: Run, store: Store, x: Experiment, round: int, steps: int) -> Measured:
    """Accuracy of one round's model, wrong steps among its right answers, and every step's transitions."""
    assert isinstance(x.task, ChainTask)
    metrics = {m.name: m for m in run.artifact(store, round, "evaluate").read(Metric)}
    answers = run.artifact(store, round, f"generate-{x.evaluation.split}")
    right, samples = transitions(x.task, _problems(run, store, answers), answers, steps)
    wrong = metrics["right_with_wrong_step"].value if "right_with_wrong_step" in metrics else None
    if x.sampling.temperature == x.evaluation.temperature > 0 and x.sampling.top_p == 1 and not x.sampling.top_k:
        names = {e.name for e in run.events() if e.round == round + 1}
        if {"generate", "filter"} <= names:
            drafts = run.artifact(store, round + 1, "generate")
            more, n = transitions(x.task, _problems(run, store, drafts), drafts, steps)
            right, samples = [a + b for a, b in zip(right, more, strict=True)], samples + n
            told = run.artifact(store, round + 1, "filter").metrics
            kept = told["reasons"].get("MATCH", 0)
            wrong = told["kept_wrong_steps"] / kept if kept and told["kept_wrong_steps"] is not None else wrong
    return Measured(metrics["accuracy"], wrong, right, samples)


def _problems(run: Run, store: Store, rationales: Artifact) -> Artifact:
    found = store.get(rationales.manifest["inputs"]["problems"])
    if found is None:
        raise StarError(
            f"the problems of {rationales.key} in {run.name} are no longer in the store", hint=f"star resume {run.name}"
        )
    return found


def bands_of(
    x: Experiment, run: Run, store: Store, start: Sequence[float], base: Measured | None, rounds: int, seed: int = 0
) -> list[tuple[float, float]]:
    """Of every round the band that holds 95 % of simulated runs of this size which obey the theory.

    ``base``: where the starting deltas were measured, so that they are uncertain; None where they are known.
    """
    problems = {
        split: run.artifact(store, n, name).count(Problem)
        for split, n, name in (("train", 1, "problems"), ("held out", 0, f"problems-{x.evaluation.split}"))
        if any(e.round == n and e.name == name for e in run.events())
    }
    held_out = problems.get("held out", 1)
    sizes = replace(sizes_for(x, train=problems.get("train", held_out), held_out=held_out), rounds=rounds)
    rng, rows = np.random.default_rng(seed), not x.trainer.generalises
    count = int(np.clip(WORK / (sizes.problems * sizes.samples * max(rounds, 1)), 100, 400)) if rows else 1000
    drawn = [
        possible(base.right_steps, base.samples, replace(sizes, sampling=sizes.evaluation), rng) if base else start
        for _ in range(count)
    ]
    curves = [(rows_run(d, sizes, rng) if rows else shared_run(d, sizes, rng, slack=0.0))[0] for d in drawn]
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def transitions(task: ChainTask, problems: Artifact, rationales: Artifact, steps: int) -> tuple[list[int], int]:
    """How often each step was right given the state before it, and of how many samples."""
    right, samples = [0] * steps, 0
    for problem, rationale in joined(problems, rationales):
        samples += 1
        for n, good in enumerate(task.right_steps(problem, rationale.text) or ()):
            right[n] += good
    return right, samples


def _start(
    run: Run,
    store: Store,
    x: Experiment,
    base: Measured,
    states: int,
    steps: int,
    delta: list[float] | None,
    convention: str,
) -> tuple[tuple[float, ...], str]:
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
        raise StarError(
            f"{run.name} was evaluated greedily, which does not show the base's deltas",
            hint="give them with --delta, or evaluate with evaluation.temperature=1",
        )
    return at_temperature(seen, states, 1 / t), "from the base's measured steps"


def _notes(x: Experiment) -> list[str]:
    notes = []
    if (x.sampling.temperature, x.evaluation.temperature) != (1.0, 1.0):
        notes.append(
            f"sampled at T={x.sampling.temperature:g}, evaluated at T={x.evaluation.temperature:g}; the "
            "theory's curve is for these temperatures, the paper's theorems are for 1"
        )
    if getattr(x.method, "rationalize", False):
        notes.append("rationalization is on, which the theory does not know")
    if x.filter.limit or x.filter.mode != "none":
        notes.append("the filter drops right rationales (filter.limit, filter.dedupe); the theory trains on all")
    return notes


def _delta(share: float, states: int) -> float:
    return (states * share - 1) / (states - 1)
