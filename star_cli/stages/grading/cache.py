"""Verdicts given while text is still being written, kept aside for the stage that will judge it.

    artifacts/verdict-cache/<key of the rationales>-<key of the grader>.jsonl
    {"mark": "5f1d...", "verdict": {"problem_id": "3", "sample": 0, "correct": true, ...}}

A cache and no artifact: without it the same verdicts are given later. A line counts only for the very problem and
rationale whose hash is its mark. TIMEOUT and GRADER_ERROR are never kept, for a busy machine may be their cause.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from star_cli.core.keys import key
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict, encode
from star_cli.stages.grading.pool import Job, Pool, graded
from star_cli.store.artifacts import VERDICT_CACHE

UNSURE = ("TIMEOUT", "GRADER_ERROR")
AHEAD = 32  # samples a worker may have waiting; what comes beyond is left to the stage that judges
NICE = 19


class Line(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A line of the cache."""

    mark: str
    verdict: Verdict


_line = msgspec.json.Decoder(Line)
_encode = msgspec.json.Encoder().encode


def cache_file(store: Path, rationales: str, grader: Grader) -> Path:
    """Where the verdicts of a grader on the rationales of this key are kept."""
    return store / VERDICT_CACHE / f"{rationales}-{key(grader)}.jsonl"


def mark_of(problem: Problem, rationale: Rationale) -> str:
    """What a verdict is about: 16 hex digits of a hash over the problem and the rationale."""
    return hashlib.sha256(encode(problem) + encode(rationale)).hexdigest()[:16]


class VerdictCache:
    """The verdicts of a cache file, found by what they judge; only their places are held in memory.

    The file stays open until ``close``, or the end of a ``with``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._file: IO[bytes] | None = None
        with suppress(FileNotFoundError):
            self._file = open(path, "rb")
        for line in self._file or ():
            self._note(line)

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; nothing can be looked up from here on."""
        if self._file is not None:
            self._file.close()

    def _note(self, line: bytes) -> None:
        try:
            self._places[_line.decode(line).mark] = (self._end, len(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # torn by a kill, or of another version: judged anew
        self._end += len(line)

    def __len__(self) -> int:
        return len(self._places)

    def holds(self, problem: Problem, rationale: Rationale) -> bool:
        """Whether the verdict is there."""
        return bool(self._places) and mark_of(problem, rationale) in self._places

    def __call__(self, problem: Problem, rationale: Rationale) -> Verdict | None:
        at = self._places.get(mark_of(problem, rationale)) if self._places else None
        if at is None or self._file is None:
            return None
        self._file.seek(at[0])
        return _line.decode(self._file.read(at[1])).verdict


class EarlyGrading:
    """Judges samples while others are being written: ``offer`` never waits, and the workers stand back.

    One core is left to the writer. What the workers are behind with when the writing ends is judged by the next stage.
    """

    def __init__(
        self, grader: Grader, path: Path, workers: int = 0, warn: Callable[[str], None] = lambda text: None
    ) -> None:
        self.grader, self.path, self.warn = grader, path, warn
        self.workers = workers
        self.aside = min(workers or 1 << 16, max(1, (os.cpu_count() or 1) - 1))
        self.known = VerdictCache(path)
        self.given = self.held = 0
        self.fault: Exception | None = None
        self._pool: Pool | None = None
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+b")
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")  # a line torn by a kill

    def offer(self, problem: Problem, rationale: Rationale) -> None:
        """Have a sample judged if a worker will come to it soon."""
        if self.held >= AHEAD * self.aside or self.fault is not None or self.known.holds(problem, rationale):
            return
        if self._pool is None:
            self._pool = Pool(self.grader, self.aside, nice=NICE)
        with self._lock:
            self.held += 1
        self._pool.put([Job(problem, rationale, self._settled)])

    def _settled(self, job: Job) -> None:
        with self._lock:
            self.held -= 1
            failed = job.fault is not None and self.fault is None and self._pool is not None
            self.fault = job.fault if failed else self.fault
        if failed:
            self.warn(f"samples cannot be graded while others are written: {job.fault}")
        if job.verdict is not None:
            self._keep(job.problem, job.rationale, job.verdict)

    def _keep(self, problem: Problem, rationale: Rationale, verdict: Verdict) -> None:
        if verdict.reason in UNSURE:
            return
        line = _encode(Line(mark=mark_of(problem, rationale), verdict=verdict)) + b"\n"
        with self._lock, suppress(OSError):  # a full disk stops the writer, not this
            self._file.write(line)
            self.given += 1

    def verdicts(self, items: Iterable[tuple[Problem, Rationale]]) -> Iterator[tuple[Problem, Rationale, Verdict]]:
        """The verdict on every item, in order, those that are there already and the others; the writer waits."""
        self._halt()
        with suppress(OSError):
            self._file.flush()
        with VerdictCache(self.path) as known:
            for problem, rationale, verdict in graded(self.grader, items, self.workers, known=known):
                if not known.holds(problem, rationale):
                    self._keep(problem, rationale, verdict)
                yield problem, rationale, verdict

    def _halt(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
        self.held = 0

    def close(self) -> None:
        """End the workers; what was judged is on disk."""
        self._halt()
        self.known.close()
        with suppress(OSError):
            self._file.close()
