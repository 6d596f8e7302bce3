"""Forecast where the steps are known: RL-STaR's theory, carried through with everything that is uncertain.

From the pilot each step's share of right transitions gets a Beta posterior (Jeffreys), and every draw of it one
simulated run of the sizes that are asked for: finitely many samples, the filter's limit, the evaluation's own noise.
How a model learns decides which simulation it is:

tables  a trainer that learns each state apart (tabular): tables are counted out, a row without data stays the base's
shared  a trainer that generalises: one delta a step, as if states were interchangeable, learnt with ``SLACK``
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from star_cli.analysis.forecast.pilot import PilotResult
from star_cli.analysis.forecast.result import BAND, Forecast, forecast_of_curves
from star_cli.core.parts import ChainTask
from star_cli.lib.theory.closed_form import accuracy, step, trajectory
from star_cli.lib.theory.sampled import draw
from star_cli.lib.theory.tables import Floats, Indices, sharpen, symmetric_tables
from star_cli.lib.theory.temperature import at_temperature
from star_cli.run.lab import Experiment

SLACK = 0.15  # of a step's log-odds, one standard deviation: how far fine-tuning ends from the counts
WORK = 12_000_000  # simulated trajectories of one forecast, about


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a run of a chain is made of."""

    steps: int
    states: int
    rounds: int
    problems: int  # training problems a round
    samples: int
    limit: int
    dedupe: bool
    rationalize: bool
    sampling: float
    evaluation: float
    held_out: int
    answers: int  # evaluation samples a problem


def sizes_of(x: Experiment, pilot: PilotResult) -> Sizes:
    """The sizes of an experiment on a chain task, as its pilot counted them."""
    return sizes_for(x, train=sum(pilot.train.values()), held_out=sum(pilot.held_out.values()))


def sizes_for(x: Experiment, *, train: int, held_out: int) -> Sizes:
    """The sizes of an experiment with ``train`` problems a round and ``held_out`` to evaluate on."""
    assert isinstance(x.task, ChainTask)
    steps, states = x.task.chain()
    greedy = x.evaluation.temperature == 0
    return Sizes(
        steps=steps,
        states=states,
        rounds=x.method.rounds,
        problems=train,
        samples=x.method.samples,
        limit=x.filter.limit,
        dedupe=x.filter.mode != "none",
        rationalize=bool(getattr(x.method, "rationalize", False)),
        sampling=x.sampling.temperature,
        evaluation=x.evaluation.temperature,
        held_out=held_out,
        answers=1 if greedy else x.evaluation.samples,
    )


