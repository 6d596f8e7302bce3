"""RL-STaR's theory beside a run: its measured accuracy and steps, and the closed form from its base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from star_cli.analysis.events import base_models, evaluations, judgements
from star_cli.analysis.forecast.chain import WORK, possible_deltas, simulate_shared, simulate_tables, sizes_for
from star_cli.analysis.forecast.result import load_forecast
from star_cli.core.parts import ChainTask
from star_cli.core.records import Metric, Problem
from star_cli.errors import StarError
from star_cli.lib.intervals import wilson
from star_cli.lib.theory.closed_form import Prediction
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
from star_cli.store.runs import Run


@dataclass(frozen=True)
class Row:
    """A round: what was measured (95 % intervals) and what the theory says. Deltas are the theory's, at evaluation.

    ``theory`` is the closed form, for endless samples; ``band`` holds 95 % of simulated runs of this run's sizes
    (finitely many kept samples, the evaluation's noise, what is not known of the base), and ``usual`` says whether the
    measured accuracy lies in it. ``wrong`` is the share of the right answers with a wrong step; ``samples`` is how many
    the deltas and the wrong steps were measured on.
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
    wrong: float | None
    theory_wrong: float
    samples: int
    band: list[float]
    usual: bool


@dataclass(frozen=True)
class TheoryComparison:
    """A run beside the theory; ``source`` says where the theory's starting deltas come from."""

    name: str
    steps: int
    states: int
    source: str
    start: list[float]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    forecast: list[float] = field(default_factory=list)  # what the run was forecast to measure, where it was

    def as_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
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


@dataclass(frozen=True)
class ChainRun:
    """A run on a chain task, with its experiment composed again and the artifacts it made."""

    run: Run
    store: Store
    experiment: Experiment
    task: ChainTask

    def evaluation(self, round: int) -> Artifact | None:
        """The main evaluation of a round, if there is one; a StarError where it is no longer in the store."""
        return self._artifact([e.name for e in evaluations(self.run.events()) if e.round == round], round)

    def judgement(self, round: int) -> Artifact | None:
        """The verdicts on what a round's model wrote for training, if there are any."""
        return self._artifact([e.name for e in judgements(self.run.events()) if e.round == round], round)

    def _artifact(self, names: list[str], round: int) -> Artifact | None:
        return self.run.artifact(self.store, round, names[0]) if names else None

    def input(self, artifact: Artifact, role: str) -> Artifact:
        """One of the artifacts that an artifact was made from; a StarError where it is gone."""
        source = self.store.get(artifact.input(role) or "")
        if source is None:
            raise StarError(
                f"the {role} of {artifact.key} in {self.run.name} are no longer in the store",
                hint=f"star resume {self.run.name}",
            )
        return source


def chain_run(home: Path, name: str) -> ChainRun:
    """A run with its experiment; a StarError where its task is no chain."""
    run = Run(home, name)
    overrides = [o for o in run.info.overrides if name_of(o) not in ("name", "home")]
    composed: Composed | None = launch([*overrides, f"name='{name}'", f"home='{home}'"], lambda c: c)
    assert composed is not None
    experiment = composed.experiment
    if not isinstance(experiment.task, ChainTask):
        raise StarError(
            f"the task of {name} is no chain with known steps, so the theory has nothing to stand beside",
            hint="compare a run of task=zip; star forecast works for every task",
        )
    return ChainRun(run, open_store(home), experiment, experiment.task)


def compare_with_theory(home: Path, name: str, delta: list[float] | None, convention: str) -> TheoryComparison:
    """A run beside the theory. ``delta``: start the theory from these instead of from the base model."""
    chain = chain_run(home, name)
    x = chain.experiment
    steps, states = chain.task.chain()
    rounds = sorted({e.round for e in evaluations(chain.run.events())})
    measured = {n: measure(chain, n) for n in rounds}
    if 0 not in measured:
        raise StarError(f"{name} has no evaluation of its base model yet", hint=f"star resume {name}")
    start, source = _start(chain, measured[0], delta, convention)
    predictions = trajectory_at(
        start, states, max(measured), sampling=x.sampling.temperature, evaluation=x.evaluation.temperature
    )
    bands = bands_of(chain, start, measured[0] if "measured" in source else None, max(measured))
    rows = [_row(n, m, predictions[n], bands[n], states) for n, m in measured.items()]
    forecast = load_forecast(chain.run.path)
    return TheoryComparison(
        name=name,
        steps=steps,
        states=states,
        source=source,
        start=list(start),
        rows=rows,
        notes=_notes(x),
        forecast=[row.accuracy for row in forecast.rows] if forecast else [],
    )


def _row(round: int, m: Measured, prediction: Prediction, band: tuple[float, float], states: int) -> Row:
    """One round, measured and predicted."""
    low, high = m.accuracy.low or 0.0, 1.0 if m.accuracy.high is None else m.accuracy.high
    theory = prediction.accuracy[0]
    intervals = [wilson(right, m.samples) for right in m.right_steps]
    return Row(
        round=round,
        accuracy=m.accuracy.value,
        low=low,
        high=high,
        theory=theory,
        inside=low <= theory <= high,
        delta=[_delta(right / m.samples, states) for right in m.right_steps],
        delta_low=[_delta(a, states) for a, _ in intervals],
        delta_high=[_delta(b, states) for _, b in intervals],
        theory_delta=list(prediction.delta[0]),
        wrong=m.wrong,
        theory_wrong=prediction.wrong_given_kept[0],
        samples=m.samples,
        band=list(band),
        usual=band[0] - 1e-9 <= m.accuracy.value <= band[1] + 1e-9,
    )


def measure(chain: ChainRun, round: int) -> Measured:
    """Accuracy of one round's model, wrong steps among its right answers, and every step's transitions."""
    evaluation, x = chain.evaluation(round), chain.experiment
    assert evaluation is not None
    metrics = {m.name: m for m in evaluation.read(Metric)}
    right, samples = transitions(chain, evaluation)
    wrong = metrics["right_with_wrong_step"].value if "right_with_wrong_step" in metrics else None
    if drawn_alike(x):
        judgement = chain.judgement(round + 1)
        if judgement is not None:
            more, more_samples = transitions(chain, judgement)
            right, samples = [a + b for a, b in zip(right, more, strict=True)], samples + more_samples
            reasons, kept_wrong = judgement.metrics["reasons"], judgement.metrics.get("kept_wrong_steps")
            kept = reasons.get("MATCH", 0)
            wrong = kept_wrong / kept if kept and kept_wrong is not None else wrong
    return Measured(metrics["accuracy"], wrong, right, samples)


def drawn_alike(x: Experiment) -> bool:
    """Whether training samples are drawn as evaluation's are, so that both tell of the same distribution."""
    return x.sampling.temperature == x.evaluation.temperature > 0 and x.sampling.top_p == 1 and not x.sampling.top_k


def transitions(chain: ChainRun, verdicts: Artifact) -> tuple[list[int], int]:
    """How often each step of the judged rationales was right given the state before it, and of how many rationales."""
    right, samples = [0] * chain.task.chain()[0], 0
    problems, rationales = chain.input(verdicts, "problems"), chain.input(verdicts, "rationales")
    for problem, rationale in joined(problems, rationales):
        samples += 1
        for n, is_right in enumerate(chain.task.right_steps(problem, rationale.text) or ()):
            right[n] += is_right
    return right, samples


def bands_of(
    chain: ChainRun, start: Sequence[float], base: Measured | None, rounds: int, seed: int = 0
) -> list[tuple[float, float]]:
    """Of every round the band that holds 95 % of simulated runs of this size which obey the theory.

    ``base``: where the starting deltas were measured, so that they are uncertain; None where they are known.
    """
    x, evaluation, judgement = chain.experiment, chain.evaluation(0), chain.judgement(1)
    held_out = chain.input(evaluation, "problems").count(Problem) if evaluation else 1
    train = chain.input(judgement, "problems").count(Problem) if judgement else held_out
    sizes = replace(sizes_for(x, train=train, held_out=held_out), rounds=rounds)
    rng, by_state = np.random.default_rng(seed), not x.trainer.generalises
    count = int(np.clip(WORK / (sizes.problems * sizes.samples * max(rounds, 1)), 100, 400)) if by_state else 1000
    at_evaluation = replace(sizes, sampling=sizes.evaluation)
    starts = [
        possible_deltas(base.right_steps, base.samples, at_evaluation, rng) if base else start for _ in range(count)
    ]
    curves = [
        (simulate_tables(d, sizes, rng) if by_state else simulate_shared(d, sizes, rng, slack=0.0))[0] for d in starts
    ]
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _start(
    chain: ChainRun, base: Measured, delta: list[float] | None, convention: str
) -> tuple[tuple[float, ...], str]:
    """(the deltas of the base model at temperature 1, where they come from)."""
    steps, states = chain.task.chain()
    if delta is not None:
        values = delta * steps if len(delta) == 1 else delta
        return check_deltas(values, states, convention), f"from the given deltas, {Convention(convention)} convention"
    models = base_models(chain.run.events())
    model = chain.store.get(models[0].key) if models else None
    if model is not None and model.has_file("model/tables.npy"):
        tables = Policy.load(model.directory("model")).tables
        truth = [list(range(states))] * steps
        return check_deltas(estimate_deltas(tables, truth).tolist(), states), "from the base's own tables"
    measured = [_delta(right / base.samples, states) for right in base.right_steps]
    temperature = chain.experiment.evaluation.temperature
    if temperature == 0:
        raise StarError(
            f"{chain.run.name} was evaluated greedily, which does not show the base's deltas",
            hint="give them with --delta, or evaluate with evaluation.temperature=1",
        )
    return at_temperature(measured, states, 1 / temperature), "from the base's measured steps"


def _notes(x: Experiment) -> list[str]:
    """How the run differs from what the theory describes."""
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
    """A step's delta (theory convention) from the share of right transitions."""
    return (states * share - 1) / (states - 1)
