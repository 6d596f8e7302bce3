"""A run as rows: what each round reached, what it wrote and how long it took. Round 0 is the base model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from star_cli.analysis.forecast.result import load as load_outlook
from star_cli.core.records import Metric
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Event, Run


@dataclass
class RoundRow:
    """One round. Shares are in [0, 1]; None is what this run does not tell.

    ``solved`` and ``rationalized`` are shares of the round's problems; ``tokens`` counts everything written in the
    round, answers to the evaluation split included. ``seconds`` is what building took: 0 where all was found.
    ``by_stage`` has None for a stage that was found; writing the answers to evaluate belongs to evaluate.
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
    beside: dict[str, float] = field(default_factory=dict)  # chance, majority, what a caption got wrong: where known
    wrong_steps: float | None = None  # share of the right rationales that hold a wrong step, where the task knows
    health: dict[str, float] = field(default_factory=dict)  # as star_cli.lib.health.MEANING defines them
    forecast: tuple[float, float, float] | None = None  # expected accuracy and its 80 % band, told before round 1

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
        }


def rounds_of(run: Run, store: Store) -> list[RoundRow]:
    """A row for every round that was begun, in order."""
    events, outlook = run.events(), load_outlook(run.path)
    rows = [
        _row(number, [e for e in events if e.round == number], store) for number in sorted({e.round for e in events})
    ]
    told = {r.round: (r.accuracy, r.low, r.high) for r in outlook.rows} if outlook else {}
    for row in rows:
        row.forecast = told.get(row.round)
    return rows


def _row(number: int, events: list[Event], store: Store) -> RoundRow:
    row = RoundRow(number)
    judged = _named(events, "evaluate", "evaluate")
    if judged:
        m = judged.metrics
        row.accuracy, row.low, row.high, row.n = m.get("accuracy"), m.get("low"), m.get("high"), m.get("n")
        row.groups, row.beside = groups_of(judged, store), beside_of(judged, store)
    row.solved = _share(_named(events, "filter", "filter") or _named(events, "ada_sample", "ada_sample"))
    row.wrong_steps = _wrong_steps([e for e in events if e.stage == "filter" and not e.name.startswith("filter-pilot")])
    row.health = {k: float(v) for e in events if e.stage == "health" for k, v in e.metrics.items()}
    row.rationalized = _share(next((e for e in events if e.name == "filter-rationalized"), None))
    written = [e.metrics["tokens"] for e in events if e.stage in ("generate", "ada_sample") and "tokens" in e.metrics]
    row.tokens = sum(written) if written else None
    row.seconds = sum(e.seconds for e in events if not e.hit)
    for e in events:
        part = "evaluate" if e.name.startswith("generate-") else e.stage
        spent = row.by_stage.get(part)
        row.by_stage[part] = spent if e.hit else (spent or 0.0) + e.seconds
    return row


def _named(events: list[Event], name: str, stage: str) -> Event | None:
    """The event called ``name``, else the first of that stage which is not a variant (``filter-rationalized``)."""
    exact = [e for e in events if e.name == name]
    others = [e for e in events if e.stage == stage and not e.name.startswith(f"{stage}-")]
    return next(iter(exact + others), None)


def _share(event: Event | None) -> float | None:
    if event is None or not event.metrics.get("problems") or "solved" not in event.metrics:
        return None
    return float(event.metrics["solved"] / event.metrics["problems"])


def _wrong_steps(filters: list[Event]) -> float | None:
    """Faithfulness: of what the filters found right, the share with a wrong step."""
    known = [e.metrics for e in filters if e.metrics.get("kept_wrong_steps") is not None]
    right = sum(m.get("reasons", {}).get("MATCH", 0) for m in known)
    return sum(m["kept_wrong_steps"] for m in known) / right if right else None


def groups_of(event: Event, store: Store) -> dict[str, float]:
    """Accuracy by group of an evaluate stage, such as {"digits=3": 0.98}; empty when its artifact is gone."""
    artifact = store.get(event.key)
    if artifact is None or not artifact.has(Metric):
        return {}
    found = {m.name.partition("/")[2]: m.value for m in artifact.read(Metric) if m.name.startswith("accuracy/")}
    return {name: found[name] for name in sorted(found, key=_natural)}


BESIDE = ("chance", "majority", "caption_right", "wrong_by_seeing", "wrong_by_reasoning")


def beside_of(event: Event, store: Store) -> dict[str, float]:
    """What stands beside the accuracy: the baselines of multiple choice, and what a task that knows the picture
    tells.
    """
    artifact = store.get(event.key)
    if artifact is None or not artifact.has(Metric):
        return {}
    found = {m.name: m.value for m in artifact.read(Metric) if m.name in BESIDE}
    return {name: found[name] for name in BESIDE if name in found}


def _natural(group: str) -> tuple[str, float, str]:
    """digits=2 stands before digits=10."""
    name, _, value = group.partition("=")
    try:
        return name, float(value), value
    except ValueError:
        return name, float("inf"), value
