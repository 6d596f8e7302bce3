"""Where an engine's chatter goes: a file in the run's folder, whose end is shown when the engine fails."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EngineLog:
    """A log file; without a path one in the temporary directory."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else Path(tempfile.gettempdir()) / f"star-engine-{os.getpid()}.log"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def logging_config(self) -> str:
        """A logging configuration file (as vLLM reads it) that sends everything to this log; returns its path."""
        handler = {"class": "logging.FileHandler", "filename": str(self.path), "formatter": "plain", "delay": True}
        config = {"version": 1, "disable_existing_loggers": False, "handlers": {"file": handler},
                  "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
                  "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}}}
        path = self.path.with_name(self.path.stem + "-logging.json")
        path.write_text(json.dumps(config))
        return str(path)

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Send whatever is printed meanwhile, by C code too, to the log."""
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [os.dup(1), os.dup(2)]
        with open(self.path, "ab") as f:
            os.dup2(f.fileno(), 1)
            os.dup2(f.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), saved, strict=True):
                os.dup2(old, number)
                os.close(old)

    def note(self, text: str) -> None:
        """Write a line of our own."""
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(text + "\n")

    def tail(self, lines: int = 15) -> str:
        """The last lines."""
        return "\n".join(self.path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
