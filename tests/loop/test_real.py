"""The whole loop on real parts: vLLM, TRL and a tiny Llama on this machine's processor."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make install)")
SMALL = [
    "task.max_digits=1",
    "+pretraining.lessons.1=400",
    "pretraining.steps=150",
    "pretraining.lr=3e-3",
    "schedule.start=20",
    "rounds=1",
    "sampling.temperature=1",
    "samples=8",
    "sampling.max_tokens=48",
    "name=small",
]


def command(home: Path, *args: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "star_cli.cli.main", "run", *SMALL, *args], {**os.environ, "STAR_HOME": str(home)}


def star(home: Path, *args: str) -> str:
    line, env = command(home, *args)
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=400, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def manifests(home: Path) -> dict[str, dict]:
    return {p.parent.name: json.loads(p.read_bytes()) for p in (home / "artifacts").glob("*/manifest.json")}


def hashes(home: Path) -> dict[str, dict[str, str]]:
    return {key: {n: f["sha256"] for n, f in m["files"].items()} for key, m in manifests(home).items()}


def test_a_round_on_vllm_starts_from_the_base_and_is_found_again(tmp_path: Path) -> None:
    first = star(tmp_path)
    assert "starting it anew" not in first and "no canary" not in first, first  # every swap was proved
    by_stage = {m["stage"]: m for m in manifests(tmp_path).values()}
    assert by_stage["finetune"]["metrics"]["start_weights"] == by_stage["pretrain"]["metrics"]["end_weights"]
    assert by_stage["finetune"]["metrics"]["end_weights"] != by_stage["finetune"]["metrics"]["start_weights"]
    built = set(manifests(tmp_path))
    started = time.monotonic()
    again = star(tmp_path)
    assert set(manifests(tmp_path)) == built and "0.0 s" not in again.split("accuracy")[0]
    assert time.monotonic() - started < 60  # it neither opened an engine nor trained
    events = [json.loads(x) for x in (tmp_path / "runs/small/ledger.jsonl").read_bytes().splitlines()]
    last = max(i for i, e in enumerate(events) if e["event"] == "start")
    assert all(e["hit"] for e in events[last + 1 :])


@pytest.mark.slow
def test_kill_9_on_vllm_leaves_the_same_bytes(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    star(whole)
    shutil.copytree(whole, killed, symlinks=True)
    for key, m in manifests(killed).items():  # keep the base model, the rest is to be made again
        if m["stage"] not in ("pretrain", "problems"):
            shutil.rmtree(killed / "artifacts" / key)
    random.seed(7)
    kills = 0
    while kills < 3:
        line, env = command(killed, "runtime.sync_seconds=0.05")
        process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=killed)
        partial = None
        while process.poll() is None and partial is None:  # until some samples of a stage are written
            partial = next(
                (p for p in (killed / "artifacts").glob("*.partial/*.journal") if p.stat().st_size > 2000), None
            )
            time.sleep(0.01)
        time.sleep(random.random() * 0.3)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills, "the run was over before it could be killed"
    star(killed)
    assert hashes(killed) == hashes(whole)


EVERY = {  # reduced in size, nothing else: real vLLM, TRL and a tiny Llama
    "star": ["samples=1", "sampling.temperature=0.0"],
    "star_acc": ["samples=1", "sampling.temperature=0.0"],
    "direct": [],
    "rft": ["samples=6"],
    "rest_em": ["samples=6"],
    "expert_iteration": ["samples=4"],
    "vstar": [
        "samples=6",
        "method.gold=false",
        "sampling.temperature=1.0",
        "verification.temperature=1.0",
        "verification.steps=20",
        "verification.candidates=4",
        "verification.ks=[1,2,4]",
    ],
    "b_star": [
        "samples=4",
        "method.gold=false",
        "method.queries=10",
        "method.temperatures=[0.5,1.0]",
        "method.n_star=2",
    ],
    "ada_star": ["method.beta=40"],
    "raft": ["samples=6"],
    "iterative_dpo": ["samples=6", "method.gold=false", "method.steps=20", "sampling.temperature=1.0"],
    "grpo": ["samples=4", "method.steps=20"],
}


@pytest.mark.slow
def test_every_method_runs_for_real(tmp_path: Path) -> None:
    """One after the other in one home, two rounds each; they share the base, and each resumes to nothing to do."""
    common = ["problems=60", "task.dev=30", "rounds=2", "schedule.start=20"]
    for method, settings in EVERY.items():
        args = [f"method={method}", *common, *settings, f"name={method}"]
        line, env = command(tmp_path, *args)
        line = [
            x
            for x in line
            if not any(
                x.startswith(f"{n}=")
                for n in ("name", "rounds", "samples", "sampling.temperature")
                if any(a.startswith(f"{n}=") for a in args) and x not in args
            )
        ]
        for _ in range(2):
            done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=600, cwd=tmp_path)
            assert done.returncode == 0, (method, done.stdout[-2000:] + done.stderr)
        assert "nothing was built" in done.stdout, method
        shown = subprocess.run(
            [sys.executable, "-m", "star_cli.cli.main", "show", method, "--json"],
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
            cwd=tmp_path,
        )
        rows = json.loads(shown.stdout)["rounds"]
        assert [r["round"] for r in rows] == [0, 1, 2] and all(r["n"] == 11 for r in rows), method
