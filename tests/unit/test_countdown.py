"""The countdown task and its grader: problems that can be solved, expressions read safely, votes by normal form."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest

from star_cli.core.records import Problem, Rationale
from star_cli.graders.countdown import Countdown as Grader
from star_cli.lib.expressions import LONGEST, NotAnExpression, normal, numbers, value
from star_cli.tasks.countdown import Countdown, applied, steps_of


def rationale(text: str, problem: Problem) -> Rationale:
    return Rationale(
        problem_id=problem.id,
        sample=0,
        text=text,
        tokens=1,
        finish="stop",
        hinted=False,
        logprob=None,
        seed=0,
        prompt_key="",
    )


@pytest.mark.parametrize(
    "text, expected",
    [("1 + 2 * 3", 7), ("( 1 + 2 ) * 3", 9), ("8 - 5 - 2", 1), ("8 - ( 5 - 2 )", 5), ("7 / 2", Fraction(7, 2))],
)
def test_values_follow_the_rules_of_arithmetic(text: str, expected: Fraction) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "1 +", "-1", "2 ** 9", "1.5", "x", "1 // 2", "1 < 2", "(1, 2)", "1 / 0", "(" * 90, "1+" * LONGEST + "1"],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(NotAnExpression):
        value(text)


@pytest.mark.parametrize(
    "same",
    [["6 + 5 * 8", "( 8 * 5 ) + 6", "(5*8)+6"], ["9 - 4 - 2", "9 - ( 2 + 4 )", "( 9 - 2 ) - 4"]],
)
def test_one_expression_in_several_spellings_is_one_vote(same: list[str]) -> None:
    assert len({normal(s) for s in same}) == 1


def test_normal_forms_are_equal_only_where_values_are() -> None:
    """All expressions over 2, 3, 7 with two operations: an equal normal form means an equal value."""
    by_form: dict[str, Fraction] = {}
    forms = ["{} {} ( {} {} {} )", "( {} {} {} ) {} {}"]
    for a, b, c in itertools.permutations("237"):
        for p, q in itertools.product("+-*/", repeat=2):
            for text in (forms[0].format(a, p, b, q, c), forms[1].format(a, p, b, q, c)):
                try:
                    reached = value(text)
                except NotAnExpression:
                    continue
                assert by_form.setdefault(normal(text), reached) == reached, text
    assert len(by_form) > 50


def test_every_problem_can_be_solved_by_its_answer_and_belongs_to_one_split() -> None:
    task, grader = Countdown(train=300, dev=60, test=60, max_numbers=4), Grader()
    splits = {name: list(task.problems(name)) for name in task.splits}
    for p in itertools.chain(*splits.values()):
        gold = task.gold(p) or ""
        assert grader.gold_fault(p) is None and grader.grade(p, rationale(gold, p)).correct
        assert not task.wrong_lines(p, gold) and task.measures(p, gold) == {"forced": 0.0}
        assert value(p.answer) == p.meta["target"] and sorted(numbers(p.answer)) == p.meta["numbers"]
        assert all(0 <= c <= 99 and applied(a, op, b) == c for a, op, b, c in steps_of(p.answer))
    ids = [{p.id for p in problems} for problems in splits.values()]
    assert all(not a & b for a, b in itertools.combinations(ids, 2))
    assert [p.id for p in task.problems("dev")] == [p.id for p in splits["dev"]]


def test_wrong_steps_are_found_and_a_forced_target_is_counted() -> None:
    task = Countdown()
    p = Problem(
        id="3:5 6 8=34", question="", answer="( 8 * 5 ) - 6", meta={"numbers": [5, 6, 8], "target": 34, "count": 3}
    )
    forced = "8 * 5 = 41\n41 - 6 = 34\nAnswer: ( 8 * 5 ) - 6"
    assert task.wrong_lines(p, forced) == [0, 1] and task.measures(p, forced) == {"forced": 1.0}
    assert task.wrong_lines(p, "8 * 5 = 40\n8 + 6 = 14\nAnswer: 1") == [1]  # 8 is used up
    assert task.wrong_lines(p, "let me see\n8 * 5 = 40\nAnswer: 1") == [0]
    assert task.measures(p, "8 + 5 = 13\n13 + 6 = 19\nAnswer: 8 + 5 + 6") == {"forced": 0.0}


def test_random_expressions_are_judged_as_exact_arithmetic_does() -> None:
    rng, grader = random.Random(0), Grader()
    right = 0
    for _ in range(2000):
        given = [rng.randint(1, 9) for _ in range(3)]
        a, b, c = given
        p, q = rng.choice("+-*"), rng.choice("+-*")
        text = f"( {a} {p} {b} ) {q} {c}"
        target = rng.choice([applied(applied(a, p, b), q, c), rng.randint(1, 99)])
        problem = Problem(id="x", question="", answer=text, meta={"numbers": sorted(given), "target": target})
        verdict = grader.grade(problem, rationale(f"Answer: {text}", problem))
        assert verdict.correct == (applied(applied(a, p, b), q, c) == target)
        right += verdict.correct
    assert 500 < right < 1500
