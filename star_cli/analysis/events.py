"""Which line of a ledger is what, by the facts that stages state of themselves. Nobody compares names of stages.

Names in a ledger are for people. One rule about them is kept by the verbs of ``Lab`` and relied on here, and nowhere
else: what a round is about has a plain name (``evaluate``, ``filter``, ``ada_sample``); what stands beside it has a
second word (``evaluate-peeked``, ``judge-candidates``, ``filter-pilot``), of which ``rationalized`` alone still belongs
to the round's own data. What is measured on another task is ``transfer-TASK``.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from star_cli.core.records import Rationale, Score
from star_cli.errors import StarError
from star_cli.stages.base import stage_class
from star_cli.store.ledger import Event

M = TypeVar("M", bound=msgspec.Struct)
RATIONALIZED = "rationalized"
TRANSFER = "transfer-"  # before the name of another task that a model was measured on


class Accuracy(msgspec.Struct, frozen=True):
    """What a stage that measures reports: accuracy with its 95 % interval, over ``n`` problems."""

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None


class Judged(msgspec.Struct, frozen=True):
    """What a stage that judges reports: how many of its problems were solved, and the verdicts by reason.

    ``kept_wrong_steps`` counts right answers with a wrong step, where the task knows the true steps.
    """

    problems: int | None = None
    solved: int | None = None
    kept_wrong_steps: int | None = None
    reasons: dict[str, int] = {}

    @property
    def share_solved(self) -> float | None:
        """Solved problems as a share of all that were asked for."""
        return None if self.solved is None or not self.problems else self.solved / self.problems


class Written(msgspec.Struct, frozen=True):
    """What a stage that has text written reports."""

    samples: int | None = None
    tokens: int | None = None


class Trained(msgspec.Struct, frozen=True):
    """What a stage that trains reports: the tokens of all sequences it trained on, prompts included where counted.

    ``scored_tokens`` were only read by a reference.
    """

    sequence_tokens: int | None = None
    tokens: int | None = None
    scored_tokens: int = 0


def metrics_as(kind: type[M], event: Event) -> M:
    """The metrics of an event as ``kind``; a value of another type is a StarError."""
    try:
        return msgspec.convert(event.metrics, kind)
    except msgspec.ValidationError as e:
        raise StarError(
            f"the metrics that the ledger holds of {event.place} ({event.stage} {event.key}) are damaged: {e}",
            hint="remove its line from ledger.jsonl and resume the run",
        ) from None


def evaluations(events: list[Event]) -> list[Event]:
    """The main evaluation of each round: a model's accuracy on the held-out problems."""
    return [e for e in events if stage_class(e.stage).measures and e.main]


def transfers(events: list[Event]) -> dict[str, list[Event]]:
    """Evaluations on the held-out problems of other tasks, by the name of the task."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if stage_class(event.stage).measures and event.name.startswith(TRANSFER):
            found.setdefault(event.name.removeprefix(TRANSFER), []).append(event)
    return found


def selections(events: list[Event]) -> list[Event]:
    """Measurements of every way to pick one of k candidates."""
    return [e for e in events if stage_class(e.stage).chooses]


def judgements(events: list[Event]) -> list[Event]:
    """What judged the samples of each round that were asked for without a hint."""
    return [e for e in events if stage_class(e.stage).judges and e.main]


def hinted_judgements(events: list[Event]) -> list[Event]:
    """What judged the samples of each round that were shown the answer."""
    return [e for e in events if stage_class(e.stage).judges and e.name.endswith(f"-{RATIONALIZED}")]


def base_models(events: list[Event]) -> list[Event]:
    """The models that the run starts from."""
    return [e for e in events if stage_class(e.stage).makes == "base"]


def trains(event: Event) -> bool:
    """Whether it is a model, or a verifier, that was trained in the run."""
    return stage_class(event.stage).makes in ("model", "verifier")


def writes_text(event: Event) -> bool:
    """Whether an engine wrote samples in it."""
    return Rationale in stage_class(event.stage).writes


def scores(event: Event) -> bool:
    """Whether a verifier scored samples in it."""
    return Score in stage_class(event.stage).writes
