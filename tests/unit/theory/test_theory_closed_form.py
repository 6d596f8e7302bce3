"""The closed form: printed vectors, general laws, valid ranges."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import (
    Convention,
    Prediction,
    accuracy,
    rounds_to_reach,
    step,
    to_generator,
    to_theory,
    trajectory,
)

STATES = st.sampled_from([2, 3, 4, 7, 64, 1000])
POSITIVE = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6)

ACCURACY = {
    ("theory", 0.2): [".023500", ".130984", ".869432", ".999777", "1.000000"],
    ("theory", 0.1): [".016609", ".019795", ".059928", ".627151", ".997067", "1.000000"],
    ("generator", 0.2): [".023881", ".138797", ".880586", ".999817", "1.000000"],
    ("generator", 0.1): [".016657", ".020123", ".065578", ".664991", ".997825", "1.000000"],
}
DELTA = {
    ("theory", 0.2): [".200000", ".489362", ".953673", ".999925", "1.000000"],
    ("theory", 0.1): [".100000", ".161806", ".355705", ".853267", ".999006", "1.000000"],
}
WRONG = {
    ("theory", 0.2): [".5917", ".0608", ".00011", ".000000"],
    ("theory", 0.1): [".9107", ".7297", ".1834", ".00143", ".000000"],
    ("generator", 0.2): [".5802", ".0556", ".000091"],
    ("generator", 0.1): [".9072", ".7151", ".1628", ".0011"],
}
UNEQUAL = {
    (0.3, 0.1, 0.05): {
        1: [".36364", ".19004", ".15806"],
        2: [".63437", ".54779", ".53573"],
        3: [".9797", ".97655", ".9762"],
    },
    (0.0, 0.1, 0.1): {
        1: [".01", ".1", ".1"],
        2: [".02604", ".10653", ".10653"],
        3: [".05469", ".12529", ".12529"],
        4: [".11726", ".17585", ".17585"],
        5: [".30365", ".34295", ".34295"],
        8: ["1.000000", "1.000000", "1.000000"],
    },
}


def assert_prints_as(value: float, printed: str) -> None:
    decimals = len(printed.split(".")[1])
    assert f"{value:.{decimals}f}".lstrip("0") == printed or abs(value - float(printed)) <= 0.5 * 10**-decimals + 1e-12


def rows(prediction: Prediction) -> np.ndarray:
    return np.array(prediction.delta)


@pytest.mark.parametrize("start", ACCURACY)
def test_the_accuracy_follows_the_printed_vectors(start: tuple[str, float]) -> None:
    convention, delta = start
    prediction = trajectory([delta] * 3, 64, 6, convention=convention)
    for value, printed in zip(prediction.accuracy, ACCURACY[start], strict=False):
        assert_prints_as(value, printed)


@pytest.mark.parametrize("start", DELTA)
def test_the_delta_follows_the_printed_vectors(start: tuple[str, float]) -> None:
    prediction = trajectory([start[1]] * 3, 64, 6, convention=start[0])
    for row, printed in zip(prediction.delta, DELTA[start], strict=False):
        for value in row:
            assert_prints_as(value, printed)


@pytest.mark.parametrize("start", WRONG)
def test_wrong_but_kept_follows_the_printed_vectors(start: tuple[str, float]) -> None:
    prediction = trajectory([start[1]] * 3, 64, 6, convention=start[0])
    for value, printed in zip(prediction.wrong_given_kept, WRONG[start], strict=False):
        assert_prints_as(value, printed)


@pytest.mark.parametrize("start", UNEQUAL)
def test_unequal_deltas_follow_the_printed_vectors(start: tuple[float, ...]) -> None:
    prediction = trajectory(start, 64, 8)
    for after, printed in UNEQUAL[start].items():
        for value, digits in zip(prediction.delta[after], printed, strict=True):
            assert_prints_as(value, digits)


def test_a_chain_with_a_zero_starts_at_pure_chance() -> None:
    assert accuracy([0, 0.1, 0.1], 64) == 0.015625


@pytest.mark.parametrize("states", [2, 3, 8, 64])
@pytest.mark.parametrize("delta", [0.0, 0.05, 0.3, 0.9, 1.0])
def test_three_equal_steps_give_the_published_polynomials(delta: float, states: int) -> None:
    m = states
    a, b = (1 + (m - 1) * delta) / m, (1 - delta) / m
    assert accuracy([delta] * 3, m) == pytest.approx(
        a**3 + 3 * (m - 1) * a * b**2 + (m - 1) * (m - 2) * b**3, abs=1e-14
    )
    expected = ((m - 2) * delta**3 + delta**2 + delta) / ((m - 1) * delta**3 + 1)
    assert step([delta] * 3, m) == pytest.approx([expected] * 3, abs=1e-14)


def test_a_single_step_is_perfect_after_one_round() -> None:
    assert step([0.1], 64) == (1.0,)
    assert step([-0.01], 64) == (1.0,)


def test_two_equal_steps_double_a_small_delta() -> None:
    assert step([1e-9, 1e-9], 64) == pytest.approx([2e-9, 2e-9], rel=1e-6)


@given(deltas=POSITIVE, states=STATES)
def test_a_round_moves_each_step_by_the_stated_improvement_and_error(deltas: list[float], states: int) -> None:
    prediction = trajectory(deltas, states, 1)
    new = np.array(step(deltas, states))
    assert new - np.array(deltas) == pytest.approx(np.array(prediction.improvement[0]), abs=1e-13)
    assert 1 - new == pytest.approx(np.array(prediction.error[1]), abs=1e-13)
    assert prediction.delta[1] == tuple(new)


@given(deltas=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6), states=STATES)
def test_no_step_gets_worse_when_no_delta_is_negative(deltas: list[float], states: int) -> None:
    moved = rows(trajectory(deltas, states, 5))
    assert (np.diff(moved, axis=0) >= -1e-15).all()
    assert all(gain >= 0 for row in trajectory(deltas, states, 5).improvement for gain in row)


@given(deltas=POSITIVE, states=STATES)
def test_accuracy_never_falls_and_wrong_but_kept_never_rises(deltas: list[float], states: int) -> None:
    prediction = trajectory(deltas, states, 6)
    assert (np.diff(prediction.accuracy) >= -1e-14).all()
    assert (np.diff(prediction.wrong_given_kept) <= 1e-14).all()
    joint = np.array(prediction.wrong_given_kept) * np.array(prediction.accuracy)
    assert (np.diff(joint) <= 1e-14).all()


@given(
    deltas=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6),
    states=STATES,
    where=st.integers(0, 5),
    lift=st.floats(0.0, 1.0),
)
def test_raising_one_delta_leaves_fewer_wrong_steps_among_the_kept(
    deltas: list[float], states: int, where: int, lift: float
) -> None:
    better = list(deltas)
    better[where % len(deltas)] += lift * (1 - better[where % len(deltas)])
    before, after = (trajectory(d, states, 0) for d in (deltas, better))
    assert after.wrong_given_kept[0] <= before.wrong_given_kept[0] + 1e-14
    assert after.accuracy[0] >= before.accuracy[0] - 1e-14


@given(deltas=st.lists(st.floats(-0.9, 0.99), min_size=1, max_size=5), states=STATES)
def test_a_round_adds_the_log_odds_of_the_rest_of_the_chain(deltas: list[float], states: int) -> None:
    def odds(delta: float) -> float:
        return (1 - delta) / (1 + (states - 1) * delta)  # one wrong state against the right one

    scaled = [delta / (states - 1) if delta < 0 else delta for delta in deltas]
    for n, new in enumerate(step(scaled, states)):
        rest = float(np.prod([*scaled[:n], *scaled[n + 1 :]]))
        if rest < 0.99:
            assert odds(new) == pytest.approx(odds(scaled[n]) * odds(rest), rel=1e-9, abs=1e-12)


@given(first=st.floats(-0.9, 1.0), second=st.floats(0.01, 1.0), states=STATES)
def test_two_steps_are_equal_after_one_round(first: float, second: float, states: int) -> None:
    one, two = step([first / (states - 1) if first < 0 else first, second], states)
    assert one == pytest.approx(two, abs=1e-14)


@given(steps=st.integers(2, 6), states=STATES, exponent=st.integers(14, 30))
def test_convergence_near_one_is_quadratic(steps: int, states: int, exponent: int) -> None:
    start = 2.0**-exponent
    error = trajectory([1 - start] * steps, states, 2).error
    for before, after in pairwise(error):
        assert after[0] / before[0] ** 2 == pytest.approx((steps - 1) / states, rel=1e-2)


@given(
    tail=st.lists(st.floats(0.05, 1.0), min_size=1, max_size=4),
    states=st.sampled_from([2, 3, 64]),
    where=st.integers(0),
)
def test_one_zero_becomes_the_product_of_the_others_which_wait(tail: list[float], states: int, where: int) -> None:
    place = where % (len(tail) + 1)
    deltas = [*tail[:place], 0.0, *tail[place:]]
    after = step(deltas, states)
    assert after[place] == pytest.approx(float(np.prod(tail)), rel=1e-12)
    assert [*after[:place], *after[place + 1 :]] == pytest.approx(tail, abs=1e-15)


@settings(max_examples=30)
@given(tail=st.lists(st.floats(0.2, 1.0), min_size=1, max_size=3), states=STATES)
def test_one_zero_recovers(tail: list[float], states: int) -> None:
    reached = rounds_to_reach([0.0, *tail], states, 0.999)
    assert reached is not None
    assert reached >= 1


@given(tail=st.lists(st.floats(0.0, 1.0), max_size=4), states=STATES)
def test_two_zeros_never_move(tail: list[float], states: int) -> None:
    start = (0.0, 0.0, *tail)
    assert trajectory(start, states, 5).delta[5] == start
    assert rounds_to_reach(start, states, 0.999) is None


def test_small_starts_of_long_chains_take_off_after_the_predicted_time() -> None:
    for steps, delta in [(3, 0.001), (4, 0.02), (5, 0.05)]:
        reached = rounds_to_reach([delta] * steps, 2, 0.99)
        assert reached is not None
        assert 0.9 < reached * (steps - 2) * delta ** (steps - 2) < 1.1
        sooner = rounds_to_reach([delta] * steps, 64, 0.99)
        assert sooner is not None
        assert sooner < reached


def test_rounds_to_reach_counts_the_rounds_of_the_trajectory() -> None:
    assert rounds_to_reach([0.2] * 3, 64, 0.0235) == 0
    assert rounds_to_reach([0.2] * 3, 64, 0.5) == 2
    assert rounds_to_reach([0.2] * 3, 64, 0.5, convention="generator") == 2
    assert rounds_to_reach([0.1] * 3, 64, 0.99) == 4
    with pytest.raises(StarError, match=r"limit=10 rounds"):
        rounds_to_reach([0.001] * 3, 64, 0.99, limit=10)
    with pytest.raises(StarError, match=r"target must be an accuracy in \(0, 1\], got 1.5"):
        rounds_to_reach([0.1] * 3, 64, 1.5)


@given(states=STATES, share=st.floats(0.0, 1.0))
def test_conventions_round_trip(states: int, share: float) -> None:
    theory = -1 / (states - 1) + share * states / (states - 1)
    generator = to_generator(theory, states)
    assert to_theory(generator, states) == pytest.approx(theory, abs=1e-14)
    right, wrong = 1 / states + generator, 1 / states - generator / (states - 1)
    assert right == pytest.approx((1 + (states - 1) * theory) / states, abs=1e-14)
    assert wrong == pytest.approx((1 - theory) / states, abs=1e-14)


def test_the_conventions_differ_by_one_part_in_m() -> None:
    assert_prints_as(to_theory(0.2, 64), ".203175")
    assert_prints_as(to_theory(0.1, 64), ".101587")
    assert to_theory(0.25, 2) == 0.5
    assert trajectory([0.2], 64, 0, convention=Convention.GENERATOR).delta[0] == (to_theory(0.2, 64),)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: accuracy([0.1, 1.2], 64), r"deltas\[1\] must be in \[-0.015873, 1\] for states=64 .* got 1.2"),
        (lambda: accuracy([-0.5], 64), r"deltas\[0\] must be in .* got -0.5"),
        (lambda: accuracy([float("nan")], 64), "got nan"),
        (lambda: to_theory(0.99, 64), r"in \[-0.015625, 0.984375\] .* generator convention, got 0.99"),
        (lambda: accuracy([], 64), "one number per step, got none"),
        (lambda: accuracy([0.1], 1), "states must be a whole number >= 2, got 1"),
        (lambda: accuracy([0.1], True), "states must be a whole number >= 2, got True"),
        (lambda: trajectory([0.1], 64, -1), "rounds must be a whole number >= 0, got -1"),
        (lambda: trajectory([0.1], 64, 1, convention="paper"), "one of theory, generator, got 'paper'"),
        (lambda: step([-1 / 63], 64), "nothing is kept to train on"),
        (lambda: trajectory([1, -1], 2, 0), "nothing is kept to look at"),
    ],
)
def test_values_out_of_range_are_named_with_a_next_step(call, words: str) -> None:
    with pytest.raises(StarError, match=words) as caught:
        call()
    assert caught.value.hint


def test_rounding_at_the_ends_of_the_range_is_forgiven() -> None:
    assert trajectory([1 + 1e-15, 0.5, -1 / 63 - 1e-16], 64, 0).delta[0] == (1.0, 0.5, -1 / 63)


def exact_round(delta: list[Fraction], states: int) -> tuple[list[Fraction], Fraction, Fraction]:
    """(deltas after a round, J, P(some step wrong | kept)) in fractions, by counting every history of a chain.

    A history is, step by step, whether the step was right and whether the chain then stands on the true path.
    """
    kept, wrong, right = Fraction(0), Fraction(0), [Fraction(0)] * len(delta)
    for history in product((True, False), (True, False), repeat=len(delta)):
        mass, on = Fraction(1), True
        for n, d in enumerate(delta):
            good, then = history[2 * n : 2 * n + 2]
            alpha, beta = (1 + (states - 1) * d) / states, (1 - d) / states
            mass *= {
                (True, True, True): alpha,
                (True, False, False): (states - 1) * beta,
                (False, True, False): alpha,
                (False, False, True): beta,
                (False, False, False): 1 - alpha - beta,
            }.get((on, good, then), Fraction(0))
            on = then
        if on and mass:
            kept += mass
            wrong += mass * (not all(history[::2]))
            right = [r + mass * history[2 * n] for n, r in enumerate(right)]
    return [(states * r / kept - 1) / (states - 1) for r in right], kept, wrong / kept


@pytest.mark.parametrize(
    "start",
    [
        ("theory", (0.2,) * 3),
        ("theory", (0.1,) * 3),
        ("generator", (0.2,) * 3),
        ("generator", (0.1,) * 3),
        ("theory", (0.3, 0.1, 0.05)),
        ("theory", (0.0, 0.1, 0.1)),
        ("theory", (-0.01, 0.2, 0.2)),
        ("theory", (0.3, 0.25)),
        ("theory", (0.5, 0.4, 0.3, 0.2)),
    ],
)
def test_every_printed_start_follows_exact_fractions_to_1e_12(start: tuple[str, tuple[float, ...]]) -> None:
    convention, values = start
    told = trajectory(values, 64, 5, convention=convention)
    delta = [Fraction(str(v)) * (Fraction(64, 63) if convention == "generator" else 1) for v in values]
    for r in range(6):
        assert told.delta[r] == pytest.approx([float(d) for d in delta], abs=1e-12)
        after, kept, wrong = exact_round(delta, 64)
        assert told.accuracy[r] == pytest.approx(float(kept), abs=1e-12)
        assert told.wrong_given_kept[r] == pytest.approx(float(wrong), abs=1e-12)
        delta = after
