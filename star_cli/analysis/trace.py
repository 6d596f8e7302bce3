"""Where the time of a run went: writing, grading, new weights, training, the store, and time between stages."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.store import ledger
from star_cli.store.artifacts import open_store
from star_cli.store.ledger import Event, Start
from star_cli.store.runs import Run

BETWEEN = "between stages"


@dataclass
class Trace:
    """Seconds of a run by what they went into (``parts``), over all its starts; their sum is ``wall``.

    ``saved`` are the seconds that took, when they were built, the ``found`` artifacts which this run did not build.
    """

    name: str
    wall: float = 0.0
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    events: list[tuple[int, Event]] = field(default_factory=list)  # with the number of the start, from 1
    built: int = 0
    found: int = 0
    saved: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        parts = {name: round(seconds, 3) for name, seconds in sorted(self.parts.items(), key=lambda p: -p[1])}
        return {"name": self.name, "wall": round(self.wall, 3), "parts": parts, "built": self.built,
                "found": self.found, "saved": round(self.saved, 3)}  # fmt: skip


def trace_of(home: Path, name: str) -> Trace:
    """Read it from the ledger. Raises StarError for a run that is unknown, or older than these times."""
    run, store = Run(home, name), open_store(home)
    run.require()
    trace, starts, begun, end = Trace(name), 0, 0.0, 0.0
    counted: set[str] = set()
    for line in ledger.read(run.ledger):
        if isinstance(line, Start):
            starts, begun = starts + 1, line.began
            end = begun
            continue
        if not line.began or not begun:
            raise StarError(
                f"the ledger {run.ledger} does not say when its stages began",
                hint="it was written by an older star; a new run's ledger does",
            )
        trace.events.append((starts, line))
        gap, own = max(0.0, line.began - end), line.seconds
        trace.parts[BETWEEN] += gap
        for part, seconds in line.parts.items():
            trace.parts[part] += seconds
        trace.parts["other stages"] += own - sum(line.parts.values())
        trace.wall += gap + own
        end = line.began + own
        trace.built, trace.found = trace.built + (not line.hit), trace.found + line.hit
        artifact = store.get(line.key) if line.hit and line.key not in counted else None
        counted.add(line.key)
        trace.saved += artifact.manifest.seconds if artifact else 0.0
    return trace


def perfetto(trace: Trace) -> dict[str, Any]:
    """The trace in the format of Chrome, which Perfetto shows: a process a start, a lane for stages, one for parts."""
    rows: list[dict[str, Any]] = []
    for start, event in trace.events:
        at = event.began * 1e6
        common = {"ph": "X", "pid": start, "cat": "found" if event.hit else "built"}
        rows.append({**common, "tid": 1, "name": event.place, "ts": at, "dur": event.seconds * 1e6,
                     "args": {"stage": event.stage, "key": event.key, **event.metrics}})  # fmt: skip
        for part, seconds in event.parts.items():
            rows.append({**common, "tid": 2, "name": part, "ts": at, "dur": seconds * 1e6})
            at += seconds * 1e6
    return {"traceEvents": rows, "displayTimeUnit": "ms"}
