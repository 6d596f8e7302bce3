"""Where self-training on a symmetric chain ends, and how fast it gets there.

Convergence to the optimal policy is contribution (3) of Chang et al. 2024 (arXiv 2410.23912v2, abstract and section 3);
the limits from other starts and all rates are ours, derived in docs/theory.md. Once no delta is 0 and an even number k
of them is negative, the signs stay for good: each negative delta sinks to -1/(M-1), each positive one rises to 1, and

    J -> (1 + (M-1)^(1-k)) / M.

Close to the limit let e be what a rising step lacks of 1 and a the chance of a sinking step to be right. With
w = -1/(M-1) a round multiplies

    e by (1 - w^k) / (1 + (M-1) w^k)        a by (1 + (M-1) w^(k-1)) / (1 + (M-1) w^k).

Where the larger of the factors present is above 0, accuracy converges linearly with it. Where all are 0 it converges
quadratically; for J -> 1 and equal distances of all steps 1 - J' = (1 - J)^2 (N-1) / (N (M-1)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import Vector, accuracy, rounds_to_reach, step
from star_cli.lib.theory.conventions import SLACK, Convention, check_count, check_deltas, lowest
from star_cli.lib.theory.criterion import NOISE


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What R -> infinity rounds lead to from N deltas over M states; deltas in the theory convention.

    ``factor`` is what a round multiplies the distance of the accuracy to its limit by, in the end: between 0 and 1 for
    linear convergence, 0 where it is faster (``constant`` is then lim (limit - J') / (limit - J)^2, for J -> 1), and
    None where nothing moves. ``settled`` is the round after which the signs of the deltas stay.
    """

    states: int
    start: Vector
    delta: Vector
    accuracy: float
    settled: int
    factor: float | None
    constant: float | None


def limit_of(
    deltas: Iterable[float], states: int, *, rounds: int = 10_000, convention: Convention | str = Convention.THEORY
) -> Limit:
    """The Limit from N starting deltas.

    ``rounds``: how many to look ahead while an odd number of negative deltas leaves the outcome open. Raises StarError
    for deltas out of range, where nothing is kept (J = 0), and where the outcome is not settled or hangs on rounding.
    """
    start = delta = check_deltas(deltas, states, convention)
    check_count("rounds", rounds, 0)
    done = 0
    while not _settled(delta):
        if done == rounds:
            raise StarError(
                f"the signs of the deltas are not settled after {rounds} rounds, so the limit is not known",
                hint="raise rounds, or start elsewhere: a tie between two steps is never settled",
            )
        delta, done = step(delta, states), done + 1
        if sum(abs(value) < NOISE for value in delta) > 1:
            raise StarError(
                f"after round {done} several steps are so close to chance that rounding would decide the limit",
                hint="start from other deltas",
            )
    step(delta, states)  # raises where nothing is kept
    if sum(value == 0 for value in delta) > 1:
        return Limit(
            states=states, start=start, delta=delta, accuracy=accuracy(delta, states), settled=done, factor=None,
            constant=None,
        )  # fmt: skip
    low = lowest(states)
    end = tuple(low if value < 0 else 1.0 for value in delta)
    factor = _factor(delta, end, states)
    sunk = sum(value < 0 for value in end)
    final = (1 + (states - 1.0) ** (1 - sunk)) / states
    quadratic = factor == 0 and abs(final - 1) < SLACK
    steps = len(start)
    return Limit(
        states=states,
        start=start,
        delta=end,
        accuracy=final,
        settled=done,
        factor=factor,
        constant=(steps - 1) / (steps * (states - 1)) if quadratic else None,
    )


def rounds_to(
    deltas: Iterable[float],
    states: int,
    targets: Sequence[float],
    *,
    rounds: int = 100_000,
    convention: Convention | str = Convention.THEORY,
) -> list[int | None]:
    """Of each target accuracy the first round that reaches it, None where none ever does.

    Raises StarError for a target outside (0, 1], and where ``rounds`` rounds do not decide.
    """
    start = check_deltas(deltas, states, convention)
    end = limit_of(start, states)
    reached: list[int | None] = []
    for target in targets:
        below = 0 < target <= 1 and end.accuracy < target and accuracy(start, states) < target
        reached.append(None if below else rounds_to_reach(start, states, target, limit=rounds))
    return reached


def _settled(delta: Vector) -> bool:
    """Whether the signs of the deltas stay: all are at rest, or no zero is left and an even number is negative."""
    zeros = sum(value == 0 for value in delta)
    return zeros > 1 or (not zeros and sum(value < 0 for value in delta) % 2 == 0)


def _factor(delta: Vector, end: Vector, states: int) -> float | None:
    """The slowest factor of the steps that are still on their way; None where all have arrived."""
    sunk, low = sum(value < 0 for value in end), lowest(states)
    kept = 1 + (states - 1) * low**sunk
    factors = []
    for now, last in zip(delta, end, strict=True):
        if abs(now - last) <= SLACK:
            continue
        factors.append((1 - low**sunk if last > 0 else 1 + (states - 1) * low ** (sunk - 1)) / kept)
    return None if not factors else max(0.0 if math.isclose(f, 0, abs_tol=SLACK) else f for f in factors)
