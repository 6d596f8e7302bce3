"""A run measured on other tasks: same models, the other task's problems and grader, and nothing of it is trained on."""

from __future__ import annotations

import pytest
from conftest import SMALL, call

from star_cli.core.records import Problem
from star_cli.testing import Book

TASKS = "evaluation.tasks=[countdown,{addition:{min_digits:4,max_digits:4,shot_digits:4}},addition]"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("transfer")
    for name, more in {"each": [], "end": ["evaluation.tasks_at=end"], "plain": []}.items():
        tasks = [] if name == "plain" else [TASKS]
        done = call(place, "run", *SMALL, "evaluation.limit=15", *tasks, *more, f"name={name}")
        assert done.code == 0, done.err
    return place


def test_every_rounds_model_answers_the_other_tasks(home):
    book = Book(home, "each")
    for round in (0, 1, 2):
        model = book(round, "generate-dev").manifest.inputs["model"]
        for label in ("countdown", "addition", "addition.2"):
            assert book(round, f"generate-{label}").manifest.inputs["model"] == model
    assert book(1, "transfer-countdown").tag["grader"]["_"].startswith("grader/countdown/")
    assert {p.meta["digits"] for p in book(0, "problems-addition").read(Problem)} == {4}


def test_what_is_trained_is_what_is_trained_without_them(home):
    each, plain = Book(home, "each"), Book(home, "plain")
    for round in (1, 2):
        assert each(round, "finetune").key == plain(round, "finetune").key
        assert each(round, "evaluate").key == plain(round, "evaluate").key


def test_at_the_end_only_base_and_last_are_measured(home):
    book = Book(home, "end")
    assert [e.round for e in book.events if e.name == "transfer-countdown"] == [0, 2]


def test_it_is_shown_and_compared(home):
    rows = call(home, "show", "each", "--json").json["rounds"]
    assert set(rows[1]["transfer"]) == {"countdown", "addition", "addition.2"}
    assert rows[2]["transfer"]["addition"] > rows[0]["transfer"]["addition"], (
        "the fake model's skill is one for all sums"
    )
    assert "transfer" not in call(home, "show", "plain", "--json").json["rounds"][0]
    shown = call(home, "show", "each")
    assert shown.code == 0 and "on" in shown.out and "countdown" in shown.out
    compared = call(home, "compare", "each", "--metric", "transfer-addition", "--json").json
    assert compared["problems"] == 15 and compared["groups"][0]["last"]["value"] == rows[2]["transfer"]["addition"]
    none = call(home, "compare", "plain", "--metric", "transfer-addition")
    assert none.code == 1 and "has measured transfer-addition" in none.err


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("evaluation.tasks=[cuontdown]", "cuontdown"),
        ("evaluation.tasks=[{addition:{digits:4}}]", "sets 'digits' of task=addition, which has no such setting"),
        ("evaluation.tasks=[3]", "holds 3, which is no task"),
        ("evaluation.tasks_at=never", "evaluation.tasks_at must be round or end"),
    ],
)
def test_what_is_no_task_is_a_sentence(tmp_path, setting, sentence):
    done = call(tmp_path, "run", *SMALL, setting)
    assert done.code == 1 and sentence in done.err and "Traceback" not in done.err, done.err
