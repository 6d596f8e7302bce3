"""Trajectories drawn at random from transition tables: what a model writes that is such a chain."""

from __future__ import annotations

import numpy as np

from star_cli.lib.theory.tables import Floats, Indices


def draw(policy: Floats, starts: Indices, rng: np.random.Generator) -> Indices:
    """Draw one trajectory from each of the K ``starts`` along the tables of ``policy``, (N, M, M).

    Returns the states (K, N+1) as numbers from 0; column 0 holds the starts. No step of probability 0 is ever taken.
    """
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
