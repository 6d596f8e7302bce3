"""The same round with finitely many trajectories: draw, keep, count, with a confidence interval on the accuracy.

Round r draws from ``numpy.random.default_rng([seed, r])``, so a longer run repeats a shorter one exactly.
The interval covers the sampling of *that* round given its tables; the tables themselves carry the noise of the rounds
before, so an exact curve from the same start may leave the intervals when few trajectories are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from star_cli.errors import StarError
from star_cli.lib.theory.conventions import check_count
from star_cli.lib.theory.tables import Floats, Indices, check_initial, check_tables, check_truth, right_path, sharpen
from star_cli.lib.theory.tabular import frequencies


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One round of K trajectories: how many were kept, and the accuracy kept / K with its Wilson interval."""

    samples: int
    kept: int
    accuracy: float
    low: float
    high: float
    wrong_given_kept: float  # share of the kept with some step wrong; nan when none was kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """R rounds: R+1 ``estimates`` (after r rounds), R ``rows_without_data``, and the last ``tables`` (N, M, M)."""

    estimates: tuple[Estimate, ...]
    rows_without_data: tuple[int, ...]
    tables: Floats


def wilson(successes: int, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval (Wilson 1927) of a proportion. Raises StarError for impossible counts or confidence."""
    check_count("samples", samples, 1)
    check_count("successes", successes, 0)
    if successes > samples:
        raise StarError(f"successes must be <= samples={samples}, got {successes}", hint="count each sample once")
    if not 0 < confidence < 1:
        raise StarError(f"confidence must be in (0, 1), got {confidence!r}", hint="0.95 is usual")
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share = successes / samples
    centre = (share + z2 / (2 * samples)) / (1 + z2 / samples)
    half = math.sqrt(z2 * (share * (1 - share) / samples + z2 / (4 * samples**2))) / (1 + z2 / samples)
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == samples else centre + half)


def draw(policy: Floats, starts: Indices, rng: np.random.Generator) -> Indices:
    """Trajectories (K, N+1) walked from ``starts`` (K,) along the tables (N, M, M)."""
    steps, states, _ = policy.shape
    walk = np.empty((len(starts), steps + 1), dtype=np.int64)
    walk[:, 0] = starts
    for n, table in enumerate(policy):
        edges = table.cumsum(axis=1)
        edges = (edges / edges[:, -1:] + np.arange(states)[:, None]).ravel()  # row s occupies (s, s+1]
        here = walk[:, n]
        point = np.minimum(here + rng.random(len(starts)), np.nextafter(here + 1.0, 0.0))
        walk[:, n + 1] = np.searchsorted(edges, point, side="right") - here * states
    return walk


def simulate_sampled(
    tables: ArrayLike,
    truth: ArrayLike,
    rounds: int,
    samples: int,
    seed: int,
    initial: ArrayLike | None = None,
    *,
    temperature: float = 1.0,
    confidence: float = 0.95,
) -> Sampled:
    """``rounds`` rounds of ``samples`` trajectories each, and one more sampling of the last model.

    ``tables`` (N, M, M), ``truth`` (N, M), ``initial`` (M,) or None for uniform. Rows that no kept trajectory visits
    keep their entries. Raises StarError for values out of range and when a round keeps nothing.
    """
    check_count("rounds", rounds, 0)
    check_count("samples", samples, 1)
    check_count("seed", seed, 0)
    current = check_tables(tables)
    steps, states, _ = current.shape
    goal = right_path(check_truth(truth, steps, states))
    start = check_initial(initial, states)
    estimates, untouched = [], []
    for r in range(rounds + 1):
        rng = np.random.default_rng([seed, r])
        starts = rng.choice(states, size=samples, p=start / start.sum())
        walk = draw(sharpen(current, temperature), starts, rng)
        kept = walk[walk[:, -1] == goal[-1][walk[:, 0]]]
        estimates.append(_estimate(kept, goal, samples, confidence))
        if r == rounds:
            break
        if not len(kept):
            raise StarError(
                f"round {r} kept none of its {samples} trajectories, so there is nothing to train on",
                hint="raise samples or start from better tables",
            )
        pairs = kept[:, :-1] * states + kept[:, 1:]
        counts = np.stack([np.bincount(pairs[:, n], minlength=states**2) for n in range(steps)])
        current, without = frequencies(counts.reshape(steps, states, states).astype(np.float64), current)
        untouched.append(without)
    return Sampled(estimates=tuple(estimates), rows_without_data=tuple(untouched), tables=current)


def _estimate(kept: Indices, goal: Indices, samples: int, confidence: float) -> Estimate:
    low, high = wilson(len(kept), samples, confidence)
    wrong = (kept != goal[:, kept[:, 0]].T).any(axis=1)
    return Estimate(
        samples=samples,
        kept=len(kept),
        accuracy=len(kept) / samples,
        low=low,
        high=high,
        wrong_given_kept=float(wrong.mean()) if len(kept) else float("nan"),
    )
