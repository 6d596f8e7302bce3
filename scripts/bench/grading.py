"""Verdicts a second of every grader, in one process and in the pool with 1 and 2 workers, the best of several turns
(other programs only ever slow one down): python scripts/bench/grading.py [GRADER ...]."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice

from star_cli.core import registry
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale
from star_cli.stages.grading.pool import graded

COUNTS = {"exact": 200_000, "numeric": 20_000, "choice": 20_000, "math": 1_500, "code": 60}
TURNS = 3


def items(grader: Grader, count: int) -> Iterator[tuple[Problem, Rationale]]:
    """The grader's own cases, over and over."""
    rows = [(r, r[3] if len(r) > 3 else {}) for r in grader.CASES if r[2] not in ("GRADER_ERROR", "TIMEOUT")]
    for i, ((gold, text, *_), extras) in enumerate(islice(cycle(rows), count)):
        yield (
            Problem(id=str(i), question="", answer=gold, choices=extras.get("choices"), meta=extras.get("meta", {})),
            Rationale(
                problem_id=str(i),
                sample=0,
                text=text,
                hinted=False,
                finish=extras.get("finish", "stop"),
                tokens=1,
                logprob=None,
                seed=0,
                prompt_key="",
            ),
        )


def rate(grader: Grader, count: int, workers: int) -> float:
    """Verdicts a second; the workers are up before the clock starts, and 0 workers means this process."""
    if not workers:
        for problem, rationale in items(grader, 8):  # libraries are loaded
            grader.grade(problem, rationale)
        started = time.perf_counter()
        for problem, rationale in items(grader, count):
            grader.grade(problem, rationale)
        return count / (time.perf_counter() - started)
    warm = 16 * workers
    verdicts = graded(grader, items(grader, count + warm), workers)
    for _ in range(warm):
        next(verdicts)
    started = time.perf_counter()
    done = sum(1 for _ in verdicts)
    return done / (time.perf_counter() - started)


def main(names: list[str]) -> None:
    print("grader      verdicts/s   pool of 1   pool of 2   ratio")
    for name in names or list(COUNTS):
        grader = registry.get("grader", name)()
        count = COUNTS.get(name, 1_000)
        best: dict[int, float] = {}
        for _ in range(TURNS):
            for workers in (0, 1, 2) if grader.isolated else (0,):
                best[workers] = max(best.get(workers, 0.0), rate(grader, count, workers))
        if grader.isolated:
            print(
                f"{name:<10} {best[0]:>11,.1f} {best[1]:>11,.1f} {best[2]:>11,.1f} {best[2] / best[1]:>7.2f}",
                flush=True,
            )
        else:
            print(f"{name:<10} {best[0]:>11,.1f}           -           -       -", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
