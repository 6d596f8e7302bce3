"""Sweeps: arms share what has the same key, a failing arm stops nobody, and one table shows them all."""

from __future__ import annotations

import pytest
from conftest import call

from star_cli.store.runs import Run

SMALL = ["model=fake", "rounds=1", "task.train=60", "task.dev=20", "problems=80"]


def keys(home, name):
    return {(e.round, e.name): e.key for e in Run(home, name).events()}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    home = tmp_path_factory.mktemp("seeds")
    return home, call(home, "run", "-m", *SMALL, "seed=1,2", "name=pair")


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    home = tmp_path_factory.mktemp("rates")
    return home, call(home, "run", "-m", *SMALL, "trainer.lr=1e-3,1e9,2e-3", "name=lr")


def test_a_sweep_over_seeds_runs_each_arm_under_its_own_name(seeds):
    home, done = seeds
    assert done.code == 0, done.err
    one, two = keys(home, "pair/seed=1"), keys(home, "pair/seed=2")
    assert one[0, "pretrain"] == two[0, "pretrain"] and one[0, "evaluate"] == two[0, "evaluate"]
    assert one[1, "problems"] != two[1, "problems"] and one[1, "finetune"] != two[1, "finetune"]


def test_arms_are_listed_with_what_they_override_and_what_they_reached(seeds):
    home, _ = seeds
    rows = {r["name"]: r for r in call(home, "ls", "runs", "--json").json}
    assert set(rows) == {"pair/seed=1", "pair/seed=2"}
    for seed in (1, 2):
        row = rows[f"pair/seed={seed}"]
        assert row["sweep"] == "pair" and row["overrides"] == [f"seed={seed}"] and row["status"] == "finished"
        assert 0 < row["base"] < row["accuracy"] <= 1 and row["rounds"] == 1
    shown = call(home, "ls", "runs").out
    assert "sweep pair" in shown and "seed=2" in shown


def test_the_same_sweep_again_builds_nothing(seeds):
    home, _ = seeds
    assert call(home, "run", "-m", *SMALL, "seed=1,2", "name=pair").code == 0
    for seed in (1, 2):
        assert all(e.hit for e in Run(home, f"pair/seed={seed}").latest())


def test_an_arm_resumed_by_itself_stays_in_its_sweep(seeds):
    home, _ = seeds
    done = call(home, "resume", "pair/seed=1")
    assert done.code == 0, done.err
    rows = {r["name"]: r for r in call(home, "ls", "runs", "--json").json}
    assert rows["pair/seed=1"]["sweep"] == "pair" and rows["pair/seed=1"]["overrides"] == ["seed=1"]


def test_a_whole_sweep_cannot_be_resumed_and_its_arms_are_named(seeds):
    home, _ = seeds
    done = call(home, "resume", "pair")
    assert done.code == 1 and "Traceback" not in done.err and "pair/seed=1" in done.err


def test_learning_rates_share_round_0_and_the_first_generation(rates):
    home, _ = rates
    one, two = keys(home, "lr/trainer.lr=0.001"), keys(home, "lr/trainer.lr=0.002")
    shared = {(0, "pretrain"), (0, "evaluate"), (1, "problems"), (1, "generate"), (1, "filter"), (1, "rationalize")}
    assert all(one[at] == two[at] for at in shared)
    assert one[1, "finetune"] != two[1, "finetune"]
    hits = {(e.round, e.name): e.hit for e in Run(home, "lr/trainer.lr=0.002").latest()}
    assert all(hits[at] for at in shared) and not hits[1, "finetune"]


def test_a_failing_arm_is_told_where_it_fails_and_at_the_end_and_stops_nobody(rates):
    home, done = rates
    assert done.code == 1 and "Traceback" not in done.err
    assert "star: lr/trainer.lr=1000000000.0 failed: the loss is not finite" in done.err
    assert done.err.rstrip().count("1 arm(s) of the sweep failed: lr/trainer.lr=1000000000.0") == 1
    rows = {r["name"]: r["status"] for r in call(home, "ls", "runs", "--json").json}
    assert sorted(rows.values()) == ["failed", "finished", "finished"]
