"""sampling.stop_after: a solved problem gets no further samples; what is written depends on seeds alone."""

from __future__ import annotations

import pytest
from conftest import SMALL, call

from star_cli.core.records import Rationale, Verdict
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

ARGS = [*SMALL, "method=rest_em", "rounds=1", "samples=8", "sampling.temperature=1"]


def artifact(home, name, stage):
    return Run(home, name).artifact(open_store(home), 1, stage)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    for name, extra in (("all", []), ("stop", ["sampling.stop_after=1"]), ("two", ["sampling.stop_after=2"])):
        done = call(home, "run", *ARGS, *extra, f"name={name}")
        assert done.code == 0, done.err
    return home


@pytest.mark.parametrize(("name", "enough"), [("stop", 1), ("two", 2)])
def test_samples_come_in_waves_and_stop_after_enough_right_ones(home, name, enough):
    correct = {v.identity(): v.correct for v in artifact(home, name, "filter").read(Verdict)}
    rows: dict[str, list[bool]] = {}
    for r in artifact(home, name, "generate").read(Rationale):
        rows.setdefault(r.problem_id, []).append(correct[r.identity()])
    assert {len(row) for row in rows.values()} >= {enough, 4, 8}
    for row in rows.values():  # no wave was cut, and none was asked for after enough right ones
        assert len(row) in (1, 2, 4, 8) and (len(row) == 8 or sum(row) >= enough) and sum(row[: len(row) // 2]) < enough


def test_a_sample_is_the_same_with_and_without_it(home):
    whole = {r.identity(): r for r in artifact(home, "all", "generate").read(Rationale)}
    few = list(artifact(home, "stop", "generate").read(Rationale))
    assert all(whole[r.identity()] == r for r in few) and len(few) < len(whole)


def test_the_same_problems_are_solved_with_fewer_tokens(home):
    solved = [artifact(home, name, "filter").metrics["solved"] for name in ("all", "stop")]
    metrics = [artifact(home, name, "generate").metrics for name in ("all", "stop")]
    assert solved[0] == solved[1] > 0
    assert metrics[1]["tokens"] < 0.6 * metrics[0]["tokens"]
    assert metrics[1]["spared"] + metrics[1]["samples"] == metrics[0]["samples"]


def test_a_run_that_dies_on_the_way_resumes_to_the_same_bytes(home, tmp_path):
    args = [*ARGS, "sampling.stop_after=1", "name=stop"]
    dying = call(tmp_path, "run", *args, "engine.die_after=60", "engine.die_always=true")
    assert dying.code == 1, dying.out
    done = call(tmp_path, "run", *args)
    assert done.code == 0, done.err
    ours, theirs = (artifact(h, "stop", "generate") for h in (tmp_path, home))
    assert ours.key == theirs.key
    assert (ours.path / Rationale.file).read_bytes() == (theirs.path / Rationale.file).read_bytes()


@pytest.mark.parametrize("method", ["vstar", "star_sql", "b_star", "ada_star"])
def test_a_method_that_needs_every_sample_refuses_it(tmp_path, method):
    done = call(tmp_path, "run", *SMALL, f"method={method}", "sampling.stop_after=1")
    assert done.code == 1 and f"method={method} needs every sample" in done.err and "Traceback" not in done.err
