"""The task addition: STaR's scratchpad to the letter, splits that share nothing, hints, and steps checked one by
one.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_cli.errors import StarError
from star_cli.tasks.addition import Addition, operands, problem_of, scratchpad

PAPER = """Input:
6 2 4 + 2 5 9
Target:
<scratch>
6 2 4 + 2 5 9 , C: 0
2 + 5 , 3 C: 1
6 + 2 , 8 3 C: 0
, 8 8 3 C: 0
0 8 8 3
</scratch>
8 8 3"""


def test_the_example_of_the_paper_comes_out_to_the_letter():
    task, problem = Addition(), problem_of(624, 259, 3)
    assert task.prompt(problem).text + task.gold(problem) == PAPER


def test_a_hint_shows_the_bare_answer_and_is_never_in_a_training_prompt():
    task, problem = Addition(), problem_of(624, 259, 3)
    assert task.prompt(problem, hint=True).text == "Input:\n6 2 4 + 2 5 9\nTarget: 8 8 3\n"
    assert task.training_prompt(problem) == task.prompt(problem).text == "Input:\n6 2 4 + 2 5 9\nTarget:\n"


@given(st.integers(0, 10**12 - 1), st.integers(0, 10**12 - 1))
def test_the_last_line_of_every_scratchpad_is_the_sum(a, b):
    lines = scratchpad(a, b)
    assert int(lines[-1].replace(" ", "")) == a + b
    assert len(lines) == max(len(str(a)), len(str(b))) + 2


@pytest.mark.parametrize("seed", [0, 1])
def test_splits_are_disjoint_even_across_seeds(seed):
    told = {
        s: {p.id for p in Addition(max_digits=5, train=300, dev=80, test=80, seed=seed).problems(s)}
        for s in ("train", "dev", "test")
    }
    other = {p.id for p in Addition(max_digits=5, train=300, seed=seed + 7).problems("train")}
    assert all(told.values())
    assert not told["train"] & told["dev"] and not told["train"] & told["test"] and not told["dev"] & told["test"]
    assert not other & (told["dev"] | told["test"])


def test_lessons_come_from_the_train_part_only():
    task = Addition()
    held_out = {p.question for s in ("dev", "test") for p in Addition(dev=10**6, test=10**6, max_digits=1).problems(s)}
    questions = {e.prompt.splitlines()[1] for e in task.lesson_examples({"1": 400}, seed=0)}
    assert questions and not questions & held_out


def test_problems_are_the_same_each_time_and_others_for_another_seed():
    assert list(Addition().problems("dev")) == list(Addition().problems("dev"))
    assert list(Addition().problems("dev")) != list(Addition(seed=1).problems("dev"))
    ids = [p.id for p in Addition().problems("train")]
    assert len(ids) == len(set(ids))


def test_digit_counts_are_what_was_asked_for():
    for p in Addition(min_digits=2, max_digits=4, dev=20).problems("dev"):
        assert all(len(str(n)) == p.meta["digits"] for n in operands(p))
        assert Addition().groups(p) == {"digits": str(p.meta["digits"])}


def test_wrong_steps_counts_lines_that_differ_are_missing_or_too_many():
    task, problem = Addition(), problem_of(624, 259, 3)
    gold = task.gold(problem)
    assert task.wrong_steps(problem, gold) == 0
    assert task.wrong_steps(problem, gold.replace(", 3 C: 1", ", 3 C: 0")) == 1
    assert task.wrong_steps(problem, gold.replace("0 8 8 3\n", "")) == 1
    assert task.wrong_steps(problem, gold.replace("0 8 8 3\n", "0 8 8 3\n1\n")) == 1
    assert task.wrong_steps(problem, "8 8 3") == 5


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"min_digits": 3, "max_digits": 2}, "got 3..2"), ({"train": 0}, "task.train must be >= 1, got 0")],
)
def test_settings_without_sense_are_refused(settings, told):
    with pytest.raises(StarError, match=told):
        Addition(**settings).check()


def test_an_unknown_split_lists_the_splits():
    with pytest.raises(StarError, match="unknown split 'tset', expected one of train, dev, test"):
        list(Addition().problems("tset"))