def forecast_chain(x: Experiment, pilot: PilotResult, seed: int) -> Forecast:
    """The forecast of an experiment whose task knows its chain. Needs a pilot at a temperature above 0."""
    sizes, rng = sizes_of(x, pilot), np.random.default_rng(seed)
    by_state = not x.trainer.generalises
    count = int(np.clip(WORK / (sizes.problems * sizes.samples * sizes.rounds), 60, 200)) if by_state else 400
    starts = [possible_deltas(pilot.right_steps, pilot.own.samples, sizes, rng) for _ in range(count)]
    simulate = simulate_tables if by_state else simulate_shared
    runs = [simulate(deltas, sizes, rng) for deltas in starts]
    wrong = np.nanmean([w for _, w in runs], axis=0)
    low, high = np.quantile(starts, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
    deltas = [[float(m), float(a), float(b)] for m, a, b in zip(np.median(starts, axis=0), low, high, strict=True)]
    return forecast_of_curves(
        "chain",
        np.array([a for a, _ in runs]),
        wrong=[None if math.isnan(w) else float(w) for w in wrong],
        pilot=pilot.as_json(),
        deltas=deltas,
        assumptions=_assumptions(x, by_state),
    )


def possible_deltas(right: Sequence[int], samples: int, sizes: Sizes, rng: np.random.Generator) -> tuple[float, ...]:
    """One draw from the posterior of the base's deltas at temperature 1.

    ``right`` counts of each step in how many of ``samples`` it was right given the state before.
    """
    shares = rng.beta(np.array(right) + 0.5, samples - np.array(right) + 0.5)
    deltas = (sizes.states * shares - 1) / (sizes.states - 1)
    return at_temperature(deltas.tolist(), sizes.states, 1 / sizes.sampling)


def simulate_shared(
    start: Sequence[float], sizes: Sizes, rng: np.random.Generator, *, slack: float | None = None
) -> tuple[list[float], list[float]]:
    """(measured accuracies, wrong given kept) of one possible run of a model that learns all states together.

    ``slack`` 0 learns exactly what was kept; None is ``SLACK``.
    """
    slack = SLACK if slack is None else slack
    delta, states, measured, wrong = tuple(start), sizes.states, [], []
    for round in range(sizes.rounds + 1):
        truth = accuracy(at_temperature(delta, states, sizes.evaluation), states)
        measured.append(rng.binomial(sizes.held_out * sizes.answers, truth) / (sizes.held_out * sizes.answers))
        sampled = at_temperature(delta, states, sizes.sampling)
        kept = rng.binomial(sizes.problems * sizes.samples, accuracy(sampled, states))
        wrong.append(trajectory(sampled, states, 0).wrong_given_kept[0] if kept else math.nan)
        if sizes.limit:
            kept = min(kept, sizes.problems * sizes.limit)
        if round < sizes.rounds and kept:
            delta = tuple(_learned_delta(d, kept, states, slack, rng) for d in step(sampled, states))
    return measured, wrong


def _learned_delta(delta: float, kept: int, states: int, slack: float, rng: np.random.Generator) -> float:
    """A step's delta after training on ``kept`` chains where the whole distribution would give ``delta``."""
    right = (1 + (states - 1) * delta) / states
    right = min(max(float(rng.beta(right * kept + 0.5, (1 - right) * kept + 0.5)), 1e-9), 1 - 1e-9)
    odds = math.log(right / (1 - right) * (states - 1))
    right_over_wrong = math.exp(min(odds * (1 + slack * rng.standard_normal()), 60.0))
    return (right_over_wrong - 1) / (right_over_wrong + states - 1)


def simulate_tables(start: Sequence[float], sizes: Sizes, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """(measured accuracies, wrong given kept) of one possible run of a model of counted tables."""
    base = symmetric_tables(start, sizes.states)
    current, measured, wrong = base, [], []
    for round in range(sizes.rounds + 1):
        ends = np.eye(sizes.states)
        for table in _at(current, sizes.evaluation):
            ends = ends @ table
        chosen = rng.permutation(sizes.states)[: sizes.held_out]
        right = np.clip(np.diag(ends)[chosen], 0, 1)
        measured.append(float(rng.binomial(sizes.answers, right).mean() / sizes.answers))
        kept = kept_walks(_at(current, sizes.sampling), sizes, rng)
        wrong.append(float((kept != kept[:, :1]).any(axis=1).mean()) if len(kept) else math.nan)
        if round < sizes.rounds and len(kept):
            current = counted_tables(kept, base)
    return measured, wrong


def kept_walks(policy: Floats, sizes: Sizes, rng: np.random.Generator) -> Indices:
    """The trajectories (K, N+1) a round keeps; the right successor of every state is the state itself."""
    problems = rng.permutation(sizes.states)[: sizes.problems]
    walks = draw(policy, np.repeat(problems, sizes.samples), rng)
    kept = _limited(walks[walks[:, -1] == walks[:, 0]], sizes)
    if not sizes.rationalize:
        return kept
    unsolved = np.repeat(np.setdiff1d(problems, kept[:, 0]), sizes.samples)
    hinted = hinted_walks(policy, unsolved, rng) if len(unsolved) else walks[:0]
    return np.concatenate([kept, _limited(hinted, sizes)])


def hinted_walks(policy: Floats, starts: Indices, rng: np.random.Generator) -> Indices:
    """Trajectories drawn from all those that return to their start: what a hint makes of the same tables."""
    steps, states, _ = policy.shape
    ahead = [np.eye(states)]
    for table in policy[::-1]:
        ahead.append(table @ ahead[-1])
    ahead = ahead[::-1]
    walk = np.empty((len(starts), steps + 1), dtype=np.int64)
    walk[:, 0] = starts
    for n in range(steps):
        weights = (policy[n][walk[:, n]] * ahead[n + 1][:, starts].T).cumsum(axis=1)
        point = rng.random(len(starts)) * weights[:, -1]
        walk[:, n + 1] = np.minimum((weights <= point[:, None]).sum(axis=1), states - 1)
    return walk


def _limited(kept: Indices, sizes: Sizes) -> Indices:
    """What the filter's ``dedupe`` and ``limit`` leave; walks of one problem stand together."""
    if sizes.dedupe and len(kept):
        kept = kept[np.sort(np.unique(kept, axis=0, return_index=True)[1])]
    if sizes.limit and len(kept):
        first = np.r_[True, kept[1:, 0] != kept[:-1, 0]]
        since = np.arange(len(kept)) - np.maximum.accumulate(np.where(first, np.arange(len(kept)), 0))
        kept = kept[since < sizes.limit]
    return kept


def counted_tables(kept: Indices, base: Floats) -> Floats:
    """The tables of the kept trajectories' frequencies; a row without data is the base's."""
    steps, states, _ = base.shape
    pairs = kept[:, :-1] * states + kept[:, 1:]
    counts = np.stack([np.bincount(pairs[:, n], minlength=states**2) for n in range(steps)])
    counts = counts.reshape(base.shape).astype(np.float64)
    total = counts.sum(axis=2, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), base)


def _at(tables: Floats, temperature: float) -> Floats:
    if temperature:
        return sharpen(tables, temperature)
    return np.asarray(np.eye(tables.shape[1])[tables.argmax(axis=2)])


def _assumptions(x: Experiment, by_state: bool) -> list[str]:
    assumptions = ["a step depends on the state before it alone, and every state of a step is equally hard (RL-STaR)"]
    if by_state:
        assumptions.append(
            "each state is learnt by itself, exactly as often as it was kept; the base's tables are symmetric"
        )
    else:
        assumptions.append(
            f"training reaches the kept data's frequencies for all states, within {SLACK:.0%} in log-odds"
        )
        if x.filter.mode != "none":
            assumptions.append("that equal texts are kept once is left out of account")
    if getattr(x.method, "rationalize", False):
        assumptions.append("a hinted chain is one of the model's own chains that end in the answer")
    if x.sampling.top_p < 1 or x.sampling.top_k:
        assumptions.append("sampling.top_p and sampling.top_k are left out of account")
    return assumptions
