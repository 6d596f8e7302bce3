"""Drawn trajectories: none takes an impossible step, and many of them approach the exact expectation."""

import numpy as np
import pytest

from star_cli.lib.theory.sampled import draw
from star_cli.lib.theory.tables import right_path, sharpen
from star_cli.lib.theory.tabular import expect


def test_walks_never_take_a_step_of_probability_zero() -> None:
    table = np.array([[[0.0, 0.3, 0.0, 0.7, 0.0]] * 5])
    walk = draw(table, np.arange(5).repeat(2000), np.random.default_rng(0))
    assert set(walk[:, 1].tolist()) == {1, 3}
    assert np.mean(walk[:, 1] == 3) == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_many_walks_approach_the_exact_expectation(temperature: float) -> None:
    truth = np.array([[0, 0, 1], [2, 1, 1]])
    tables = np.random.default_rng(0).dirichlet(np.full(3, 5.0), size=(2, 3))
    rng, start = np.random.default_rng(5), [0.7, 0.3, 0.0]
    walk = draw(sharpen(tables, temperature), rng.choice(3, size=100_000, p=start), rng)
    goal = right_path(truth)
    kept = walk[walk[:, -1] == goal[-1][walk[:, 0]]]
    exact = expect(tables, truth, start, temperature=temperature)
    assert len(kept) / len(walk) == pytest.approx(exact.accuracy, abs=0.01)
    wrong = (kept != goal[:, kept[:, 0]].T).any(axis=1).mean()
    assert wrong == pytest.approx(exact.wrong_given_kept, abs=0.01)
    counts = np.stack([np.bincount(kept[:, n] * 3 + kept[:, n + 1], minlength=9).reshape(3, 3) for n in range(2)])
    assert counts / len(walk) == pytest.approx(exact.counts, abs=0.01)
