"""A process verifier for real: vLLM completes what a tiny Llama began; the labels are held against the true steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from star_cli.core.records import Problem, Rationale, Score, Stepped
from star_cli.testing import Book

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make install)"),
]
BASE = [
    "task.max_digits=2",
    "task.dev=30",
    "problems=60",
    "rounds=1",
    "samples=4",
    "schedule.start=20",
    "sampling.temperature=1",
    "verification.temperature=1",
    "verifier=prm",
    "verifier.completions=4",
    "verifier.solutions=4",
    "verifier.steps=80",
    "verifier.lr=1e-3",
    "tracking=none",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("process")
    runs = {
        "vstar": [
            "method.gold=false",
            "method.verifier_start=last",
            "verification.candidates=4",
            "verification.ks=[1,4]",
        ],
        "b_star": ["method.gold=false", "method.queries=20", "method.temperatures=[1.0]", "method.n_star=2"],
    }
    for method, settings in runs.items():
        line = [sys.executable, "-m", "star_cli", "run", *BASE, f"method={method}", *settings, f"name={method}"]
        done = subprocess.run(
            line, env={**os.environ, "STAR_HOME": str(place)}, capture_output=True, text=True, cwd=place
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return place


def test_labels_from_completions_agree_with_the_true_steps(home):
    metrics = Book(home, "vstar")(1, "step_labels").metrics
    told_right, told_wrong = metrics["agreement_right"], metrics["agreement_wrong"]
    assert (told_right + told_wrong) / 2 > 0.7, (told_right, told_wrong)  # a coin gives one half


def test_every_solution_has_a_share_for_each_of_its_steps(home):
    artifact = Book(home, "vstar")(1, "step_labels")
    completions = {}
    for r in artifact.read(Rationale):
        completions.setdefault(r.problem_id, []).append(r)
    beginnings = {(p.meta["problem"], p.question): p.id for p in artifact.read(Problem)}
    assert {len(rows) for rows in completions.values()} == {4} and set(completions) == set(beginnings.values())
    for row in artifact.read(Stepped):
        assert len(row.shares) == len(row.ends) == len([x for x in row.completion.split("\n") if x.strip()])
        assert set(row.shares) <= {0.0, 0.25, 0.5, 0.75, 1.0} and row.shares[-1] in (0.0, 1.0)


def test_the_process_verifier_chooses_among_candidates_and_rewards_b_star(home):
    vstar, b_star = Book(home, "vstar"), Book(home, "b_star")
    chosen = vstar(1, "select").metrics
    assert 0 <= chosen["best_of@4/prm"] <= chosen["pass@4"]
    scores = [s.score for s in b_star(1, "score-prm").read(Score)]
    assert len(set(scores)) > 10 and json.dumps(b_star(1, "filter").metrics)
