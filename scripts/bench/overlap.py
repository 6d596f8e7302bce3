"""Generate and filter, with programs graded while others are written and with grading after the writing: python
scripts/bench/overlap.py [engine=transformers ...]. The model is a tiny Llama pretrained here on programs of our own."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.lab import Lab
from star_cli.run.live_engine import LiveEngine
from star_cli.run.observe import Silent
from star_cli.store.artifacts import VERDICT_CACHE, Store

PROBLEMS, SAMPLES, TOKENS, REPEATS = 40, 4, 320, 3
AT_ONCE = 4  # sequences: few, so that a tiny model writes about as slowly as programs are graded, as a large one would
NAMES = "amber birch cedar delta ember frost grove heron ivory jewel"


def data(path: Path) -> None:
    """Problems in MBPP's format: add a constant, in a few lines."""
    with open(path, "w") as f:
        for i in range(300):
            name = NAMES.split()[i % 10]
            code = f"def {name}(x):\n    # start with x\n    y = x + {i}\n    # that is the sum\n    return y"
            tests = [f"assert {name}({k}) == {k + i}" for k in (0, 1, -i)]
            row = {"task_id": i, "text": f"Write {name}, which adds {i}.", "code": code, "test_list": tests}
            f.write(json.dumps(row) + "\n")


def main(args: list[str]) -> None:
    home = Path(tempfile.mkdtemp(prefix="star-bench-"))
    try:
        data(home / "train.jsonl")
        settings = [
            f"home={home}",
            "name=bench",
            "task=mbpp",
            f"task.path={home / 'train.jsonl'}",
            "task.shots=none",
            "grader=code",
            "grader.truncated=true",
            f"runtime.max_num_seqs={AT_ONCE}",
            "+pretraining.lessons.gold=256",
            "pretraining.steps=150",
            "pretraining.lr=3e-3",
            "pretraining.batch=16",
            f"problems={PROBLEMS}",
            f"samples={SAMPLES}",
            "sampling.temperature=1",
            f"sampling.max_tokens={TOKENS}",
            "tracking=none",
            "filter.max_errors=1",
            *args,
        ]
        launch(settings, lambda c: compare(c, home))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def compare(c: Composed, home: Path) -> None:
    """Print seconds and ratio of every repetition; the two orders take turns. The files must be the same."""
    live_engine = LiveEngine()
    x = c.experiment
    begun = Store(home / "artifacts").open()
    lab = Lab(x, Builder(x.equipment(), begun, Silent(), live_engine))
    lab.generate(lab.base_model(), lab.problems("train", round=99), round=99)  # starts the engine
    ratios = []
    print("repetition   after: generate   filter    sum    overlapped: generate   filter    sum   ratio")
    for n in range(1, REPEATS + 1):
        found: dict[bool, tuple[list[float], dict[str, Any]]] = {}
        for early in (False, True) if n % 2 else (True, False):
            place = home / f"{n}-{early}"
            shutil.copytree(home / "artifacts", place, ignore=shutil.ignore_patterns(VERDICT_CACHE))
            found[early] = once(replace(x, runtime=replace(x.runtime, grade_early=early)), Store(place), live_engine, n)
        (after, one), (overlapped, other) = found[False], found[True]
        assert one == other, "the artifacts differ"
        ratios.append(sum(overlapped) / sum(after))
        cells = [f"{t:>8.1f}" for t in (*after, sum(after), *overlapped, sum(overlapped))]
        print(
            f"{n:>10}   {cells[0]:>15} {cells[1]} {cells[2]:>6} {cells[3]:>23} {cells[4]} "
            f"{cells[5]:>6} {ratios[-1]:>7.2f}",
            flush=True,
        )
    live_engine.close()
    print(
        f"{PROBLEMS * SAMPLES} programs of at most {TOKENS} tokens; time overlapped / after: "
        f"{statistics.median(ratios):.2f} "
        "(median); the artifacts are equal byte for byte"
    )


def once(x: Any, store: Store, live_engine: LiveEngine, n: int) -> tuple[list[float], dict[str, Any]]:
    """([seconds of generate, of filter], the hashes of their files)."""
    lab = Lab(x, Builder(x.equipment(), store, Silent(), live_engine))
    model, problems = lab.base_model(), lab.problems("train", round=n)
    started = time.perf_counter()
    written = lab.generate(model, problems, round=n)
    between = time.perf_counter()
    judged = lab.filter(problems, written)
    seconds = [between - started, time.perf_counter() - between]
    return seconds, {a.key: {name: f.sha256 for name, f in a.manifest.files.items()} for a in (written, judged)}


if __name__ == "__main__":
    main(sys.argv[1:])
