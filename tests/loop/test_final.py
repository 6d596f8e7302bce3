"""How a run ends: the round that is best on dev is measured on test, once; a plateau ends the rounds."""

from __future__ import annotations

import pytest
from conftest import SMALL, call

from star_cli.core.records import Problem
from star_cli.testing import Book


def accuracies(book: Book, name: str = "evaluate") -> dict[int, float]:
    return {e.round: e.metrics["accuracy"] for e in book.events if e.name == name}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("final")
    done = call(place, "run", *SMALL, "rounds=6", "evaluation.final=test", "name=whole")
    assert done.code == 0, done.err
    return place, done.out + done.err


def test_the_best_round_on_dev_is_measured_on_test_and_no_other(home):
    book = Book(home[0], "whole")
    dev, test = accuracies(book), accuracies(book, "evaluate-test")
    best = min(n for n, value in dev.items() if value == max(dev.values()))
    assert list(test) == [best] and len(dev) == 7
    answers = book(best, "generate-test")
    assert answers.manifest.inputs["model"] == book(best, "generate-dev").manifest.inputs["model"]
    asked = {p.id for p in book(0, "problems-test").read(Problem)}
    assert asked and not asked & {p.id for p in book(0, "problems-dev").read(Problem)}
    assert f"by round {best}, the best on dev" in home[1]


def test_nothing_of_test_is_touched_unless_it_is_asked_for(tmp_path):
    assert call(tmp_path, "run", *SMALL, "rounds=1", "name=plain").code == 0
    assert not [e.name for e in Book(tmp_path, "plain").events if "test" in e.name]


def test_a_plan_ends_where_the_best_round_is_not_known(tmp_path):
    done = call(tmp_path, "plan", *SMALL, "rounds=2", "evaluation.final=test")
    assert done.code == 0 and "known only once all are measured on dev" in done.out + done.err


def test_what_is_chosen_on_is_not_what_is_reported(tmp_path):
    done = call(tmp_path, "run", *SMALL, "evaluation.final=dev")
    assert done.code == 1 and "evaluation.final=dev is the split that rounds are chosen on" in done.err
    assert call(tmp_path, "run", *SMALL, "evaluation.final=tset").code == 1


@pytest.mark.parametrize("patience", [1, 2])
def test_a_plateau_ends_the_rounds(home, patience):
    place, _ = home
    whole = accuracies(Book(place, "whole"))
    last = 6
    for n in range(1, 7):  # the rule as it is written down: the last ``patience`` rounds no better than the best before
        if n >= patience and n < 6:
            before = [whole[r] for r in range(0, n - patience + 1)]
            if before and all(whole[r] <= max(before) for r in range(n - patience + 1, n + 1)):
                last = n
                break
    done = call(place, "run", *SMALL, "rounds=6", f"schedule.patience={patience}", f"name=p{patience}")
    assert done.code == 0, done.err
    assert sorted(accuracies(Book(place, f"p{patience}"))) == list(range(last + 1))
    assert last < 6 and "schedule.patience" in done.out + done.err


@pytest.mark.parametrize("method", ["vstar", "star_sql"])
def test_a_verifier_is_trained_after_the_round_that_was_the_last(tmp_path, method):
    args = [*SMALL, "verifier=fake", "rounds=6", "samples=4", "schedule.patience=1", "name=v"]
    done = call(tmp_path, "run", *args, f"method={method}", *(["method.gold=true"] if method == "vstar" else []))
    assert done.code == 0, done.err
    book = Book(tmp_path, "v")
    last = max(accuracies(book))
    assert {e.round for e in book.events if e.name in ("collect", "candidates", "select")} == {last}
