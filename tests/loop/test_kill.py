"""Killed at random moments, a run goes on where it was: same bytes at the end, and no saved sample written twice."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

import pytest
from conftest import call, start

from star_cli.core.records import Rationale
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run
from star_cli.testing import hashes

ARGS = [
    "model=fake",
    "rounds=2",
    "task.train=60",
    "task.dev=20",
    "problems=120",
    "name=demo",
    "runtime.sync_seconds=0.02",
]
PROMPT = (
    60  # completions that may be lost in one kill: what 0.02 s and a batch of eight hold, and a busy machine's delay
)


def saved(home: Path) -> int:
    """How many samples are safe: in finished artifacts, and whole lines in the journals of unfinished ones."""
    store = Store(home / "artifacts")
    finished = sum(store.get(k).count(Rationale) for k in store.keys() if store.get(k).stage == "generate")
    journals = [(d / (Rationale.file + ".journal")) for d in store.partials()]
    return finished + sum(j.read_bytes().count(b"\n") for j in journals if j.exists())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its files, and how many samples it wrote."""
    home = tmp_path_factory.mktemp("whole")
    done = call(home, "run", *ARGS, f"engine.count_file={home / 'count'}")
    assert done.code == 0, done.err
    return hashes(home), (home / "count").stat().st_size


def killed_and_resumed(home: Path, whole, kills: int, rng: random.Random) -> None:
    files, total = whole
    count = home / "count"
    args = ["run", *ARGS, f"engine.count_file={count}", "engine.seconds=0.002"]
    written = lost = 0
    for _ in range(kills):
        target = written + rng.randint(1, max(2, (total - saved(home)) // 2))
        before = saved(home)
        process = start(home, *args)
        while process.poll() is None and (count.stat().st_size if count.exists() else 0) < target:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = count.stat().st_size if count.exists() else 0
        fresh, written = now - written, now
        assert 0 <= fresh - (saved(home) - before) <= PROMPT, "more was lost than was in flight"
        lost = now - saved(home)
    rest = total - saved(home)
    done = call(home, *args)
    assert done.code == 0, done.err
    assert count.stat().st_size - written == rest, "a sample that had been saved was generated again"
    assert count.stat().st_size == total + lost and lost <= PROMPT * kills
    assert hashes(home) == files
    assert not Store(home / "artifacts").partials()
    assert call(home, "verify", "demo").code == 0


def test_a_run_killed_three_times_ends_with_the_same_bytes(home, whole):
    killed_and_resumed(home, whole, 3, random.Random(7))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_five_times_ends_with_the_same_bytes(home, whole, seed):
    killed_and_resumed(home, whole, 5, random.Random(seed))


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_with_the_same_bytes(home, whole):
    killed_and_resumed(home, whole, 20, random.Random(20))


def begun(home: Path, *args: str):
    """A slow run that is in the middle of writing samples."""
    count = home / "count"
    process = start(home, *args, f"engine.count_file={count}", "engine.seconds=0.01")
    until = time.monotonic() + 60
    while (not count.exists() or count.stat().st_size < 20) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process


def test_control_c_ends_within_seconds_and_says_how_to_continue(home, whole):
    process = begun(home, "run", *ARGS)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and time.monotonic() - pressed < 10
    assert "Nothing finished is lost; continue with: star resume demo" in err and "Traceback" not in err
    assert Run(home, "demo").info.status == "interrupted"
    kept = saved(home)
    assert kept > 0
    written = (home / "count").stat().st_size
    done = call(home, "run", *ARGS, f"engine.count_file={home / 'count'}")
    assert done.code == 0 and hashes(home) == whole[0]
    assert (home / "count").stat().st_size - written == whole[1] - kept


def test_control_c_in_a_single_stage_ends_with_130(home):
    assert call(home, "run", *ARGS).code == 0
    process = begun(
        home,
        "generate",
        "--input",
        "model=demo/round-1/finetune",
        "--round",
        "9",
        "samples=3",
        "sampling.temperature=1",
    )
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err


def test_an_engine_that_dies_is_started_once_more_and_samples_are_kept(home, whole):
    done = call(home, "run", *ARGS, f"engine.count_file={home / 'count'}", "engine.die_after=50")
    assert done.code == 0, done.err
    assert done.out.count("the engine died") == 1 and "written samples are kept" in done.out
    assert hashes(home) == whole[0]
    assert (home / "count").stat().st_size <= whole[1] + 8, "only what was in flight is written again"


def test_an_engine_that_always_dies_is_a_sentence_and_what_it_wrote_is_kept(home):
    done = call(home, "run", *ARGS, "engine.die_after=25", "engine.die_always=true")
    assert done.code == 1
    assert re.search(r"star: the fake engine died.*\n  next: ", done.err) and "Traceback" not in done.err
    assert saved(home) >= 40
    assert Run(home, "demo").info.status == "failed"
