"""`star select`: any run's model, candidates up to what is asked, a run's verifiers, another task."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SMALL, call

from star_cli.core.records import Metric, Rationale, Verdict
from star_cli.store.artifacts import Store


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("select")
    assert call(place, "run", *SMALL, "rounds=2", "name=plain").code == 0
    done = call(place, "run", *SMALL, "rounds=1", "method=vstar", "method.gold=true", "verifier=fake", "name=v")
    assert done.code == 0, done.err
    return place


def selected(home, *args):
    done = call(home, "select", *args, "--json")
    assert done.code == 0, done.err
    store = Store(home / "artifacts")
    return done.json, store.get(done.json["key"]), store


def test_a_run_without_a_verifier_gets_its_curve_up_to_all_candidates(home):
    shown, artifact, store = selected(home, "plain", "verification.candidates=20")
    metrics = {m.name: m for m in artifact.read(Metric)}
    assert {f"{s}@{k}" for s in ("pass", "majority") for k in (1, 2, 4, 8, 16, 20)} <= set(metrics)
    pool = store.get(artifact.input("rationales"))
    counts = {}
    for r in pool.read(Rationale):
        counts[r.problem_id] = counts.get(r.problem_id, 0) + 1
    assert set(counts.values()) == {20}
    right = {}
    for v in store.get(artifact.input("verdicts")).read(Verdict):
        right.setdefault(v.problem_id, []).append(v.correct)
    assert metrics["pass@20"].value == pytest.approx(np.mean([any(row) for row in right.values()]))
    assert metrics["pass@1"].value == pytest.approx(np.mean([np.mean(row) for row in right.values()]))
    assert shown["stage"] == "select"


def test_a_round_is_named_and_the_last_is_meant_without_one(home):
    first, second, default = (
        selected(home, what, "verification.candidates=4")[1] for what in ("plain/round-1", "plain/round-2", "plain")
    )
    assert default.key == second.key != first.key


def test_the_verifiers_of_a_run_are_used_and_can_be_named(home):
    own = selected(home, "v", "verification.candidates=4")[1]
    assert {m.name for m in own.read(Metric)} >= {"best_of@4/fake", "weighted@4/fake"}
    other = selected(home, "plain", "verification.candidates=4", "--verifier", "v/round-1/verifier-fake")[1]
    assert "best_of@4/fake" in {m.name for m in other.read(Metric)}


def test_another_task_is_asked_with_its_own_grader(home):
    artifact = selected(home, "plain", "verification.candidates=4", "task=zip")[1]
    assert next(artifact.read(Metric)).n == 64


def test_what_cannot_be_selected_from_is_a_sentence(home):
    for args, sentence in (
        (["nobody"], "there is no run nobody"),
        (["plain/round-7"], "has no model of round 7"),
        (["plain/round-1/filter"], "names a stage"),
        (["plain", "verification.candidates=x"], "verification.candidates=x is no number"),
    ):
        done = call(home, "select", *args)
        assert done.code == 1 and sentence in done.err and "Traceback" not in done.err, done.err
    printed = call(home, "select", "plain", "verification.candidates=4")
    assert printed.code == 0 and "majority" in printed.out
