"""A Prediction for any start: from deltas or from tables, at any temperature, from any initial distribution.

From deltas with a uniform s_0 it is the closed form, at a temperature too (Chang et al. 2024, arXiv 2410.23912, have
T = 1 alone); with tables or another initial distribution it is the exact expectation of ``tabular``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import Prediction, Vector, trajectory
from star_cli.lib.theory.conventions import Convention, check_deltas
from star_cli.lib.theory.tables import check_tables, symmetric_tables
from star_cli.lib.theory.tabular import simulate
from star_cli.lib.theory.temperature import trajectory_at

LARGEST = 1024
"""States up to which tables are worked with: three of 1,024 x 1,024 take 25 MB."""


def predict(
    deltas: Iterable[float],
    states: int,
    rounds: int,
    *,
    convention: Convention | str = Convention.THEORY,
    temperature: float = 1.0,
    initial: ArrayLike | None = None,
) -> Prediction:
    """The Prediction from N deltas over M states; accuracy and wrong steps as ``temperature`` shows them.

    Its deltas and errors are those of the model at temperature 1. ``initial`` (M,): the distribution of s_0, None for
    uniform; another one leaves the symmetric family, so that a delta is then a mean over states. Raises StarError for
    values out of range, for ``temperature`` <= 0 and for an ``initial`` over more than 1,024 states.
    """
    start = check_deltas(deltas, states, convention)
    if initial is not None:
        if states > LARGEST:
            raise StarError(
                f"an initial distribution is worked out with tables of up to {LARGEST:,} states, got {states:,}",
                hint="leave --initial out for a uniform start, or lower --states",
            )
        return predict_tables(symmetric_tables(start, states), None, rounds, initial=initial, temperature=temperature)
    if not temperature > 0:
        raise StarError(
            f"temperature must be > 0 to learn from samples, got {temperature!r}", hint="1.0 is the theory's"
        )
    if temperature == 1:
        return trajectory(start, states, rounds)
    shown = trajectory_at(start, states, rounds, sampling=temperature, evaluation=temperature)
    own = trajectory_at(start, states, rounds, sampling=temperature, evaluation=1.0)
    return _prediction(
        states,
        accuracy=[p.accuracy[0] for p in shown],
        delta=[p.delta[0] for p in own],
        wrong=[p.wrong_given_kept[0] for p in shown],
    )


def predict_tables(
    tables: ArrayLike,
    truth: ArrayLike | None,
    rounds: int,
    *,
    initial: ArrayLike | None = None,
    temperature: float = 1.0,
) -> Prediction:
    """The Prediction from tables (N, M, M) and the right successors ``truth`` (N, M), None for each state its own.

    Raises StarError for tables, truths or distributions that do not fit.
    """
    array = check_tables(tables)
    steps, states, _ = array.shape
    right = np.tile(np.arange(states), (steps, 1)) if truth is None else truth
    result = simulate(array, right, rounds, initial, temperature=temperature)
    return _prediction(
        states,
        accuracy=result.accuracy,
        delta=result.delta,
        wrong=result.wrong_given_kept,
        rows_without_data=result.rows_without_data,
    )


def _prediction(
    states: int,
    *,
    accuracy: Iterable[float],
    delta: Iterable[Vector],
    wrong: Iterable[float],
    rows_without_data: tuple[int, ...] = (),
) -> Prediction:
    """A Prediction whose errors and improvements are differences of its deltas."""
    rows = tuple(delta)
    return Prediction(
        states=states,
        accuracy=tuple(accuracy),
        delta=rows,
        error=tuple(tuple(1 - d for d in row) for row in rows),
        improvement=tuple(
            tuple(b - a for a, b in zip(before, after, strict=True))
            for before, after in zip(rows, rows[1:], strict=False)
        ),
        wrong_given_kept=tuple(wrong),
        rows_without_data=rows_without_data,
    )
