"""Whole runs with engine=ray: the artifacts of a plain run, also when the run itself is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import call, environment, start
from test_real import hashes as real_hashes
from test_real import star as real_star

from star_cli.testing import hashes

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
ARGS = ["model=fake", "rounds=1", "task.train=60", "task.dev=10", "problems=60", "samples=3", "sampling.temperature=1"]
RAY = ["engine=ray", "engine.of=fake"]


def living_ray(session: int) -> list[str]:
    """The processes of Ray in the session of a process that was started in one of its own."""
    done = subprocess.run(["ps", "-s", str(session), "-o", "stat=,args="], capture_output=True, text=True, check=False)
    ray = [line for line in done.stdout.splitlines() if "raylet" in line or "gcs_server" in line or "ray::" in line]
    return [line for line in ray if not line.startswith("Z")]  # ended, and reaped by nobody in a container


def test_a_run_on_two_actors_has_the_artifacts_of_a_plain_one_also_after_kill_9(home: Path, tmp_path: Path) -> None:
    plain, count = tmp_path / "plain", home / "count"
    plain.mkdir()
    assert call(plain, "run", *ARGS).code == 0
    line = [*ARGS, *RAY, "engine.actors=2"]
    slow = f"+engine.settings={{seconds: 0.02, count_file: '{count}'}}"
    first = subprocess.Popen(
        [sys.executable, "-m", "star_cli.cli.main", "run", *line, slow], env=environment(home), cwd=home,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while not count.exists() or count.stat().st_size < 40:
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.kill()
    first.communicate()
    for _ in range(1200):
        if not living_ray(first.pid):
            break
        time.sleep(0.1)  # two agents of Ray notice late
    assert not living_ray(first.pid), "Ray outlives the run that started it"
    second = start(home, "run", *line)
    _, err = second.communicate(timeout=200)
    assert second.returncode == 0, err
    assert hashes(home) == hashes(plain)


def test_a_real_run_on_two_actors_has_the_artifacts_of_a_plain_one(tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    homes = tmp_path / "plain", tmp_path / "ray"
    for home, words in zip(homes, ([], ["engine=ray", "engine.of=vllm", "engine.actors=2"]), strict=True):
        home.mkdir()
        real_star(home, *words)
    assert real_hashes(homes[0]) == real_hashes(homes[1])
