"""A run as rows: what each round reached, what it wrote and how long it took. Round 0 is the base model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from star_cli.analysis.events import (
    Accuracy,
    Judged,
    Written,
    evaluations,
    hinted_judgements,
    judgements,
    metrics_as,
    transfers,
    writes_text,
)
from star_cli.analysis.forecast.result import load_forecast
from star_cli.core.records import Metric
from star_cli.errors import StarError
from star_cli.stages.base import stage_class
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Event
from star_cli.store.runs import Run

BESIDE = ("chance", "majority", "caption_right", "wrong_by_seeing", "wrong_by_reasoning")


@dataclass
class RoundRow:
    """One round. Shares are in [0, 1]; None is what this run does not tell.

    ``solved`` and ``rationalized`` are shares of the round's problems; ``tokens`` counts everything written in the
    round, answers to the evaluation split included. ``seconds`` is what building took: 0 where all was found.
    ``by_stage`` has None for a stage that was found; writing the answers to evaluate belongs to evaluate.
    ``beside`` holds what stands beside the accuracy where it is known: chance, majority, what a caption got wrong, and
    accuracy on other tasks ("on countdown").
    ``wrong_steps`` is the share of the right rationales that hold a wrong step. ``health`` is as
    ``star_cli.lib.health.MEANING`` defines it. ``forecast`` is the expected accuracy and its 80 % band. ``faults`` are
    sentences about damaged artifacts, because of which some of these are missing.
    """

    round: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    groups: dict[str, float] = field(default_factory=dict)
    solved: float | None = None
    rationalized: float | None = None
    tokens: int | None = None
    seconds: float = 0.0
    by_stage: dict[str, float | None] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)
    wrong_steps: float | None = None
    health: dict[str, float] = field(default_factory=dict)
    forecast: tuple[float, float, float] | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def transfer(self) -> dict[str, float]:
        """Accuracy on other tasks, by the task."""
        return {name.removeprefix("on "): v for name, v in self.beside.items() if name.startswith("on ")}

    def as_json(self) -> dict[str, Any]:
        """The stable form that ``star show RUN --json`` prints."""
        return {
            "round": self.round,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "solved": self.solved,
            "rationalized": self.rationalized,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "health": self.health,
            **({"transfer": transfer} if (transfer := self.transfer) else {}),
        }


def rounds_of(run: Run, store: Store) -> list[RoundRow]:
    """A row for every round that was begun, in order. Raises StarError where the ledger is damaged."""
    events, forecast = run.events(), load_forecast(run.path)
    rows = [
        _row(number, [e for e in events if e.round == number], store) for number in sorted({e.round for e in events})
    ]
    expected = {r.round: (r.accuracy, r.low, r.high) for r in forecast.rows} if forecast else {}
    for row in rows:
        row.forecast = expected.get(row.round)
    return rows


def _row(number: int, events: list[Event], store: Store) -> RoundRow:
    """The row of one round from its events."""
    row, answers = RoundRow(number), None
    for event in evaluations(events):
        accuracy = metrics_as(Accuracy, event)
        row.accuracy, row.low, row.high, row.n = accuracy.accuracy, accuracy.low, accuracy.high, accuracy.n
        try:
            artifact = store.get(event.key)
            if artifact is not None:
                answers = artifact.input("rationales")
                row.groups, row.beside = groups_of(artifact), beside_of(artifact)
        except StarError as e:
            row.faults.append(e.what)
    for task, measured_there in transfers(events).items():
        value = metrics_as(Accuracy, measured_there[-1]).accuracy
        row.beside |= {f"on {task}": value} if value is not None else {}
    plain, hinted = judgements(events), hinted_judgements(events)
    row.solved = metrics_as(Judged, plain[0]).share_solved if plain else None
    row.rationalized = metrics_as(Judged, hinted[0]).share_solved if hinted else None
    row.wrong_steps = _wrong_steps([metrics_as(Judged, e) for e in plain + hinted])
    row.health = {k: v for e in events if stage_class(e.stage).monitors for k, v in _numbers(e).items()}
    written = [metrics_as(Written, e).tokens for e in events if writes_text(e)]
    row.tokens = sum(n for n in written if n is not None) if set(written) - {None} else None
    row.seconds = sum(e.seconds for e in events if not e.hit)
    measured = next((e.stage for e in evaluations(events)), None)
    for event in events:
        part = measured if measured and event.key == answers else event.stage
        spent = row.by_stage.get(part)
        row.by_stage[part] = spent if event.hit else (spent or 0.0) + event.seconds
    return row


def _wrong_steps(judged: list[Judged]) -> float | None:
    """Faithfulness: of what was found right, the share with a wrong step."""
    known = [j for j in judged if j.kept_wrong_steps is not None]
    right = sum(j.reasons.get("MATCH", 0) for j in known)
    return sum(j.kept_wrong_steps or 0 for j in known) / right if right else None


def _numbers(event: Event) -> dict[str, float]:
    return {name: float(value) for name, value in event.metrics.items() if isinstance(value, (int, float))}


def groups_of(evaluation: Artifact) -> dict[str, float]:
    """Accuracy by group, such as {"digits=3": 0.98}; empty where there are no groups."""
    if not evaluation.has(Metric):
        return {}
    metrics = evaluation.read(Metric)
    shares = {m.name.partition("/")[2]: m.value for m in metrics if m.name.startswith("accuracy/")}
    return {name: shares[name] for name in sorted(shares, key=_natural)}


def beside_of(evaluation: Artifact) -> dict[str, float]:
    """What stands beside the accuracy: the baselines of multiple choice, and what a task that knows pictures tells."""
    if not evaluation.has(Metric):
        return {}
    values = {m.name: m.value for m in evaluation.read(Metric) if m.name in BESIDE}
    return {name: values[name] for name in BESIDE if name in values}


def _natural(group: str) -> tuple[str, float, str]:
    """A sorting key: digits=2 stands before digits=10."""
    name, _, value = group.partition("=")
    try:
        return name, float(value), value
    except ValueError:
        return name, float("inf"), value
