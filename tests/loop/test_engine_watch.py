"""An engine in a process of its own, as on every GPU: killed, stopped or orphaned, the run ends with the same bytes.

On a CPU star keeps the engine in its own process; VLLM_ENABLE_V1_MULTIPROCESSING=1 asks vLLM for the other way.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_real import command, hashes, manifests

from star_cli.run.progress import read_progress

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.xdist_group("one-by-one"),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make install)"),
]
MORE = ["task.dev=40", "runtime.sync_seconds=0.05", "runtime.engine_patience=25", "runtime.progress=plain"]


def begun(home: Path) -> subprocess.Popen[str]:
    line, env = command(home, *MORE)
    env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=home)


def ended(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=800)
    assert process.returncode == 0 and "Traceback" not in out, out
    return out


def engines(process: subprocess.Popen[str]) -> list[int]:
    """The processes of vLLM below a run."""
    import psutil

    pids = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if "VLLM::" in " ".join(child.cmdline()):
                pids.append(child.pid)
    return pids


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole")
    ended(begun(home))
    return home


@pytest.fixture
def fresh(whole: Path, tmp_path: Path) -> Path:
    """The whole home, with the base model and the problems alone."""
    home = tmp_path / "home"
    shutil.copytree(whole, home, symlinks=True)
    for key, m in manifests(home).items():
        if m["stage"] not in ("pretrain", "problems"):
            shutil.rmtree(home / "artifacts" / key)
    shutil.rmtree(home / "runs")
    return home


def writing(home: Path, process: subprocess.Popen[str]) -> bool:
    return any(p.stat().st_size > 2000 for p in (home / "artifacts").glob("*.partial/*.journal"))


def training(home: Path, process: subprocess.Popen[str]) -> bool:
    progress = read_progress(home / "runs/small")
    return progress is not None and progress.name == "finetune"


def starting(home: Path, process: subprocess.Popen[str]) -> bool:
    return bool(engines(process))


def wait(until: Callable[[Path, subprocess.Popen[str]], bool], home: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 500
    while not until(home, process) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert process.poll() is None and until(home, process), process.communicate()[0]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("when", [starting, writing, training])
def test_an_engine_that_is_struck_is_replaced_and_the_run_ends_with_the_same_bytes(whole, fresh, when, blow):
    import psutil

    process = begun(fresh)
    wait(when, fresh, process)
    if when is starting:
        time.sleep(2)
    victims = engines(process)
    assert victims
    for pid in victims:
        os.kill(pid, blow)
    out = ended(process)
    assert "the engine died" in out and "starting a new one" in out, out
    assert hashes(fresh) == hashes(whole)
    assert not [pid for pid in victims if psutil.pid_exists(pid)], "the dead engine was left behind"


def test_an_engine_ends_with_the_run_that_was_killed(whole, fresh):
    import psutil

    process = begun(fresh)
    wait(writing, fresh, process)
    orphans = [psutil.Process(pid) for pid in engines(process)]
    process.kill()
    process.communicate()
    assert orphans and not psutil.wait_procs(orphans, timeout=20)[1], "an engine was left behind"
    ended(begun(fresh))
    assert hashes(fresh) == hashes(whole)
