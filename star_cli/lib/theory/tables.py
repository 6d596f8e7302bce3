"""Transition tables and ground truths: checks, the one-parameter family, temperature.

A chain of N steps over M states is ``tables`` (N, M, M) float64, ``tables[n, s, t] = P(s_{n+1} = t | s_n = s)``, and
its ground truth is ``truth`` (N, M) integers, ``truth[n, s]`` the right successor of s: any function, bijective or not.
With N=1 and M=2, for example, ``tables = [[[0.9, 0.1], [0.2, 0.8]]]`` and ``truth = [[0, 1]]``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from star_cli.errors import StarError
from star_cli.lib.theory.conventions import check_deltas

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ROW_SLACK = 1e-9
"""How far the sum of a table row or of an initial distribution may be from 1."""


def check_tables(tables: ArrayLike) -> Floats:
    """(N, M, M) float64 with rows that are distributions. Raises StarError naming the first bad row."""
    array = np.asarray(tables, dtype=np.float64)
    if array.ndim != 3 or array.shape[1] != array.shape[2] or array.shape[0] < 1 or array.shape[1] < 2:
        raise StarError(
            f"tables must have shape (steps >= 1, states >= 2, states), got {array.shape}",
            hint="stack one square table per step; symmetric_tables builds them from deltas",
        )
    bad = ~(np.all(array >= 0, axis=2) & (np.abs(array.sum(axis=2) - 1) <= ROW_SLACK))
    if bad.any():
        n, s = (int(index) for index in np.argwhere(bad)[0])
        raise StarError(
            f"tables[{n}, {s}] must be a distribution, "
            f"got entries from {array[n, s].min():.6g} with sum {array[n, s].sum():.12g}",
            hint="divide each row by its sum",
        )
    return array


def check_truth(truth: ArrayLike, steps: int, states: int) -> Indices:
    """(N, M) integers in [0, M). Raises StarError for another shape, type or value."""
    array = np.asarray(truth)
    if array.shape != (steps, states) or array.dtype.kind not in "iu":
        raise StarError(
            f"truth must be integers of shape ({steps}, {states}), got {array.dtype} of shape {array.shape}",
            hint="truth[n, s] is the index of the right successor of state s at step n",
        )
    if array.min() < 0 or array.max() >= states:
        value = int(array.min()) if array.min() < 0 else int(array.max())
        raise StarError(f"truth must hold state indices in [0, {states - 1}], got {value}", hint="count states from 0")
    return array.astype(np.int64)


def check_initial(initial: ArrayLike | None, states: int) -> Floats:
    """(M,) distribution of s_0; None means uniform. Raises StarError if it is not a distribution over M states."""
    if initial is None:
        return np.full(states, 1 / states)
    array = np.asarray(initial, dtype=np.float64)
    if array.shape != (states,) or not np.all(array >= 0) or abs(array.sum() - 1) > ROW_SLACK:
        raise StarError(
            f"initial must be a distribution over {states} states, got shape {array.shape} with sum {array.sum():.12g}",
            hint="give one probability per state, or None for uniform",
        )
    return array


def right_path(truth: Indices) -> Indices:
    """(N+1, M): the right state at each time for every start, ``path[0] = 0..M-1``."""
    path = [np.arange(truth.shape[1], dtype=np.int64)]
    for successor in truth:
        path.append(successor[path[-1]])
    return np.stack(path)


def symmetric_tables(deltas: Iterable[float], states: int, truth: ArrayLike | None = None) -> Floats:
    """(N, M, M) tables ``delta_n P*_n + (1 - delta_n) / M`` for N theory deltas; truth None is the identity everywhere.

    Raises StarError for deltas out of range or a truth of another shape.
    """
    values = np.array(check_deltas(deltas, states))
    steps = len(values)
    right = check_truth(np.tile(np.arange(states), (steps, 1)) if truth is None else truth, steps, states)
    tables = np.repeat((1 - values)[:, None] / states, states * states, axis=1).reshape(steps, states, states)
    hit = np.maximum((1 + (states - 1) * values) / states, 0.0)
    tables[np.arange(steps)[:, None], np.arange(states)[None, :], right] = hit[:, None]
    return tables


def estimate_deltas(tables: ArrayLike, truth: ArrayLike) -> Floats:
    """(N,) theory deltas ``(M alpha_n - 1) / (M - 1)``, alpha_n the plain mean over states of the right entry.

    Exact for tables of the family; for others the delta of the nearest member in least squares (see ``off_family``).
    """
    array = check_tables(tables)
    steps, states, _ = array.shape
    right = check_truth(truth, steps, states)
    alpha = np.take_along_axis(array, right[:, :, None], axis=2)[:, :, 0].mean(axis=1)
    return np.asarray((states * alpha - 1) / (states - 1))


def off_family(tables: ArrayLike, truth: ArrayLike) -> float:
    """The largest distance of any entry from the family member with the estimated deltas; 0 inside the family."""
    array = check_tables(tables)
    return float(np.abs(array - symmetric_tables(estimate_deltas(array, truth), array.shape[1], truth)).max())


def sharpen(tables: ArrayLike, temperature: float) -> Floats:
    """The policy sampled at temperature T: each row to the power 1/T, normalised; T < 1 sharpens, T = 1 does nothing.

    Raises StarError unless T > 0 and finite.
    """
    array = check_tables(tables)
    if not (temperature > 0 and np.isfinite(temperature)):
        hint = "1.0 samples from the tables as they are"
        raise StarError(f"temperature must be > 0 and finite, got {temperature!r}", hint=hint)
    if temperature == 1:
        return array
    power = (array / array.max(axis=2, keepdims=True)) ** (1 / temperature)
    return np.asarray(power / power.sum(axis=2, keepdims=True))
