"""The sampled rounds: seeded, inside their intervals, and approaching the exact rounds."""

import numpy as np
import pytest

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import trajectory
from star_cli.lib.theory.sampled import draw, simulate_sampled, wilson
from star_cli.lib.theory.tabular import estimate_deltas, expect, simulate, symmetric_tables

TRUTH = np.stack([np.random.default_rng(n).permutation(8) for n in range(3)])
TABLES = symmetric_tables([0.3, 0.4, 0.5], 8, TRUTH)


def test_the_same_seed_repeats_and_a_longer_run_begins_like_a_shorter_one() -> None:
    long, short = (simulate_sampled(TABLES, TRUTH, rounds, 500, seed=7) for rounds in (3, 1))
    assert long.estimates[:2] == short.estimates
    assert simulate_sampled(TABLES, TRUTH, 3, 500, seed=7).estimates == long.estimates
    assert simulate_sampled(TABLES, TRUTH, 3, 500, seed=8).estimates != long.estimates


def test_each_interval_holds_the_exact_accuracy_of_the_tables_it_sampled() -> None:
    for rounds in range(4):
        sampled = simulate_sampled(TABLES, TRUTH, rounds, 4000, seed=1, confidence=0.999)
        exact = expect(sampled.tables, TRUTH)
        last = sampled.estimates[-1]
        assert last.low <= exact.accuracy <= last.high
        assert last.wrong_given_kept == pytest.approx(exact.wrong_given_kept, abs=0.05)


def test_intervals_cover_as_often_as_promised() -> None:
    exact = trajectory([0.3, 0.4, 0.5], 8, 0).accuracy[0]
    covered = 0
    for seed in range(300):
        (estimate,) = simulate_sampled(TABLES, TRUTH, 0, 300, seed=seed).estimates
        covered += estimate.low <= exact <= estimate.high
    assert 0.91 <= covered / 300 <= 0.99


def test_many_samples_approach_the_exact_rounds() -> None:
    sampled = simulate_sampled(TABLES, TRUTH, 3, 200_000, seed=0)
    exact = simulate(TABLES, TRUTH, 3)
    assert [e.accuracy for e in sampled.estimates] == pytest.approx(exact.accuracy, abs=0.01)
    assert estimate_deltas(sampled.tables, TRUTH) == pytest.approx(np.array(exact.delta[-1]), abs=0.01)


def test_temperature_non_bijective_truth_and_uneven_starts_are_sampled_alike() -> None:
    truth = np.array([[0, 0, 1], [2, 1, 1]])
    tables = np.random.default_rng(0).dirichlet(np.full(3, 5.0), size=(2, 3))
    start = [0.7, 0.3, 0.0]
    sampled = simulate_sampled(tables, truth, 1, 100_000, 5, start, temperature=0.5)
    exact = simulate(tables, truth, 1, start, temperature=0.5)
    assert [e.accuracy for e in sampled.estimates] == pytest.approx(exact.accuracy, abs=0.02)
    assert sampled.tables == pytest.approx(exact.tables, abs=0.03)
    assert sampled.rows_without_data == exact.rows_without_data


def test_walks_never_take_a_step_of_probability_zero() -> None:
    table = np.array([[[0.0, 0.3, 0.0, 0.7, 0.0]] * 5])
    walk = draw(table, np.arange(5).repeat(2000), np.random.default_rng(0))
    assert set(walk[:, 1].tolist()) == {1, 3}
    assert np.mean(walk[:, 1] == 3) == pytest.approx(0.7, abs=0.02)


def test_the_wilson_interval_has_its_known_values() -> None:
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775328), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((0.7224672, 1.0), abs=1e-6)
    with pytest.raises(StarError, match="successes must be <= samples=10, got 11"):
        wilson(11, 10)
    with pytest.raises(StarError, match=r"confidence must be in \(0, 1\), got 95"):
        wilson(1, 10, 95)


def test_a_round_that_keeps_nothing_says_so() -> None:
    with pytest.raises(StarError, match="round 0 kept none of its 50 trajectories"):
        simulate_sampled([[[0, 1], [1, 0]]], [[0, 1]], 1, 50, seed=0)
    (estimate,) = simulate_sampled([[[0, 1], [1, 0]]], [[0, 1]], 0, 50, seed=0).estimates
    assert estimate.kept == 0
    assert np.isnan(estimate.wrong_given_kept)


@pytest.mark.parametrize(("name", "value"), [("rounds", -1), ("samples", 0), ("seed", -1)])
def test_bad_counts_are_named(name: str, value: int) -> None:
    with pytest.raises(StarError, match=f"{name} must be a whole number"):
        simulate_sampled(TABLES, TRUTH, **{"rounds": 1, "samples": 10, "seed": 0, name: value})
