"""The RL-STaR chain in closed form, for any number of steps N >= 1, states M >= 2 and unequal deltas.

Setting (Chang et al. 2024, arXiv 2410.23912): s_0 is uniform, step n should take s_{n-1} to tau_n(s_{n-1}) with tau_n a
bijection, and the model does so with P_n = delta_n P*_n + (1 - delta_n) Uniform(M). A trajectory is kept when its last
state is right; training sets each P_n to the conditional frequencies among the kept. With PI the product of all deltas
and D_n that of all but delta_n:

    J        = (1 + (M-1) PI) / M                                              accuracy
    delta_n' = (delta_n + D_n + (M-2) PI) / (1 + (M-1) PI)                     one round
    delta_n' - delta_n = D_n (1-delta_n) (1+(M-1) delta_n) / (1 + (M-1) PI)    improvement
    1 - delta_n'       = (1-delta_n) (1-D_n) / (1 + (M-1) PI)                  error

docs/theory.md derives them. All deltas here are in the theory convention unless ``convention="generator"`` is passed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from star_cli.errors import StarError
from star_cli.lib.theory.conventions import (
    SLACK,
    Convention,
    check_count,
    check_deltas,
    lowest,
    to_generator,
    to_theory,
)

__all__ = [
    "Convention", "Prediction", "accuracy", "rounds_to_reach", "step", "to_generator", "to_theory", "trajectory",
]  # fmt: skip

Vector = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the theory expects of R rounds on a chain of N steps; entry r belongs to the model after r rounds.

    The deltas are in the theory convention. ``error`` is carried separately, so it stays exact far below 1e-16 (in the
    closed form). ``rows_without_data`` is counted where tables are refitted: the rows that no kept trajectory visits.
    """

    states: int
    accuracy: Vector  # R+1 entries: J
    delta: tuple[Vector, ...]  # R+1 rows of N
    error: tuple[Vector, ...]  # R+1 rows of N: 1 - delta
    improvement: tuple[Vector, ...]  # R rows of N: delta after the round - delta before
    wrong_given_kept: Vector  # R+1 entries: P(some step wrong | last state right)
    rows_without_data: tuple[int, ...] = ()  # R entries, from tables only


def accuracy(deltas: Iterable[float], states: int, *, convention: Convention | str = Convention.THEORY) -> float:
    """J = P(last state right) of a chain with N deltas and M states. Raises StarError outside the valid range."""
    return _accuracy(check_deltas(deltas, states, convention), states)


def step(deltas: Iterable[float], states: int, *, convention: Convention | str = Convention.THEORY) -> Vector:
    """The N theory deltas after one round. Raises StarError for bad values, or when nothing is kept (J = 0)."""
    delta = check_deltas(deltas, states, convention)
    return _advance(delta, tuple(1 - value for value in delta), states)[0]


def trajectory(
    deltas: Iterable[float], states: int, rounds: int, *, convention: Convention | str = Convention.THEORY
) -> Prediction:
    """The Prediction for ``rounds`` rounds from N deltas. Raises StarError for bad values, or when nothing is kept."""
    delta = check_deltas(deltas, states, convention)
    check_count("rounds", rounds, 0)
    error = tuple(1 - value for value in delta)
    delta_rows, error_rows, improvements = [delta], [error], []
    for _ in range(rounds):
        improvements.append(_improvement(delta, error, states))
        delta, error = _advance(delta, error, states)
        delta_rows.append(delta)
        error_rows.append(error)
    return Prediction(
        states=states,
        accuracy=tuple(_accuracy(row, states) for row in delta_rows),
        delta=tuple(delta_rows),
        error=tuple(error_rows),
        improvement=tuple(improvements),
        wrong_given_kept=tuple(_wrong_given_kept(row, states) for row in error_rows),
    )


