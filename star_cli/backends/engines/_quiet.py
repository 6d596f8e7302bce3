"""Keep a library's chatter off the terminal: what it prints, from C too, goes to a log whose end an error shows."""

from __future__ import annotations

import io
import json
import logging.config
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TAIL = 15  # lines of the log in an error


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Send descriptors 1 and 2, and what this thread prints, to ``log``; a progress bar in another thread goes on."""
    kept, streams = [os.dup(1), os.dup(2)], [sys.stdout, sys.stderr]
    for stream in streams:
        stream.flush()
    path = log if log.parent.is_dir() else os.devnull  # at exit the log's folder may be gone already
    with open(path, "a", encoding="utf-8", errors="replace") as file:
        screens = [_screen(stream, back) for stream, back in zip(streams, kept, strict=True)]
        sys.stdout, sys.stderr = (_Split(file, screen, number) for number, screen in enumerate(screens, 1))
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            file.flush()
            for stream in (*streams, *screens):
                stream.flush()
            for number, back in zip((1, 2), kept, strict=True):
                os.dup2(back, number)
                os.close(back)
            sys.stdout, sys.stderr = streams


def _screen(stream: Any, back: int) -> Any:
    """Where other threads print meanwhile: the stream itself, or the terminal behind the descriptor it would use."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):  # a stream of tests or notebooks
        return stream
    return open(back, "w", encoding="utf-8", errors="replace", closefd=False) if number in (1, 2) else stream


class _Split(io.TextIOBase):
    """A stream that is the log for the thread that made it and the screen for all others."""

    def __init__(self, log: IO[str], screen: Any, number: int) -> None:
        self._log, self._screen, self._number, self._owner = log, screen, number, threading.get_ident()

    def _here(self) -> Any:
        return self._log if threading.get_ident() == self._owner and not self._log.closed else self._screen

    def write(self, text: str) -> int:
        return int(self._here().write(text))

    def flush(self) -> None:
        self._here().flush()

    def isatty(self) -> bool:
        return bool(self._here().isatty())

    def fileno(self) -> int:
        return self._number  # who keeps it (faulthandler) has the terminal again afterwards

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._here(), name)


def tail(log: Path) -> str:
    """The last lines of a log, indented, for an error; nothing where there is no log."""
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    kept = [line for line in lines if line.strip()][-TAIL:]
    return "\n  the end of its log:\n" + "\n".join(f"    {line[:300]}" for line in kept) if kept else ""


_scratch: tempfile.TemporaryDirectory[str] | None = None


def scratch_path(name: str) -> str:
    """A path in a directory that goes with this process."""
    global _scratch
    if _scratch is None:
        _scratch = tempfile.TemporaryDirectory(prefix="star-engine-")
    return os.path.join(_scratch.name, name)


def log_to(log: Path) -> None:
    """Send vLLM's log messages to a file, in this process."""
    logging.config.dictConfig(_settings(log))


def log_config(log: Path) -> str:
    """The path of a logging configuration that does the same in the processes vLLM starts."""
    path = scratch_path("logging.json")
    Path(path).write_text(json.dumps(_settings(log)))
    return path


def _settings(log: Path) -> dict[str, Any]:
    form = {"format": "%(levelname)s %(asctime)s [%(name)s:%(lineno)d] %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": form},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log), "formatter": "plain"}},
        "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
    }
