"""B-STaR's balance score and reward, by hand."""

from __future__ import annotations

import math
import random

import pytest

from star_cli.methods.b_star.stages import Answer, balance_of, fewest_a_query, rewarded, right_answers


def answers(*rows):
    return [Answer(text, right, reward) for text, right, reward in rows]


MIXED = answers(("a", True, 1.0), ("a", True, 1.0), ("b", True, 1.0), ("x", False, 0.0))


@pytest.mark.parametrize(
    ("threshold", "n_star", "score"),
    [
        (0.0, 6, (2 / 6) * (2 / 3)),  # three right ones are selected, two of them differ
        (0.0, 2, 1.0 * (2 / 3)),
        (0.0, 1, 1.0 * (2 / 3)),  # more than enough is enough
        (-0.1, 2, 1.0 * (2 / 4)),  # below 0 the wrong one is selected, too
        (0.9, 4, (2 / 4) * (2 / 3)),
        (1.0, 6, None),
    ],
)  # nothing is above 1
def test_the_balance_score_of_one_query(threshold, n_star, score):
    assert balance_of(MIXED, threshold, n_star) == (None if score is None else pytest.approx(score))


def test_only_wrong_answers_selected_is_zero_and_none_at_all_is_none():
    assert balance_of(answers(("x", False, 0.5)), 0.0, 6) == 0.0
    assert balance_of(answers(("x", False, 0.0)), 0.0, 6) is None
    assert balance_of([], -1.0, 6) is None


def test_equal_answers_count_once_in_the_published_code():
    assert balance_of(MIXED, 0.0, 6, distinct_first=True) == pytest.approx(2 / 6)
    assert balance_of(MIXED, -1.0, 6, distinct_first=True) == pytest.approx((2 / 6) * (2 / 3))


@pytest.mark.parametrize(
    ("correct", "score", "weight", "reward"),
    [
        (True, None, 1.0, 1.0),
        (False, None, 1.0, 0.0),
        (True, 0.0, 1.0, 1.0),
        (False, 1.0, 1.0, 2 / (1 + math.exp(-1)) - 1),
        (True, -1.0, 1.0, 2 / (1 + math.exp(1))),
        (False, 1e4, 1.0, 1.0),
        (True, -1e4, 1.0, 0.0),
        (True, 1e4, 0.2, 1.2),
    ],
)
def test_the_reward_is_correctness_and_what_the_verifier_says(correct, score, weight, reward):
    assert rewarded(correct, score, weight) == pytest.approx(reward)


def test_a_verifier_lets_the_threshold_choose_among_right_answers():
    rows = answers(("a", True, 1.8), ("b", True, 0.4), ("x", False, 0.6))
    assert balance_of(rows, 0.5, 1) == pytest.approx(1 / 2)
    assert balance_of(rows, 0.7, 1) == 1.0


def test_the_cap_is_the_fewest_a_query_that_reach_what_is_wanted():
    """Against the published loop, which raises the cap by one until enough is selected (at most 64)."""
    draw = random.Random(3)
    for _ in range(300):
        sizes = [draw.choice((0, 1, 2, 5, 9, 30)) for _ in range(draw.randint(1, 12))]
        wanted = draw.randint(1, sum(sizes) + 5)
        cap = 1
        while sum(min(n, cap) for n in sizes) < wanted and cap < 64:
            cap += 1
        assert [min(n, fewest_a_query(sizes, wanted)) for n in sizes] == [min(n, cap) for n in sizes]
    assert fewest_a_query([3, 8], 0) == 8 and fewest_a_query([], 5) == 0


def test_a_capped_query_counts_its_best_answers():
    rows = answers(("a", True, 0.2), ("b", True, 1.0), ("c", False, 0.9), ("d", False, 0.1))
    assert balance_of(rows, 0.0, 2) == pytest.approx(1.0 * 2 / 4)
    assert balance_of(rows, 0.0, 2, cap=1) == pytest.approx(0.5 * 1 / 1)  # b alone
    assert balance_of(rows, 0.0, 2, cap=2) == pytest.approx(0.5 * 1 / 2)  # b and c


def test_different_right_answers_are_counted_of_solved_queries_alone() -> None:
    right, again, other, wrong = (Answer(t, c, 1.0) for t, c in (("a", True), ("a", True), ("b", True), ("c", False)))
    assert right_answers([[right, again, other, wrong], [right], [wrong], []]) == 1.5
    assert right_answers([[wrong]]) == 0
