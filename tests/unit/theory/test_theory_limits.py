"""Limits and rates against long iteration: the recursion itself says where it ends and how fast."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import accuracy, step, trajectory
from star_cli.lib.theory.limits import limit_of, rounds_to

SEED = 20


def starts(states: int, steps: int, count: int) -> list[tuple[float, ...]]:
    """Random starts with any number of steps below chance, a third of them with one step at chance."""
    rng = np.random.default_rng([SEED, states, steps])
    low = -1 / (states - 1)
    drawn = []
    for n in range(count):
        below = rng.random(steps) < 0.4
        values = np.where(below, low * rng.uniform(0.1, 0.9, steps), rng.uniform(0.1, 0.9, steps))
        if n % 3 == 0:
            values[rng.integers(steps)] = 0.0
        drawn.append(tuple(values.tolist()))
    return drawn


@pytest.mark.parametrize(("states", "steps"), list(itertools.product([2, 3, 8], [1, 2, 3, 4, 5])))
def test_long_iteration_ends_at_the_limit_with_its_rate(states: int, steps: int) -> None:
    seen = 0
    for start in starts(states, steps, 6):
        try:
            limit = limit_of(start, states)
        except StarError:
            continue
        delta, gaps = start, []
        for _ in range(1500):
            delta = step(delta, states)
            gaps.append(limit.accuracy - accuracy(delta, states))
        seen += 1
        assert accuracy(delta, states) == pytest.approx(limit.accuracy, abs=1e-9)
        assert delta == pytest.approx(limit.delta, abs=1e-6 if limit.factor else 1e-9)
        far = [n for n, gap in enumerate(gaps[:-1]) if 1e-10 < gap < 1e-6 and gaps[n + 1] > 1e-12]
        if limit.factor and far:
            assert gaps[far[-1] + 1] / gaps[far[-1]] == pytest.approx(limit.factor, abs=2e-3)
    assert seen >= 2


@pytest.mark.parametrize(("states", "steps"), [(64, 3), (64, 2), (16, 4), (2, 3), (5, 6)])
def test_from_equal_deltas_the_error_is_squared_with_the_constant(states: int, steps: int) -> None:
    limit = limit_of([0.3] * steps, states)
    assert limit.factor == 0 and limit.accuracy == 1 and limit.constant is not None
    errors = [
        (states - 1) / states * -np.expm1(steps * np.log1p(-row[0]))
        for row in trajectory([0.3] * steps, states, 60).error
    ]
    last = max(n for n, e in enumerate(errors) if e > 1e-140)
    assert errors[last - 1] < 1e-20
    assert errors[last] / errors[last - 1] ** 2 == pytest.approx(limit.constant, rel=1e-6)


def test_unequal_steps_are_levelled_to_the_same_constant() -> None:
    """With three steps their relative distances halve each round, so the constant is approached, not met at once."""
    limit = limit_of([0.3, 0.1, 0.05], 64)
    rows = trajectory([0.3, 0.1, 0.05], 64, 12).error
    gaps = [63 / 64 * sum(row) for row in rows]
    ratios = [gaps[n + 1] / gaps[n] ** 2 for n in (5, 6, 7)]
    assert limit.constant is not None
    off = [abs(r / limit.constant - 1) for r in ratios]
    assert off[0] > off[1] > off[2] and off[2] < 1e-2


def test_two_steps_at_chance_rest_where_they_are() -> None:
    limit = limit_of([0, 0, 0.3], 64)
    assert limit.delta == (0, 0, 0.3) and limit.accuracy == 1 / 64 and limit.factor is None
    assert rounds_to([0, 0, 0.3], 64, [0.01, 0.5]) == [0, None]


def test_two_sunk_steps_leave_accuracy_barely_above_chance() -> None:
    limit = limit_of([-0.01, -0.01, 0.2], 64)
    assert limit.accuracy == pytest.approx((1 + 1 / 63) / 64)
    assert limit.factor == pytest.approx(62 / 63)  # the rising step: (M-2) / (M-1)
    assert limit_of([-0.5, -0.5, 0.5], 2).accuracy == 1


def test_rounds_to_are_the_first_rounds_that_reach_the_targets() -> None:
    targets = [0.1, 0.5, 0.99, 0.999999]
    curve = trajectory([0.1, 0.2, 0.3], 64, 12).accuracy
    assert rounds_to([0.1, 0.2, 0.3], 64, targets) == [next(n for n, j in enumerate(curve) if j >= t) for t in targets]


def test_what_has_no_limit_is_a_sentence() -> None:
    with pytest.raises(StarError, match="accuracy|nothing is kept"):
        limit_of([-1.0, 1.0], 2)
    with pytest.raises(StarError, match="rounding"):
        limit_of([0.1, -0.1], 2)
    with pytest.raises(StarError, match="not settled after 3 rounds"):
        limit_of([-0.01, 0.01, 0.01], 64, rounds=3)
    with pytest.raises(StarError, match="target must be"):
        rounds_to([0.2] * 3, 64, [1.5])