def rounds_to_reach(
    deltas: Iterable[float],
    states: int,
    target: float,
    *,
    limit: int = 100_000,
    convention: Convention | str = Convention.THEORY,
) -> int | None:
    """The first round whose accuracy J is >= ``target`` (0 < target <= 1).

    None when the deltas come to rest, in double precision, below the target. Raises StarError when ``limit`` rounds do
    not suffice: from small equal deltas a chain of N >= 3 takes up to about 1 / ((N-2) delta^(N-2)) rounds.
    """
    delta = check_deltas(deltas, states, convention)
    check_count("limit", limit, 0)
    if not 0 < target <= 1:
        raise StarError(f"target must be an accuracy in (0, 1], got {target!r}", hint="give a fraction such as 0.99")
    error = tuple(1 - value for value in delta)
    for rounds in range(limit + 1):
        if _accuracy(delta, states) >= target:
            return rounds
        before = delta
        delta, error = _advance(delta, error, states)
        if delta == before:
            return None
    raise StarError(
        f"accuracy {target} is not reached within limit={limit} rounds; it stands at {_accuracy(delta, states):.6g}",
        hint="raise limit, start from larger deltas or shorten the chain",
    )


def _accuracy(delta: Vector, states: int) -> float:
    return max(0.0, (1 + (states - 1) * math.prod(delta)) / states)


def _others(delta: Vector, error: Vector) -> tuple[Vector, Vector]:
    """D_n and 1 - D_n per step. 1 - ab = (1-a) + a (1-b) adds only positive terms near 1, so no digits are lost."""
    count = len(delta)
    before, before_error = [1.0], [0.0]
    after, after_error = [1.0], [0.0]
    for n in range(count - 1):
        before_error.append(before_error[-1] + before[-1] * error[n])
        before.append(before[-1] * delta[n])
        after_error.append(after_error[-1] + after[-1] * error[-1 - n])
        after.append(after[-1] * delta[-1 - n])
    product = tuple(before[n] * after[count - 1 - n] for n in range(count))
    product_error = tuple(before_error[n] + before[n] * after_error[count - 1 - n] for n in range(count))
    return product, product_error


def _kept(delta: Vector, states: int) -> float:
    """M times J, the common denominator. Raises StarError where it vanishes."""
    kept = 1 + (states - 1) * math.prod(delta)
    if kept < SLACK:
        raise StarError(
            f"no trajectory ends in the right state with deltas {list(delta)} and states={states}, "
            "so nothing is kept to train on",
            hint="raise at least one delta above -1/(M-1)",
        )
    return kept


def _advance(delta: Vector, error: Vector, states: int) -> tuple[Vector, Vector]:
    """(delta, 1-delta) after one round; the smaller one is computed, the other subtracted, so both stay exact."""
    kept, low = _kept(delta, states), lowest(states)
    product, product_error = _others(delta, error)
    total = math.prod(delta)
    pairs = []
    for d, e, rest, rest_error in zip(delta, error, product, product_error, strict=True):
        new, new_error = (d + rest + (states - 2) * total) / kept, e * rest_error / kept
        pairs.append((max(new, low), 1 - max(new, low)) if new < 0.5 else (1 - new_error, new_error))
    return tuple(new for new, _ in pairs), tuple(new_error for _, new_error in pairs)


def _improvement(delta: Vector, error: Vector, states: int) -> Vector:
    kept = _kept(delta, states)
    product, _ = _others(delta, error)
    return tuple(rest * e * (1 + (states - 1) * d) / kept for d, e, rest in zip(delta, error, product, strict=True))


def _wrong_given_kept(error: Vector, states: int) -> float:
    """P(some step wrong | last state right), by carrying three masses along the chain; sums of positive terms only."""
    clean, dirty, lost = 1.0, 0.0, 0.0  # never wrong; wrong before but back on the right state; on a wrong state
    for e in error:
        beta = e / states
        alpha = max(0.0, 1 - (states - 1) * beta)
        lost, dirty, clean = (
            lost * (1 - beta) + (clean + dirty) * (states - 1) * beta,
            dirty * alpha + lost * beta,
            clean * alpha,
        )
    if (clean + dirty) * states < SLACK:
        raise StarError(
            f"no trajectory ends in the right state with errors {list(error)} and states={states}, "
            "so nothing is kept to look at",
            hint="raise at least one delta above -1/(M-1)",
        )
    return dirty / (clean + dirty)
