"""How fast this machine did each kind of work before: what a plan's time is estimated from.

artifacts/.speeds.json
{"format": "speeds/1", "machines": {"ada": {"steps sft tiny addition 3f2a": {"n": 450, "tokens": 0, "seconds": 41.0}}}}

It is a note beside the store: nothing depends on it, and one that is damaged is begun anew. Older measurements fade.
"""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from star_cli.core.keys import key, stable
from star_cli.core.parts import Part
from star_cli.core.registry import name_of
from star_cli.errors import StarError
from star_cli.stages.base import Stage, stage_name
from star_cli.store.durable import temporary
from star_cli.store.ledger import Event

FILE = ".speeds.json"
FORMAT = "speeds/1"
FADES = 0.5  # what earlier measurements count when a new one is added
START = "engine start"


class Speed(msgspec.Struct):
    """Work that was done: ``n`` samples, steps or stages, their ``tokens``, and the seconds it took."""

    n: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0

    def add(self, n: float, tokens: float, seconds: float) -> None:
        """One more measurement; the earlier ones count half of what they did."""
        self.n, self.tokens, self.seconds = (
            FADES * old + new for old, new in ((self.n, n), (self.tokens, tokens), (self.seconds, seconds))
        )


class SpeedsFile(msgspec.Struct):
    """What the file holds: of each machine, by its name, the speed of each kind of work."""

    format: str = FORMAT
    machines: dict[str, dict[str, Speed]] = {}


class Speeds:
    """The speeds of this machine that are kept beside one store, for one experiment's parts."""

    def __init__(self, root: Path, parts: dict[str, Part]) -> None:
        self.path, self.parts = root / FILE, parts
        self.file = SpeedsFile()
        with suppress(OSError, msgspec.MsgspecError):
            read = msgspec.json.decode(self.path.read_bytes(), type=SpeedsFile)
            self.file = read if read.format == FORMAT else self.file
        self.here = self.file.machines.setdefault(platform.node() or "this machine", {})

    def kind(self, stage: Stage) -> str:
        """What kind of work a stage is: samples of an engine, steps of a trainer, or the stage itself."""
        unit = {"engine": "samples", "trainer": "steps"}.get(stage.device or "", stage_name(stage))
        doer = getattr(stage, "trainer", None) or getattr(stage, "verifier", None) or getattr(stage, "engine", None)
        doer = doer or getattr(stage, "grader", None)
        return self._named(unit, doer)

    def _named(self, unit: str, doer: Any) -> str:
        model, task = self.parts["model"], self.parts["task"]
        settings: list[Any] = [getattr(doer, "batch", None), getattr(model, "path", None)]
        with suppress(StarError):
            settings.append(stable(model))
        name = name_of(doer) if isinstance(doer, Part) else ""
        return " ".join([unit, *filter(None, [name]), name_of(model), name_of(task), key(settings)[:4]])

    def start(self) -> str:
        """The name under which the seconds of starting the engine are kept."""
        return self._named(START, self.parts["engine"])

    def engine_start(self) -> float | None:
        """Seconds that starting the engine took before; None where that is not known."""
        speed = self.here.get(self.start())
        return speed.seconds / speed.n if speed and speed.n else None

    def note(self, stage: Stage, event: Event) -> None:
        """Keep what a stage that was built took; a full disk is no reason to stop."""
        parts = dict(event.parts)
        start = parts.pop(START, 0.0)
        if start:
            self.here.setdefault(self.start(), Speed()).add(1, 0, start)
        n = event.metrics.get("samples" if stage.device == "engine" else "steps", 1) if stage.device else 1
        tokens = event.metrics.get("tokens", 0)
        if isinstance(n, (int, float)) and n > 0 and isinstance(tokens, (int, float)):
            self.here.setdefault(self.kind(stage), Speed()).add(n, tokens, max(0.0, event.seconds - start))
        fresh = temporary(self.path)
        with suppress(OSError):  # not synced: what a power cut takes away is measured again
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self.file)))
            os.replace(fresh, self.path)

    def seconds(self, stage: Stage, cost: dict[str, int]) -> float | None:
        """How long a stage of this cost takes at most, by what such work took before; None where that is not known."""
        speed = self.here.get(self.kind(stage))
        if speed is None or not speed.n:
            return None
        n = cost.get("samples" if stage.device == "engine" else "steps", 0 if stage.device else 1)
        return n * speed.seconds / speed.n if n else None

    def rate(self, kind: str) -> tuple[float, float] | None:
        """(units a second, tokens a second) of a kind of work; None where it is not known."""
        speed = self.here.get(kind)
        return (speed.n / speed.seconds, speed.tokens / speed.seconds) if speed and speed.seconds else None
