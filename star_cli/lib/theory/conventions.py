"""The two ways delta is written, the valid ranges, and the sentences for values outside them.

A step over M states goes right with probability alpha and to each of the M-1 wrong states with probability beta.

theory     delta = alpha - beta   alpha = (1 + (M-1) delta) / M   beta = (1 - delta) / M       in [-1/(M-1), 1]
generator  delta = alpha - 1/M    alpha = 1/M + delta             beta = 1/M - delta / (M-1)   in [-1/M, (M-1)/M]

The first is the notation of the theory of Chang et al. 2024 (arXiv 2410.23912), the second that of their program which
writes pre-training data. Both name one family of tables: delta_theory = delta_generator * M / (M-1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

from star_cli.errors import StarError

SLACK = 1e-12
"""Rounding allowed beyond the ends of a range; values inside the slack are moved onto the end."""


class Convention(StrEnum):
    """Which of the two deltas a number is (see the top of this file)."""

    THEORY = "theory"
    GENERATOR = "generator"


def to_theory(delta: float, states: int) -> float:
    """The theory delta of a generator delta: ``delta * M / (M-1)``. Raises StarError outside [-1/M, (M-1)/M]."""
    (checked,) = check_deltas([delta], states, Convention.GENERATOR)
    return checked


def to_generator(delta: float, states: int) -> float:
    """The generator delta of a theory delta: ``delta * (M-1) / M``. Raises StarError outside [-1/(M-1), 1]."""
    (checked,) = check_deltas([delta], states)
    return checked * (states - 1) / states


def lowest(states: int) -> float:
    """The least theory delta, -1/(M-1): a step that is never right."""
    return -1.0 / (states - 1)


def check_convention(convention: Convention | str) -> Convention:
    """The Convention of that name. Raises StarError with the choices for any other name."""
    try:
        return Convention(convention)
    except ValueError:
        choices = ", ".join(Convention)
        raise StarError(
            f"convention must be one of {choices}, got {convention!r}", hint="name one of the two"
        ) from None


def check_states(states: int) -> int:
    """M itself if it is a whole number >= 2, else StarError."""
    if isinstance(states, bool) or not isinstance(states, int) or states < 2:
        raise StarError(
            f"states must be a whole number >= 2, got {states!r}",
            hint="give the number of states per step, 64 in the published experiment",
        )
    return states


def check_count(name: str, value: int, least: int) -> int:
    """The value itself if it is a whole number >= ``least``, else a StarError that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        hint = f"set {name}={max(least, 1)} or more"
        raise StarError(f"{name} must be a whole number >= {least}, got {value!r}", hint=hint)
    return value


def check_deltas(
    deltas: Iterable[float], states: int, convention: Convention | str = Convention.THEORY
) -> tuple[float, ...]:
    """The N deltas, one per step, as a tuple in the theory convention.

    Raises StarError if there is none, or if one is not finite or out of range.
    """
    check_states(states)
    convention = check_convention(convention)
    values = tuple(float(value) for value in deltas)
    if not values:
        raise StarError("deltas must hold one number per step, got none", hint="give [0.2, 0.2, 0.2] for three steps")
    scale = states / (states - 1) if convention is Convention.GENERATOR else 1.0
    low, high = lowest(states), 1.0
    for step, value in enumerate(values):
        if not math.isfinite(value) or not low - SLACK <= value * scale <= high + SLACK:
            raise StarError(
                f"deltas[{step}] must be in [{low / scale:.6g}, {high / scale:.6g}] "
                f"for states={states} in the {convention} convention, got {value!r}",
                hint="0 is a uniform guess and the upper end a perfect step; "
                "check which convention the number is in (to_theory and to_generator convert)",
            )
    return tuple(min(max(value * scale, low), high) for value in values)
