"""``runs/demo/progress.json``: what a run is doing at this moment, for whoever looks at it from another process.

{"round": 1, "name": "generate", "key": "98cf...", "started": 1764000000.0, "updated": 1764000004.1, "done": 311,
 "total": 1000, "tokens": 20112, "judged": 0, "right": 0, "loss": null}

It is written about once a second while something is counted, and removed when the run ends. Nothing depends on it: a
disk that is full, or a process that was killed, leaves an old one or none behind.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from star_cli.core.parts import Meter
from star_cli.run.observe import Silent
from star_cli.store.durable import temporary
from star_cli.store.ledger import Event

FILE = "progress.json"
INTERVAL = 1.0  # seconds between two writes


class Progress(msgspec.Struct, kw_only=True):
    """The stage that is looked up or built, and how far it is. ``total`` is 0 where it is not known."""

    round: int
    name: str
    key: str
    started: float  # seconds since 1970
    updated: float = 0.0
    done: int = 0
    total: int = 0
    tokens: int = 0
    judged: int = 0
    right: int = 0
    loss: float | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds until the stage is done, at the speed so far; None where that cannot be said."""
        spent = self.updated - self.started
        return (self.total - self.done) * spent / self.done if self.done and self.total and spent > 0 else None


def read_progress(folder: Path) -> Progress | None:
    """The progress in a run's folder; None where there is none, or where it cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError):
        return None


class ProgressFile(Silent):
    """The observer that keeps the file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.progress: Progress | None = None
        self._written = 0.0

    def stage_started(self, round: int, name: str, key: str) -> None:
        now = time.time()
        self.progress = Progress(round=round, name=name, key=key, started=now, updated=now)
        self._write()

    def meter(self, what: str, total: int) -> Meter:
        """A new piece of work of the stage begins."""
        if self.progress is not None:
            self.progress = msgspec.structs.replace(
                self.progress, started=time.time(), done=0, total=total, tokens=0, judged=0, right=0, loss=None
            )
        return _Counting(self)

    def counted(self, n: int, tokens: int, right: int | None, loss: float | None) -> None:
        """Some of the work is done."""
        p = self.progress
        if p is None:
            return
        p.done, p.tokens = p.done + n, p.tokens + tokens
        if right is not None:
            p.judged, p.right = p.judged + n, p.right + int(right)
        p.loss = p.loss if loss is None else loss
        if time.monotonic() - self._written > INTERVAL:
            self._write()

    def stage_done(self, event: Event) -> None:
        return None

    def finish(self, status: str) -> None:
        self.progress = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        """Replace the file; not synced, for what it says is old in a second."""
        assert self.progress is not None
        self._written, self.progress.updated = time.monotonic(), time.time()
        fresh = temporary(self.path)
        with suppress(OSError):
            fresh.write_bytes(msgspec.json.encode(self.progress))
            os.replace(fresh, self.path)


class _Counting:
    """A meter that notes its steps in the file."""

    def __init__(self, file: ProgressFile) -> None:
        self.file = file

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        self.file.counted(n, tokens, right, loss)

    def close(self) -> None:
        return None
