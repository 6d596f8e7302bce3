"""A run that a scheduler ends: exit code 75 within the grace, and the same command ends with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, call, environment, start
from test_real import command
from test_real import hashes as real_hashes

from star_cli.store.runs import Run
from star_cli.testing import hashes

ARGS = ["model=fake", "rounds=1", "task.train=40", "task.dev=10", "problems=40", "name=demo"]


STUCK = """
import pathlib, time
from star_cli.backends.engines.fake import FakeSession
def stuck(self, request):
    while True:
        try:
            pathlib.Path("stuck").write_text("1")
            time.sleep(60)
        except KeyboardInterrupt:
            pass
FakeSession._write = stuck
"""


def until(process: subprocess.Popen[str], seen: Path, size: int) -> None:
    """Wait until a file has so many bytes, or fail with what the process said."""
    for _ in range(3000):
        if seen.exists() and seen.stat().st_size >= size:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("it took too long")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.slow)])
def test_a_preempted_run_leaves_with_75_and_ends_with_the_same_bytes(home, tmp_path, number):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert call(whole, "run", *ARGS).code == 0
    count = home / "count"
    process = start(home, "run", *ARGS, "engine.seconds=0.01", f"engine.count_file={count}")
    until(process, count, 30)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    assert signal.Signals(number).name in err and "the same command goes on" in err and "Traceback" not in err
    assert Run(home, "demo").info.status == "interrupted"
    written = count.stat().st_size
    assert call(home, "run", *ARGS, f"engine.count_file={count}").code == 0
    assert hashes(home) == hashes(whole)
    assert count.stat().st_size > written  # the rest, and not all of it again
    assert call(home, "verify", "demo").code == 0


def test_a_run_that_cannot_end_within_its_grace_is_ended(home):
    (home / "star_parts.py").write_text(STUCK)
    process = start(home, "run", *ARGS, "runtime.grace_seconds=0.5")
    until(process, home / "stuck", 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 75 and "still busy 0.5 s after SIGTERM" in err


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["again.sh", "slurm.sbatch"])
def test_a_recipe_runs_star_again_until_it_is_done(recipe, home, tmp_path):
    """slurm.sbatch with a scontrol of ours, which notes what is asked; `sbatch` itself is not on this machine."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/requeued\n')
    (tools / "star").symlink_to(Path(sys.executable).with_name("star"))
    (tools / "scontrol").chmod(0o755)
    settings = [*ARGS, "engine.seconds=0.01", f"engine.count_file={home / 'count'}"]
    env = environment(home) | {"PATH": f"{tools}:{os.environ['PATH']}", "STAR_ARGS": " ".join(settings)}
    env |= {"SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": str(ROOT)}
    script = ["bash", str(ROOT / "scripts" / "clusters" / recipe), *(settings if recipe == "again.sh" else [])]
    process = subprocess.Popen(script, env=env, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(process, home / "count", 20)
    process.send_signal(signal.SIGUSR1)
    _, err = process.communicate(timeout=120)
    if recipe == "slurm.sbatch":  # Slurm would start it again
        assert process.returncode == 75 and (tmp_path / "requeued").read_text() == "requeue 7\n", err
        assert subprocess.run(script, env=env, cwd=home, capture_output=True, timeout=120).returncode == 0
    else:
        assert process.returncode == 0, err
    assert Run(home, "demo").info.status == "finished"


@pytest.mark.slow
def test_a_preempted_training_writes_a_checkpoint_and_ends_with_the_same_weights(tmp_path):
    homes = tmp_path / "whole", tmp_path / "cut"
    args = ["engine=transformers", "pretraining.steps=400", "runtime.progress=plain"]
    for home in homes:
        home.mkdir()
    line, env = command(homes[0], *args)
    done = subprocess.run(line, env=env, cwd=homes[0], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    line, env = command(homes[1], *args)
    times, saved = 0, 0
    while True:
        running = subprocess.Popen(
            line, env=env, cwd=homes[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if times < 2:
            while not any((homes[1] / "artifacts").glob("*.partial/scratch/**/model.safetensors")):
                assert running.poll() is None, running.communicate()
                time.sleep(0.05)
            time.sleep(4)  # libraries are loaded, and the first steps done
            running.send_signal(signal.SIGUSR1)
        _, err = running.communicate(timeout=400)
        if running.returncode == 0:
            break
        assert running.returncode == 75 and "Traceback" not in err, err
        times += 1
        saved += any((homes[1] / "artifacts").glob("*.partial/**/complete.json"))
    assert times and saved, (times, saved)
    assert real_hashes(homes[0]) == real_hashes(homes[1])
