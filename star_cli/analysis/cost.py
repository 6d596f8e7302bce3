"""What a run has spent: samples, tokens, estimated FLOPs and seconds of everything its trained models depend on.

FLOPs are estimated as 2 P for every token that is written or scored and 6 P for every token that is trained on, P the
parameters counted in the base model's safetensors files (Kaplan et al. 2020, section 2.1). Reading prompts is left out
where a stage does not count it, as are the base model itself and whatever only measures: answers to held-out problems,
candidates and their selection. Seconds are those of building, also where an artifact was found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from star_cli.backends.weights import count_parameters
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Event, Run

UNITS = ("samples", "tokens", "flops", "seconds")
BASE = ("pretrain", "base")
TRAINED = ("finetune", "verifier")


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
    for e in run.events():
        events.setdefault(e.key, e)
    found = {key: store.get(key) for key in events}
    needed = ancestors(found)
    total = Spending(
        parameters=next(
            (p for a in found.values() if a and a.stage in BASE and (p := parameters_of(a)) is not None), None
        ),
        base=next((key for key, e in events.items() if e.stage in BASE), ""),
    )
    for key, event in events.items():
        if key in needed and event.stage not in BASE:
            if found[key] is None:  # what it cost is in the ledger; what it was made of is known to it alone
                total.uncounted.append(f"what round-{event.round}/{event.name} was made of (its artifact is gone)")
            cost = _cost(event, found[key], found, total)
            total.rounds[event.round] = total.rounds.get(event.round, Cost()) + cost
    return total


def ancestors(found: dict[str, Artifact | None]) -> set[str]:
    """The keys of the trained models and of all they were made of; of one that is gone, the key alone."""
    needed: set[str] = set()
    todo = [key for key, a in found.items() if a is not None and a.stage in TRAINED]
    while todo:
        key = todo.pop()
        artifact = found.get(key)
        if key not in needed and key in found:
            needed.add(key)
            todo += artifact.manifest.get("inputs", {}).values() if artifact is not None else ()
    return needed


def _cost(event: Event, artifact: Artifact | None, found: dict[str, Artifact | None], total: Spending) -> Cost:
    m = event.metrics
    seconds = float(artifact.manifest.get("seconds", event.seconds)) if artifact else event.seconds
    where = f"round-{event.round}/{event.name}"
    written = event.stage == "generate" or "samples" in m and "tokens" in m
    samples, tokens = (m.get("samples", 0), m.get("tokens", 0)) if written else (0, 0)
    work: float | None = 2.0 * tokens
    if event.stage == "score" and artifact is not None:
        scored = found.get(artifact.manifest.get("inputs", {}).get("rationales", ""))
        work = None if scored is None else 2.0 * scored.metrics.get("tokens", 0)
    elif event.stage in TRAINED:
        trained = m.get("sequence_tokens", m.get("tokens"))
        work = None if trained is None else 6.0 * trained
    if work is None and total.parameters is not None:
        total.uncounted.append(where)
    flops = None if total.parameters is None else (work or 0.0) * total.parameters
    return Cost(samples, tokens, flops, seconds)


def parameters_of(model: Artifact) -> int | None:
    """The parameters of a model artifact, counted in the headers of its safetensors files; None where it has none."""
    folder = model.path / "model"
    if model.has_file("base.json"):
        folder = Path(str(json.loads(model.file("base.json").read_bytes())["path"]))
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return count_parameters(files) if files else None
