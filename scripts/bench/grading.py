"""Verdicts a second of every grader, in one process and in the pool with 1 and 2 workers, the best of several turns
(other programs only ever slow one down): python scripts/bench/grading.py [GRADER ...].

``--against COMMIT`` measures one grader in turns with the same grader as it was then, and what a verdict takes of a
processor, children included (for that a control group must be writable, as it is for root):
python scripts/bench/grading.py code --against c3bd8e8.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from star_cli.core import registry
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale
from star_cli.stages.grading.pool import graded

COUNTS = {"exact": 200_000, "numeric": 20_000, "choice": 20_000, "math": 1_500, "code": 400}
TURNS = 3
ACCOUNTS = (("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e9), ("/sys/fs/cgroup", "cpu.stat", 1e6))


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


def rate(grader: Grader, count: int, workers: int, processor: Callable[[], float]) -> tuple[float, float]:
    """(verdicts a second, seconds of a processor for one); the workers are up before the clock starts, and 0 workers
    means this process.
    """
    if not workers:
        for problem, rationale in items(grader, 8):  # libraries are loaded
            grader.grade(problem, rationale)
        started, before = time.perf_counter(), processor()
        for problem, rationale in items(grader, count):
            grader.grade(problem, rationale)
        return count / (time.perf_counter() - started), (processor() - before) / count
    warm = 16 * workers
    verdicts = graded(grader, items(grader, count + warm), workers)
    for _ in range(warm):
        next(verdicts)
    started, before = time.perf_counter(), processor()
    done = sum(1 for _ in verdicts)
    return done / (time.perf_counter() - started), (processor() - before) / done


@contextlib.contextmanager
def accounted() -> Iterator[Callable[[], float]]:
    """Seconds of a processor that this process and all it starts have taken; NaN where nobody counts them."""
    for root, name, unit in ACCOUNTS:
        group = Path(root) / f"star-bench-{os.getpid()}-{time.monotonic_ns()}"
        if not (Path(root) / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            continue

        def taken(file: Path = group / name, unit: float = unit) -> float:
            return int(file.read_text().split("usage_usec")[-1].split()[0]) / unit

        try:
            yield taken
        finally:
            (Path(root) / "cgroup.procs").write_text(str(os.getpid()))
            for _ in range(100):  # the last of the workers may still be ending
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.02)
        return
    yield lambda: float("nan")


def table(names: list[str]) -> None:
    """One line a grader."""
    print("grader      verdicts/s   pool of 1   pool of 2   ratio")
    for name in names or list(COUNTS):
        grader = registry.get("grader", name)()
        count = COUNTS.get(name, 1_000)
        best: dict[int, float] = {}
        for _ in range(TURNS):
            for workers in (0, 1, 2) if grader.isolated else (0,):
                best[workers] = max(best.get(workers, 0.0), rate(grader, count, workers, time.process_time)[0])
        if grader.isolated:
            print(
                f"{name:<10} {best[0]:>11,.1f} {best[1]:>11,.1f} {best[2]:>11,.1f} {best[2] / best[1]:>7.2f}",
                flush=True,
            )
        else:
            print(f"{name:<10} {best[0]:>11,.1f}           -           -       -", flush=True)


def turn(name: str, count: int) -> None:
    """One turn in this process, as JSON: by number of workers the rate and the seconds of a processor."""
    grader = registry.get("grader", name)()
    with accounted() as processor:
        print(json.dumps({str(w): rate(grader, count, w, processor) for w in (1, 2)}))


def against(name: str, commit: str) -> None:
    """The grader as it is and as it was, one after the other in every turn."""
    here = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as was:
        archive = subprocess.run(
            ["git", "archive", commit, "star_cli"], cwd=here, capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(was, filter="data")
        best: dict[tuple[str, str], list[float]] = {}
        print("                      pool of 1             pool of 2")
        print("         verdicts/s  processor ms   verdicts/s  processor ms")
        for _ in range(TURNS):
            for label, place, count in (("was", was, COUNTS[name] // 8), ("is", str(here), COUNTS[name])):
                done = subprocess.run(
                    [sys.executable, __file__, name, "--turn", str(count)],
                    cwd=place,
                    env={**os.environ, "PYTHONPATH": place},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                cells = []
                for workers, (speed, taken) in json.loads(done.stdout).items():
                    now = best.setdefault((label, workers), [0.0, float("inf")])
                    now[:] = max(now[0], speed), min(now[1], taken * 1e3)
                    cells.append(f"{speed:>11.1f} {taken * 1e3:>13.2f}")
                print(f"{label:<8}{'  '.join(cells)}", flush=True)
    for workers in ("1", "2"):
        (was_speed, was_taken), (speed, taken) = best["was", workers], best["is", workers]
        print(
            f"best of {TURNS} turns, {workers} workers: {speed / was_speed:.1f} times the verdicts a second, "
            f"{was_taken / taken:.1f} times less of a processor, {1e3 / taken:.0f} verdicts for a second of one"
        )


def main(arguments: list[str]) -> None:
    if "--turn" in arguments:
        turn(arguments[0], int(arguments[-1]))
    elif "--against" in arguments:
        against(arguments[0], arguments[-1])
    else:
        table(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
