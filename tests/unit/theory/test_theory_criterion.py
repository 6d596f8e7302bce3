"""The start criterion: what the signs promise is what long runs do."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import accuracy, rounds_to_reach, step
from star_cli.lib.theory.criterion import Kind, judge


@pytest.mark.parametrize(
    ("deltas", "kind"),
    [
        ([0.2, 0.2, 0.2], Kind.CONVERGES),
        ([1e-9, 1e-9, 1e-9, 1e-9], Kind.CONVERGES),
        ([1.0, 1.0], Kind.CONVERGES),
        ([0.0, 0.1, 0.1], Kind.RECOVERS_FROM_ZERO),
        ([0.0], Kind.RECOVERS_FROM_ZERO),
        ([0.0, 0.0, 0.3], Kind.STUCK),
        ([0.0, 0.0], Kind.STUCK),
        ([-0.01, 0.2, 0.2], Kind.RECOVERS_FROM_NEGATIVE),
        ([-0.01], Kind.RECOVERS_FROM_NEGATIVE),
        ([-0.01, -0.01, 0.2], Kind.DRIFTS),
        ([-0.01, 0.0, 0.2], Kind.DRIFTS),
        ([-0.01, -0.01, 0.0], Kind.DRIFTS),
        ([-0.015, 0.01, 0.2], Kind.DRIFTS),
        ([-1 / 63, 0.2, 0.2], Kind.DRIFTS),
        ([-1 / 63], Kind.NOTHING_KEPT),
        ([-0.01, -0.01, -0.01], Kind.UNDECIDED),
    ],
)
def test_the_kind_of_each_start(deltas: list[float], kind: Kind) -> None:
    verdict = judge(deltas, 64, limit=2000)
    assert verdict.kind is kind
    assert verdict.can_start == (kind in {Kind.CONVERGES, Kind.RECOVERS_FROM_ZERO, Kind.RECOVERS_FROM_NEGATIVE})
    assert verdict.words


def run(deltas: list[float], states: int, rounds: int) -> tuple[float, ...]:
    moved = tuple(deltas)
    for _ in range(rounds):
        moved = step(moved, states)
    return moved


def test_drifting_steps_sink_to_the_least_delta() -> None:
    moved = run([-0.01, -0.01, 0.2], 64, 2000)
    assert moved == pytest.approx([-1 / 63, -1 / 63, 1], abs=1e-6)
    assert accuracy(moved, 64) == pytest.approx(1 / 63, abs=1e-6)
    assert "the accuracy tends to 0.015873" in judge([-0.01, -0.01, 0.2], 64).words


def test_a_zero_beside_a_negative_sinks_with_it_in_words_and_in_fact() -> None:
    words = judge([-0.01, 0.0, 0.2], 64).words
    assert words.startswith("steps 1, 2 are below chance or fall there")
    assert words.endswith("the accuracy tends to 0.015873")
    assert run([-0.01, 0.0, 0.2], 64, 3000) == pytest.approx([-1 / 63, -1 / 63, 1], abs=1e-6)


def test_with_two_states_wrong_steps_can_cancel_and_look_perfect() -> None:
    moved = run([-0.2, -0.2, 0.2], 2, 50)
    assert moved == pytest.approx([-1, -1, 1])
    assert accuracy(moved, 2) == pytest.approx(1)
    verdict = judge([-0.2, -0.2, 0.2], 2)
    assert not verdict.can_start
    assert "the accuracy tends to 1" in verdict.words


@pytest.mark.parametrize("deltas", [[-0.5, 0.5], [-0.5, -0.5, -0.75], [-0.5, 0.5, 0.75]])
def test_a_race_that_ends_in_a_tie_is_not_decided_by_rounding(deltas: list[float]) -> None:
    verdict = judge(deltas, 2)
    assert verdict.kind is Kind.UNDECIDED
    assert "are so close to chance that rounding would decide" in verdict.words


def test_a_slow_race_is_undecided_until_the_limit_is_raised() -> None:
    assert judge([-0.012, 0.003, 0.004], 64, limit=0).kind is Kind.UNDECIDED
    assert "after 0 rounds; raise limit" in judge([-0.012, 0.003, 0.004], 64, limit=0).words
    assert judge([-0.012, 0.003, 0.004], 64).kind is Kind.DRIFTS


SIGNED = st.integers(2, 5).flatmap(
    lambda states: st.tuples(
        st.just(states),
        st.lists(
            st.one_of(st.floats(0.1, 1.0), st.just(0.0), st.floats(0.1, 0.9).map(lambda x: -x / (states - 1))),
            min_size=1,
            max_size=3,
        ),
    )
)


@settings(max_examples=150, deadline=None)
@given(SIGNED)
def test_the_verdict_agrees_with_a_long_run(start: tuple[int, list[float]]) -> None:
    states, deltas = start
    verdict = judge(deltas, states, limit=3000)
    if verdict.kind is Kind.STUCK:
        assert run(deltas, states, 50) == tuple(deltas)
    elif verdict.can_start:
        moved = tuple(deltas)
        for _ in range(3000):
            moved = step(moved, states)
            if min(moved) > 0.999:
                return
        reject()  # too close to a resting place to finish here
    elif verdict.kind is Kind.DRIFTS:
        moved = np.array(run(deltas, states, 3000))
        assert (moved < 0).sum() % 2 == 0
        assert (moved < 0).any()


@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=3), st.integers(2, 64))
@settings(deadline=None)
def test_all_positive_always_arrives(deltas: list[float], states: int) -> None:
    assert judge(deltas, states).kind is Kind.CONVERGES
    assert rounds_to_reach(deltas, states, 0.999) is not None


def test_the_generator_convention_keeps_the_verdict() -> None:
    assert judge([-0.0157, 0.2], 64).kind is judge([-0.0154, 0.2], 64, convention="generator").kind


def test_out_of_range_values_are_refused() -> None:
    with pytest.raises(StarError, match=r"deltas\[0\]"):
        judge([-0.5, 0.2], 64)
    with pytest.raises(StarError, match="limit must be a whole number >= 0, got -1"):
        judge([0.2], 64, limit=-1)
