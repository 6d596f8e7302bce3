"""The exact simulator: against the closed form, against enumeration of every trajectory, and its edges."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import to_theory, trajectory
from star_cli.lib.theory.tabular import estimate_deltas, expect, off_family, refit, sharpen, simulate, symmetric_tables


def permutations(rng: np.random.Generator, steps: int, states: int) -> np.ndarray:
    return np.stack([rng.permutation(states) for _ in range(steps)])


def random_tables(rng: np.random.Generator, steps: int, states: int) -> np.ndarray:
    tables = rng.random((steps, states, states)) ** 3
    return tables / tables.sum(axis=2, keepdims=True)


def enumerate_all(tables: np.ndarray, truth: np.ndarray, initial: np.ndarray) -> tuple[float, float, np.ndarray]:
    """J, P(some wrong, kept) and pair masses by visiting each of the M^(N+1) trajectories."""
    steps, states, _ = tables.shape
    accuracy, wrong, counts = 0.0, 0.0, np.zeros_like(tables)
    for walk in itertools.product(range(states), repeat=steps + 1):
        right = [walk[0]]
        for n in range(steps):
            right.append(int(truth[n, right[-1]]))
        if walk[-1] != right[-1]:
            continue
        mass = initial[walk[0]] * np.prod([tables[n, walk[n], walk[n + 1]] for n in range(steps)])
        accuracy += mass
        wrong += mass if list(walk) != right else 0.0
        for n in range(steps):
            counts[n, walk[n], walk[n + 1]] += mass
    return accuracy, wrong, counts


@pytest.mark.parametrize("states", [2, 3, 8, 64])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("equal", [True, False], ids=["equal", "unequal"])
def test_the_simulated_rounds_equal_the_closed_form(steps: int, states: int, equal: bool) -> None:
    rng = np.random.default_rng([steps, states])
    truth = permutations(rng, steps, states)
    deltas = [0.3] * steps if equal else rng.uniform(0.05, 0.9, steps).tolist()
    predicted = trajectory(deltas, states, 6)
    tables = symmetric_tables(deltas, states, truth)
    for r in range(6):
        done = refit(tables, truth)
        assert done.expectation.accuracy == pytest.approx(predicted.accuracy[r], abs=1e-12)
        assert done.expectation.wrong_given_kept == pytest.approx(predicted.wrong_given_kept[r], abs=1e-12)
        tables = done.tables
        assert estimate_deltas(tables, truth) == pytest.approx(np.array(predicted.delta[r + 1]), abs=1e-12)
        assert off_family(tables, truth) < 1e-12
        assert done.rows_without_data == 0 or predicted.error[r + 1][0] < 1e-12


@settings(max_examples=40, deadline=None)
@given(
    states=st.sampled_from([2, 3, 5, 9]),
    shares=st.lists(st.floats(0.02, 1.0), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_negative_deltas_follow_the_closed_form_too(states: int, shares: list[float], seed: int) -> None:
    low = -1 / (states - 1)
    deltas = [low + share * (1 - low) for share in shares]
    predicted = trajectory(deltas, states, 1)
    truth = permutations(np.random.default_rng(seed), len(deltas), states)
    done = simulate(symmetric_tables(deltas, states, truth), truth, 1)
    assert done.accuracy == pytest.approx(predicted.accuracy, abs=1e-11)
    assert done.delta[1] == pytest.approx(predicted.delta[1], abs=1e-11)


@pytest.mark.parametrize("states", [2, 3, 4])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["permutations", "functions", "constant"])
def test_any_tables_and_any_truth_agree_with_enumeration(steps: int, states: int, kind: str) -> None:
    rng = np.random.default_rng([steps, states, len(kind)])
    truth = {
        "permutations": permutations(rng, steps, states),
        "functions": rng.integers(0, states, (steps, states)),
        "constant": np.full((steps, states), states - 1),
    }[kind]
    tables, initial = random_tables(rng, steps, states), rng.dirichlet(np.ones(states))
    tables[0, 0] = np.eye(states)[0]  # zeros in a row are allowed
    initial[0], initial[1] = 0.0, initial[0] + initial[1]  # so is a start that never happens
    accuracy, wrong, counts = enumerate_all(tables, truth, initial)
    got = expect(tables, truth, initial)
    assert got.accuracy == pytest.approx(accuracy, abs=1e-14)
    assert got.wrong_given_kept == pytest.approx(wrong / accuracy, abs=1e-13)
    assert got.counts == pytest.approx(counts, abs=1e-14)
    seen = counts.sum(axis=2) > 0
    done = refit(tables, truth, initial)
    assert done.tables[seen] == pytest.approx(
        (counts / counts.sum(axis=2, keepdims=True).clip(1e-300))[seen], abs=1e-12
    )
    assert (done.tables[~seen] == tables[~seen]).all()
    assert done.rows_without_data == (~seen).sum()


def test_the_enumeration_of_the_family_gives_the_closed_form() -> None:
    rng = np.random.default_rng(5)
    for steps in (2, 3, 4):
        truth = permutations(rng, steps, 4)
        deltas = rng.uniform(0.1, 0.8, steps).tolist()
        accuracy, wrong, _ = enumerate_all(symmetric_tables(deltas, 4, truth), truth, np.full(4, 0.25))
        predicted = trajectory(deltas, 4, 0)
        assert accuracy == pytest.approx(predicted.accuracy[0], abs=1e-14)
        assert wrong / accuracy == pytest.approx(predicted.wrong_given_kept[0], abs=1e-13)


def test_relabelling_the_states_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    tables, truth = random_tables(rng, 3, 5), permutations(rng, 3, 5)
    path = [np.arange(5)]
    for successor in truth:
        path.append(successor[path[-1]])
    straight = np.stack([tables[n][np.ix_(path[n], path[n + 1])] for n in range(3)])
    a = simulate(tables, truth, 3)
    b = simulate(straight, np.tile(np.arange(5), (3, 1)), 3)
    assert a.accuracy == pytest.approx(b.accuracy, abs=1e-12)
    assert a.wrong_given_kept == pytest.approx(b.wrong_given_kept, abs=1e-12)


def test_an_uneven_start_keeps_the_accuracy_but_leaves_the_family() -> None:
    truth = permutations(np.random.default_rng(2), 3, 6)
    tables = symmetric_tables([0.3, 0.4, 0.5], 6, truth)
    start = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert expect(tables, truth, start).accuracy == pytest.approx(expect(tables, truth).accuracy, abs=1e-14)
    assert off_family(refit(tables, truth, start).tables, truth) > 0.01


def test_rows_without_data_keep_their_entries_and_are_counted() -> None:
    tables = np.array([[[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]]])
    truth = np.array([[0, 1], [0, 1]])
    done = refit(tables, truth)  # only s_0 = 0 can end right
    assert done.rows_without_data == 1
    assert (done.tables[0, 1] == tables[0, 1]).all()
    assert simulate(tables, truth, 2).rows_without_data[0] == 1


def test_nothing_kept_is_an_error_with_a_sentence() -> None:
    truth = np.array([[0, 1]])
    assert np.isnan(expect([[[0, 1], [1, 0]]], truth).wrong_given_kept)
    with pytest.raises(StarError, match="nothing is kept"):
        refit([[[0, 1], [1, 0]]], truth)


@pytest.mark.parametrize(("delta", "printed"), [(0.2, [0.5657, 1.0]), (0.1, [0.1469, 0.9999])])
def test_sampling_at_temperature_one_half_lifts_the_curve(delta: float, printed: list[float]) -> None:
    truth = permutations(np.random.default_rng(3), 3, 64)
    tables = symmetric_tables([to_theory(delta, 64)] * 3, 64, truth)
    cold = simulate(tables, truth, 1, temperature=0.5).accuracy
    assert [round(value, 4) for value in cold] == printed
    warm = simulate(tables, truth, 1).accuracy
    assert warm == pytest.approx(trajectory([delta] * 3, 64, 1, convention="generator").accuracy, abs=1e-12)


def test_sharpening_squares_the_odds_and_survives_tiny_entries() -> None:
    sharp = sharpen([[[0.8, 0.2], [0.5, 0.5]]], 0.5)
    assert sharp[0, 0, 0] / sharp[0, 0, 1] == pytest.approx(16)
    assert sharp[0, 1].tolist() == [0.5, 0.5]
    assert sharpen([[[1e-200, 1.0], [0.0, 1.0]]], 0.01).sum() == pytest.approx(2)
    assert sharpen([[[0.8, 0.2], [0.5, 0.5]]], 1e6) == pytest.approx(np.full((1, 2, 2), 0.5), abs=1e-5)


@settings(max_examples=30)
@given(temperature=st.floats(0.05, 5), delta=st.floats(0, 0.99))
def test_a_sharpened_family_stays_in_the_family(temperature: float, delta: float) -> None:
    truth = np.array([[1, 2, 0]])
    sharp = sharpen(symmetric_tables([delta], 3, truth), temperature)
    assert off_family(sharp, truth) < 1e-12
    assert (estimate_deltas(sharp, truth)[0] - delta) * (1 - temperature) >= -1e-12


def test_six_steps_of_a_thousand_states_take_one_breath() -> None:
    rng = np.random.default_rng(4)
    truth = permutations(rng, 6, 1024)
    tables = symmetric_tables([0.6] * 6, 1024, truth)
    begin = time.perf_counter()
    done = refit(tables, truth)
    assert time.perf_counter() - begin < 5  # about 0.4 s on two cores; room for a busy machine
    predicted = trajectory([0.6] * 6, 1024, 1)
    assert done.expectation.accuracy == pytest.approx(predicted.accuracy[0], abs=1e-12)
    assert estimate_deltas(done.tables, truth) == pytest.approx(np.array(predicted.delta[1]), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tables": np.ones((2, 2))}, r"tables must have shape .* got \(2, 2\)"),
        ({"tables": np.full((2, 3, 3), 0.5)}, r"tables\[0, 0\] must be a distribution, .* sum 1.5"),
        ({"tables": np.tile([1.5, -0.5, 0.0], (2, 3, 1))}, r"entries from -0.5"),
        ({"truth": [[0, 1, 2]]}, r"truth must be integers of shape \(2, 3\)"),
        ({"truth": [[0.0, 1.0, 2.0]] * 2}, "truth must be integers"),
        ({"truth": [[0, 1, 3]] * 2}, r"state indices in \[0, 2\], got 3"),
        ({"truth": [[0, 1, -1]] * 2}, r"state indices in \[0, 2\], got -1"),
        ({"initial": [0.5, 0.4, 0.2]}, "initial must be a distribution over 3 states"),
        ({"temperature": 0.0}, "temperature must be > 0 and finite, got 0.0"),
        ({"rounds": -1}, "rounds must be a whole number >= 0, got -1"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"tables": np.full((2, 3, 3), 1 / 3), "truth": [[0, 1, 2]] * 2, "rounds": 1}
    with pytest.raises(StarError, match=words) as caught:
        simulate(**{**good, **change})  # type: ignore[arg-type]
    assert caught.value.hint
