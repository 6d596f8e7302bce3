"""What a run has spent: samples, tokens, estimated FLOPs and seconds of everything its trained models depend on.

FLOPs are estimated as 2 P for every token that is written or scored (by a verifier, or by the reference of preferences
and policies) and 6 P for every token that is trained on, P the parameters counted in the base model's safetensors files
(Kaplan et al. 2020, section 2.1). Reading prompts is left out where a stage does not count it, as are the base model
itself and whatever only measures: answers to held-out problems, candidates and their selection. Seconds are those of
building, also where an artifact was found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from star_cli.analysis.events import Trained, Written, base_models, metrics_as, scores, trains, writes_text
from star_cli.backends.weights import count_parameters
from star_cli.errors import StarError
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Event
from star_cli.store.runs import Run

UNITS = ("samples", "tokens", "flops", "seconds")


@dataclass(frozen=True)
class Cost:
    """Spent up to some point. ``flops`` is None where the model's parameters are not known."""

    samples: float = 0
    tokens: float = 0
    flops: float | None = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        known = None not in (self.flops, other.flops)
        return Cost(
            self.samples + other.samples,
            self.tokens + other.tokens,
            (self.flops or 0) + (other.flops or 0) if known else None,
            self.seconds + other.seconds,
        )

    def in_unit(self, unit: str) -> float | None:
        """One of the four numbers, by its name in ``UNITS``."""
        value: float | None = getattr(self, unit)
        return value

    def as_json(self) -> dict[str, float | None]:
        """The four numbers."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass
class Spending:
    """The cost of every round of a run, and what of it could not be counted."""

    rounds: dict[int, Cost] = field(default_factory=dict)
    parameters: int | None = None
    base: str = ""  # the key of the model the run starts from
    uncounted: list[str] = field(default_factory=list)

    def until(self, round: int) -> Cost:
        """The cost of all rounds up to and with ``round``."""
        total = Cost()
        for number, cost in self.rounds.items():
            if number <= round:
                total += cost
        return total


def spending(run: Run, store: Store) -> Spending:
    """What a run spent, from its ledger and the manifests of its artifacts; each artifact counts once."""
    events: dict[str, Event] = {}
    for event in run.events():
        events.setdefault(event.key, event)
    artifacts = {key: store.get(key) for key in events}
    bases = [e.key for e in base_models(list(events.values()))]
    models = [a for key in bases if (a := artifacts[key]) is not None]
    total = Spending(
        parameters=next((n for a in models if (n := parameters_of(a)) is not None), None),
        base=bases[0] if bases else "",
    )
    needed = ancestors([e.key for e in events.values() if trains(e)], artifacts)
    for key, event in events.items():
        if key in needed and key not in bases:
            if artifacts[key] is None:  # what it cost is in the ledger; what it was made of is known to it alone
                total.uncounted.append(f"what {event.place} was made of (its artifact is gone)")
            cost = _cost(event, artifacts[key], artifacts, total)
            total.rounds[event.round] = total.rounds.get(event.round, Cost()) + cost
    return total


def ancestors(keys: list[str], artifacts: dict[str, Artifact | None]) -> set[str]:
    """Of ``artifacts`` the keys that these were made of, and these; of one that is gone, the key alone.

    A trained model that is gone says nothing of what it was made of, so it is no start.
    """
    needed: set[str] = set()
    waiting = [key for key in keys if artifacts[key] is not None]
    while waiting:
        key = waiting.pop()
        if key not in needed and key in artifacts:
            needed.add(key)
            artifact = artifacts[key]
            waiting += artifact.manifest.inputs.values() if artifact is not None else ()
    return needed


def _cost(event: Event, artifact: Artifact | None, artifacts: dict[str, Artifact | None], total: Spending) -> Cost:
    """The cost of one stage; what cannot be counted is noted in ``total``."""
    written = metrics_as(Written, event)
    counts = writes_text(event) or None not in (written.samples, written.tokens)
    samples, tokens = (written.samples or 0, written.tokens or 0) if counts else (0, 0)
    tokens_worked: float | None = 2.0 * tokens
    if scores(event) and artifact is not None:
        scored = artifacts.get(artifact.input("rationales") or "")
        tokens_worked = None if scored is None else 2.0 * tokens_of(scored)
    elif trains(event):
        trained = metrics_as(Trained, event)
        sequence_tokens = trained.tokens if trained.sequence_tokens is None else trained.sequence_tokens
        read_only = 2.0 * (trained.scored_tokens + tokens)
        tokens_worked = None if sequence_tokens is None else 6.0 * sequence_tokens + read_only
    if tokens_worked is None and total.parameters is not None:
        total.uncounted.append(event.place)
    flops = None if total.parameters is None else (tokens_worked or 0.0) * total.parameters
    return Cost(samples, tokens, flops, artifact.manifest.seconds if artifact else event.seconds)


def tokens_of(rationales: Artifact) -> float:
    """How many tokens of text an artifact holds, as far as its stage counted them."""
    return rationales.metrics.number("tokens") if "tokens" in rationales.metrics else 0.0


def parameters_of(model: Artifact) -> int | None:
    """The parameters of a model artifact, counted in the headers of its safetensors files; None where it has none."""
    folder = model.path / "model"
    if model.has_file("base.json"):
        path = model.file("base.json")
        try:
            folder = Path(str(json.loads(path.read_bytes())["path"]))
        except (ValueError, KeyError, TypeError) as e:
            raise StarError(f"{path} does not say where the base model lies: {e}") from None
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return count_parameters(files) if files else None
