"""The round without the symmetry: exact expectations for any tables, any ground truth, any initial distribution.

One round (Chang et al. 2024, arXiv 2410.23912, with infinitely many samples): draw s_0, walk the tables, keep the
trajectory when its last state is the right one *for its s_0*, set every table to the conditional frequencies of
consecutive pairs among the kept.

Which trajectories are kept depends on s_0 through its goal g(s_0) alone, so starts with one goal are walked together.
With ``A_n[g, s] = P(goal g, s_n = s)`` and ``B_n[s, g] = P(s_N = g | s_n = s)`` the expected share of the pair (s, t)
at step n is

    C_n[s, t] = P_n[s, t] * sum_g A_n[g, s] B_{n+1}[t, g]

which costs three matrix products per step; nothing loops over starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from star_cli.errors import StarError
from star_cli.lib.theory.conventions import check_count
from star_cli.lib.theory.tables import (
    Floats,
    Indices,
    check_initial,
    check_tables,
    check_truth,
    estimate_deltas,
    off_family,
    right_path,
    sharpen,
    symmetric_tables,
)

__all__ = [
    "Expectation", "Round", "Simulation", "estimate_deltas", "expect", "frequencies", "off_family", "refit",
    "sharpen", "simulate", "symmetric_tables",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Expectation:
    """What one round of sampling yields on average.

    ``accuracy`` J = P(last state right); ``wrong_given_kept`` = P(some step wrong | last state right), nan when J = 0;
    ``counts`` (N, M, M) = P(s_n = s, s_{n+1} = t, kept), each of the N tables summing to J.
    """

    accuracy: float
    wrong_given_kept: float
    counts: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """One round: what was sampled, the tables (N, M, M) refitted on it, and how many of the N*M rows had no data."""

    expectation: Expectation
    tables: Floats
    rows_without_data: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """R rounds; entry r belongs to the model after r rounds, but ``rows_without_data`` has one entry per refit."""

    accuracy: tuple[float, ...]  # R+1, of the policy at the given temperature
    wrong_given_kept: tuple[float, ...]  # R+1
    delta: tuple[tuple[float, ...], ...]  # R+1 rows of N, theory convention, of the tables at temperature 1
    rows_without_data: tuple[int, ...]  # R
    tables: Floats  # (N, M, M) after the last round


def expect(
    tables: ArrayLike, truth: ArrayLike, initial: ArrayLike | None = None, *, temperature: float = 1.0
) -> Expectation:
    """The Expectation for tables (N, M, M) sampled at ``temperature``, truth (N, M) and initial (M,), None for uniform.

    Raises StarError for shapes, rows or indices that do not fit.
    """
    policy = sharpen(tables, temperature)
    steps, states, _ = policy.shape
    right = check_truth(truth, steps, states)
    start = check_initial(initial, states)
    path = right_path(right)
    goals, group = np.unique(path[-1], return_inverse=True)

    ahead: list[Floats] = [np.eye(states)[:, goals], policy[-1][:, goals]]  # B_N, B_{N-1}, ..., B_1, each (M, goals)
    for table in policy[-2:0:-1]:
        ahead.append(table @ ahead[-1])
    ahead = ahead[:steps][::-1]

    mass = np.zeros((len(goals), states))  # A_0 (goals, M)
    mass[group, np.arange(states)] = start
    counts = np.empty_like(policy)
    for n, table in enumerate(policy):
        np.matmul(mass.T, ahead[n].T, out=counts[n])
        counts[n] *= table
        if n + 1 < steps:
            mass = mass @ table
    kept = float(counts[-1].sum())
    wrong = _wrong_and_kept(policy, path, start, ahead, group)
    return Expectation(accuracy=kept, wrong_given_kept=wrong / kept if kept > 0 else float("nan"), counts=counts)


def frequencies(counts: Floats, tables: Floats) -> tuple[Floats, int]:
    """Conditional frequencies of counts (N, M, M), and the number of rows without data.

    A row that no kept trajectory visits has no frequencies: nothing was learnt about it, and it keeps its entries in
    ``tables``.
    """
    total = counts.sum(axis=2, keepdims=True)
    seen = total > np.finfo(np.float64).tiny
    new = np.where(seen, counts / np.where(seen, total, 1.0), tables)
    return new, int((~seen).sum())


def refit(tables: ArrayLike, truth: ArrayLike, initial: ArrayLike | None = None, *, temperature: float = 1.0) -> Round:
    """One exact round. Arguments as for ``expect``. Raises StarError when no trajectory is kept (J = 0)."""
    expectation = expect(tables, truth, initial, temperature=temperature)
    if not expectation.accuracy > 0:
        raise StarError(
            "no trajectory ends in the right state, so nothing is kept to train on (accuracy 0)",
            hint="give every right step a positive probability",
        )
    new, untouched = frequencies(expectation.counts, check_tables(tables))
    return Round(expectation=expectation, tables=new, rows_without_data=untouched)


def simulate(
    tables: ArrayLike, truth: ArrayLike, rounds: int, initial: ArrayLike | None = None, *, temperature: float = 1.0
) -> Simulation:
    """``rounds`` exact rounds, each sampled at ``temperature`` and refitted. Raises StarError as ``refit`` does."""
    check_count("rounds", rounds, 0)
    current = check_tables(tables)
    accuracy, wrong, untouched = [], [], []
    deltas = [tuple(estimate_deltas(current, truth).tolist())]
    for _ in range(rounds):
        after = refit(current, truth, initial, temperature=temperature)
        accuracy.append(after.expectation.accuracy)
        wrong.append(after.expectation.wrong_given_kept)
        untouched.append(after.rows_without_data)
        current = after.tables
        deltas.append(tuple(estimate_deltas(current, truth).tolist()))
    last = expect(current, truth, initial, temperature=temperature)
    return Simulation(
        accuracy=(*accuracy, last.accuracy),
        wrong_given_kept=(*wrong, last.wrong_given_kept),
        delta=tuple(deltas),
        rows_without_data=tuple(untouched),
        tables=current,
    )


def _wrong_and_kept(policy: Floats, path: Indices, start: Floats, ahead: list[Floats], group: Indices) -> float:
    """P(some step wrong, last state right), by the step of the first error; no differences, so tiny ones stay exact."""
    wrong = 0.0
    clean = start.copy()  # P(s_0 and every step right so far)
    everyone = np.arange(len(start))
    for n, table in enumerate(policy):
        rows = table[path[n]]
        off = rows * ahead[n].T[group]
        off[everyone, path[n + 1]] = 0
        wrong += float(clean @ off.sum(axis=1))
        clean = clean * rows[everyone, path[n + 1]]
    return wrong
