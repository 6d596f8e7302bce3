"""Every call by which a run changes files fails once (a full disk, a failing disk), and is where the run is killed.

tests/faults/shim.c counts and strikes the calls (open for writing, write, fsync, rename, link, symlink, unlink, mkdir,
truncate); tests/faults/harness.py says what must hold afterwards. tests/faults/power.py cuts the power instead.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment

FAULTS = Path(__file__).parents[1] / "faults"
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(
    COMPILER is None or sys.platform != "linux", reason="the shim is made by a C compiler, for Linux"
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", path, FAULTS / "shim.c", "-ldl"], check=True)
    return path


def struck(shim: Path, work: Path, stride: int, offset: int, harness: str = "harness.py") -> dict[str, object]:
    """What the harness saw of the points offset, offset + stride, ..."""
    values = environment(work) | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(FAULTS / harness), str(shim), str(work), str(stride), str(offset)]
    done = subprocess.run(command, env=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def memory(tmp_path) -> Path:
    """A folder in memory where there is one: thousands of runs would wear a disk."""
    place = Path("/dev/shm")
    folder = place / f"star-{os.getpid()}" if os.access(place, os.W_OK) else tmp_path / "home"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_some_calls_fail_once_and_nothing_is_lost(shim, memory):
    seen = struck(shim, memory, 61, 17)
    assert seen["wrong"] == [] and sum(seen["counts"].values()) >= 12


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("offset", range(4))
def test_every_call_fails_once_and_nothing_is_lost(shim, memory, offset):
    seen = struck(shim, memory, 4, offset)
    print(json.dumps(seen["counts"], indent=1))
    assert seen["wrong"] == [] and sum(seen["counts"].values()) >= 3 * (seen["total"] // 4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_some_power_cuts_lose_nothing_that_was_finished(shim, memory):
    seen = struck(shim, memory, 199, 17, "power.py")
    assert seen["wrong"] == [] and seen["tried"] >= 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("offset", range(4))
def test_no_power_cut_loses_what_was_finished(shim, memory, offset):
    seen = struck(shim, memory, 4, offset, "power.py")
    print(json.dumps({"operations": seen["operations"], "tried": seen["tried"]}))
    assert seen["wrong"] == [] and seen["tried"] >= 100


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_random_kills_of_every_method_end_with_the_same_bytes(shim, memory):
    kills = int(os.environ.get("KILLS", "60"))
    seen = struck(shim, memory, kills, int(os.environ.get("SEED", "0")), "kills.py")
    print(json.dumps({name: value for name, value in seen.items() if name != "wrong"}, indent=1))
    assert seen["wrong"] == [] and seen["kills"] >= kills
