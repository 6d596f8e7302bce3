"""Checkpoints of one training: finished ones are marked, one of another training is never taken up."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

COMPLETE = "complete.json"  # written last into a checkpoint; one without it does not count


@dataclass(frozen=True)
class Checkpoints:
    """The folder of a training's checkpoints, and the ``fingerprint`` of all that decides what it computes."""

    folder: Path
    fingerprint: str

    def finish(self, step: int) -> None:
        """Force the checkpoint of a step to disk, mark it complete, and remove the older ones."""
        here = self.folder / f"checkpoint-{step}"
        for file in here.rglob("*"):
            if file.is_file():
                with open(file, "rb") as f:
                    os.fsync(f.fileno())
        (here / COMPLETE).write_text(json.dumps({"step": step, "training": self.fingerprint}) + "\n")
        for other in self.folder.glob("checkpoint-*"):
            if other != here:
                shutil.rmtree(other, ignore_errors=True)

    def newest(self) -> str | None:
        """The newest complete checkpoint of this very training; everything else in the folder is removed."""
        complete: dict[int, Path] = {}
        for here in self.folder.glob("checkpoint-*"):
            try:
                note = json.loads((here / COMPLETE).read_bytes())
            except (OSError, ValueError):
                continue
            if note["training"] == self.fingerprint:
                complete[note["step"]] = here
        newest = complete[max(complete)] if complete else None
        for here in self.folder.glob("checkpoint-*"):
            if here != newest:
                shutil.rmtree(here, ignore_errors=True)
        return str(newest) if newest else None

    def remove(self) -> None:
        """Forget them all: the training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
