"""Whole runs on real parts whose grader works in processes of its own, beside vLLM's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from star_cli.store.artifacts import VERDICT_CACHE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make install)"),
]
DATA = Path(__file__).parents[1] / "data"
SMALL = [
    "model=tiny",
    "rounds=1",
    "samples=2",
    "pretraining.steps=60",
    "schedule.start=10",
    "sampling.temperature=1",
    "sampling.max_tokens=64",
    "evaluation.split=train",
    "evaluation.limit=6",
    "name=small",
]


def star(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "star_cli.cli.main", *args],
        env={**os.environ, "STAR_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=580,
        cwd=home,
    )


@pytest.mark.parametrize(("task", "grader"), [("gsm8k", "numeric"), ("mbpp", "code")])
def test_a_task_with_data_of_its_own_runs_end_to_end(home: Path, task: str, grader: str) -> None:
    done = star(
        home,
        "run",
        f"task={task}",
        f"task.path={DATA / (task + '.jsonl')}",
        "task.shots=none",
        *SMALL,
        *(["grader=code", "grader.truncated=true"] if grader == "code" else []),
    )
    nothing_kept = "no rationale was kept in round 1" in done.stderr  # honest with a tiny model
    assert done.returncode == 0 or nothing_kept, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    shown = star(home, "show", "small", "--json")
    first = json.loads(shown.stdout)["rounds"][0]
    assert 0 <= first["accuracy"] <= 1
    verdicts = list((home / "artifacts").glob("*/verdicts.jsonl"))
    assert verdicts and all("GRADER_ERROR" not in v.read_text() for v in verdicts)
    assert (home / "artifacts" / VERDICT_CACHE).exists() == (grader == "code")
