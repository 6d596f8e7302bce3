"""What becomes of the arms of a sweep, whichever process runs them: each notes it in one file that all append to."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from star_cli.errors import StarError
from star_cli.store.durable import writing

KEPT = 30 * 86_400  # seconds after which the notes of a sweep that was interrupted are taken away


@dataclass
class Arm:
    """One arm: its run's ``name`` and ``home``, whether it ended, and the sentence with which it failed."""

    name: str
    home: str = ""
    ended: bool = False
    failure: str | None = None


class ArmFailed(StarError):
    """An arm failed; raised in the process that ran it, so that the launcher and the sweeper learn of it."""


@dataclass(frozen=True)
class ArmsFile:
    """The notes of one sweep, in the home, which every process and machine of the sweep sees."""

    path: Path

    @classmethod
    def create(cls, home: Path) -> ArmsFile:
        """An empty file of this process. Raises StarError where the home cannot be written."""
        folder = home / "runs" / ".hydra"
        path = folder / f"arms-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        try:
            with writing(str(path)):
                folder.mkdir(parents=True, exist_ok=True)
                for old in folder.glob("arms-*.jsonl"):  # an interrupted sweep leaves its file behind
                    if time.time() - old.stat().st_mtime > KEPT:
                        old.unlink(missing_ok=True)
                path.touch()
        except OSError as e:
            raise StarError(f"{folder} cannot be written: {e.strerror}", hint="choose another home=DIR") from None
        return cls(path)

    @contextmanager
    def arm(self, asked: str) -> Iterator[Arm]:
        """One arm while it runs, named by its overrides until its run has a name; how it ends is noted.

        A failure is printed where it happens, beside the end of the sweep, and raised as ArmFailed.
        """
        arm = Arm(asked)
        try:
            yield arm
        except Exception as e:
            if not isinstance(e, StarError):
                traceback.print_exc()
            arm.failure = str(e) if isinstance(e, StarError) else f"{type(e).__name__}: {e}"
            print(f"star: {arm.name} failed: {arm.failure}", file=sys.stderr, flush=True)
            raise ArmFailed(arm.name) from None
        finally:
            arm.ended = True
            self.note(arm)

    def note(self, arm: Arm) -> None:
        """Append a line; a machine that does not see the home still reports by the exception it raises."""
        line = json.dumps(asdict(arm)).encode() + b"\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def arms(self) -> list[Arm]:
        """Every arm with what was noted of it last, in the order they began."""
        arms: dict[str, Arm] = {}
        for line in self.path.read_bytes().splitlines():
            arm = Arm(**json.loads(line))
            arms[arm.name] = arm
        return list(arms.values())

    def remove(self) -> None:
        """Take the file away at the end of the sweep."""
        self.path.unlink(missing_ok=True)
