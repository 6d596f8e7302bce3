"""The loss of every step of a training, kept in its artifact as losses.jsonl.

{"step": 1, "loss": 0.6931}

While the training goes on the lines lie in a journal, so that one that was interrupted keeps its first steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from star_cli.stages.base import StageContext
from star_cli.store.artifacts import Artifact
from star_cli.store.durable import write_bytes

FILE = "losses.jsonl"
Progress = Callable[[int, int, float], None]


class Losses:
    """The losses of a training that is under way; a step that is done again after a restart counts as done now."""

    def __init__(self, folder: Path, step: Callable[[float], None]) -> None:
        self._journal = folder / f"{FILE}.journal"
        self._step = step
        self._known = dict(_lines(self._journal))
        self._file = open(self._journal, "a")

    def progress(self, before: int = 0) -> Progress:
        """What a trainer reports to; ``before`` counts the steps of an earlier part of the same training."""

        def report(done: int, total: int, loss: float) -> None:
            self._known[before + done] = float(loss)
            self._file.write(_line(before + done, float(loss)))
            self._file.flush()
            self._step(loss)

        return report

    def settle(self, folder: Path) -> None:
        """Write the losses, by step, to their file."""
        write_bytes(folder / FILE, "".join(_line(step, self._known[step]) for step in sorted(self._known)).encode())

    def close(self) -> None:
        """Leave the journal as it is."""
        self._file.close()


@contextmanager
def watched(context: StageContext, what: str, steps: int) -> Iterator[Losses]:
    """Show how far a training of ``steps`` steps (0: not known) is, and keep its losses when it ends well."""
    meter = context.meter(what, steps)
    losses = Losses(context.draft.path, lambda loss: meter.step(loss=loss))
    try:
        yield losses
        losses.settle(context.draft.path)
    finally:
        losses.close()
        meter.close()


def losses_of(artifact: Artifact) -> list[tuple[int, float]]:
    """(step, loss) of every step of the training that made an artifact; [] where it kept none."""
    return sorted(_lines(artifact.path / FILE)) if artifact.has_file(FILE) else []


def _line(step: int, loss: float) -> str:
    return json.dumps({"step": step, "loss": round(loss, 6)}) + "\n"


def _lines(path: Path) -> Iterator[tuple[int, float]]:
    """The lines that are whole; a kill may have torn the last one."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            row = json.loads(line)
            yield int(row["step"]), float(row["loss"])
        except (ValueError, KeyError, TypeError):
            continue
