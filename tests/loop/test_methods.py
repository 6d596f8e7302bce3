"""Every method end to end on fakes: what it builds, from what, and that the second time it builds nothing."""

from __future__ import annotations

import re

import pytest
from conftest import SMALL, call

from star_cli.core import registry
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.store.runs import Run
from star_cli.testing import Book

QUICK = {
    "b_star": ["samples=6", "method.queries=30", "method.temperatures=[.5,1]"],
    "see_think_learn": ["task=tiny_scenes", "+pretraining.lessons={full:8}"],
}  # 64 samples at 8 temperatures take long


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    for method in registry.names("method"):
        done = call(place, "run", *SMALL, f"method={method}", f"name={method}", *QUICK.get(method, []))
        assert done.code == 0, done.err
    return place


@pytest.fixture
def book(where):
    return Book(where, "star")


@pytest.mark.parametrize("method", registry.names("method"))
def test_a_method_runs_to_its_end_and_learns(where, method):
    shown = call(where, "show", method, "--json").json
    assert shown["status"] == "finished"
    assert [r["round"] for r in shown["rounds"]] == [0, 1, 2]
    assert all(0 < r["low"] <= r["accuracy"] <= r["high"] <= 1 for r in shown["rounds"])


@pytest.mark.parametrize("method", registry.names("method"))
def test_the_same_command_again_builds_nothing(where, method):
    before = {p: p.stat().st_mtime_ns for p in (where / "artifacts").glob("*/manifest.json")}
    again = call(where, "run", *SMALL, f"method={method}", f"name={method}", *QUICK.get(method, []))
    assert again.code == 0 and "nothing was built" in again.out
    assert {p: p.stat().st_mtime_ns for p in (where / "artifacts").glob("*/manifest.json")} == before
    assert all(e.hit for e in Run(where, method).latest())


def test_every_round_of_star_starts_from_the_base_weights(book):
    base = book(0, "pretrain").metrics["end_weights"]
    for n in (1, 2):
        tuned = book(n, "finetune")
        assert tuned.metrics["start_weights"] == base
        assert tuned.manifest.inputs["start"] == book(0, "pretrain").key
    assert book(1, "finetune").metrics["end_weights"] != book(2, "finetune").metrics["end_weights"]


def test_each_round_is_written_by_the_model_of_the_round_before(book):
    assert book(1, "generate").manifest.inputs["model"] == book(0, "pretrain").key
    assert book(2, "generate").manifest.inputs["model"] == book(1, "finetune").key
    assert book(2, "generate-dev").manifest.inputs["model"] == book(2, "finetune").key


def test_rationalization_asks_only_for_what_failed(book):
    for n in (1, 2):
        solved = {v.problem_id for v in book(n, "filter").read(Verdict) if v.correct}
        everything = {p.id for p in book(n, "problems").read(Problem)}
        hinted = list(book(n, "rationalize").read(Rationale))
        assert {r.problem_id for r in hinted} == everything - solved and all(r.hinted for r in hinted)
        assert not any(r.hinted for r in book(n, "generate").read(Rationale))


def test_a_hint_is_never_in_what_is_trained_on(book):
    for n in (1, 2):
        rows = list(book(n, "finetune").read(Example))
        assert {e.origin for e in rows} == {"own", "rationalized"}
        assert not any("Target: " in e.prompt for e in rows)
        assert not any("Target" in e.completion for e in rows)


def test_what_is_trained_on_is_what_was_right_in_this_round(book):
    for n in (1, 2):
        right = {
            (v.problem_id, v.sample)
            for name in ("filter", "filter-rationalized")
            for v in book(n, name).read(Verdict)
            if v.correct
        }
        rows = list(book(n, "finetune").read(Example))
        assert {(e.problem_id, e.sample) for e in rows} == right
        written = {
            (r.problem_id, r.hinted): r.text
            for name in ("rationalize", "generate")
            for r in book(n, name).read(Rationale)
        }
        assert all(e.completion == written[e.problem_id, e.origin == "rationalized"] for e in rows)


def test_problems_are_fresh_each_round(book):
    first, second = ({p.id for p in book(n, "problems").read(Problem)} for n in (1, 2))
    assert len(first) == len(second) == 200 and first != second


def test_training_problems_and_held_out_problems_share_nothing(book):
    dev = {p.question for p in book(0, "problems-dev").read(Problem)}
    for n in (1, 2):
        assert not dev & {p.question for p in book(n, "problems").read(Problem)}


def test_steps_follow_the_schedule(book):
    assert [book(n, "finetune").metrics["steps"] for n in (1, 2)] == [40, 48]


def test_every_sample_has_a_seed_and_a_prompt_of_its_own(book):
    rows = list(book(1, "generate").read(Rationale))
    assert len({r.seed for r in rows}) == len({r.prompt_key for r in rows}) == len(rows)


def test_without_rationalization_nothing_is_hinted(home):
    assert call(home, "run", *SMALL, "rounds=1", "method.rationalize=false", "name=plain").code == 0
    names = {e.name for e in Run(home, "plain").events()}
    assert not names & {"rationalize", "filter-rationalized"}
    assert {e.origin for e in Book(home, "plain")(1, "finetune").read(Example)} == {"own"}


def test_direct_learns_bare_answers_and_writes_no_rationales(where):
    book = Book(where, "direct")
    assert not {e.name for e in book.events} & {"generate", "filter", "rationalize"}
    problems = {p.id: p.answer for p in book(1, "problems").read(Problem)}
    rows = list(book(1, "answers").read(Example))
    assert {e.problem_id: e.completion for e in rows} == problems and {e.origin for e in rows} == {"gold"}


def test_samples_keep_their_seeds_when_more_are_asked_for(home):
    for samples in (1, 3):
        done = call(home, "run", *SMALL, "rounds=1", f"samples={samples}", "sampling.temperature=1", f"name=s{samples}")
        assert done.code == 0, done.err
    one, three = (list(Book(home, n)(1, "generate").read(Rationale)) for n in ("s1", "s3"))
    assert len(three) == 3 * len(one)
    assert [r for r in three if r.sample == 0] == one


def test_a_round_in_which_nothing_is_kept_is_a_sentence(home):
    done = call(home, "run", *SMALL, "model.skill=0", "method.rationalize=false", "name=none")
    assert done.code == 1
    assert "no rationale was kept in round 1" in done.err and "next: " in done.err and "Traceback" not in done.err
    assert "The grader said: 200 " in done.err, "the reasons are counted"
    command = re.search(r"star (show \w+ --wrong)", done.err)
    assert command and call(home, *command[1].split()).code == 0, "the command it names works"
    assert call(home, "show", "none", "--json").json["status"] == "failed"
