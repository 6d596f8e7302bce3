"""Forecast where only final answers are known: a mixture over problems, and a law of learning.

Real tasks are heterogeneous: of ten problems a model may solve two always and eight never, and one delta for all of
them would say nonsense. So problems come in groups (the task's own breakdown, such as digits), each group with a mean
pass rate m and a spread s over its problems, p ~ Beta(m s, (1-m) s). Which problems are kept follows from that. How
much is learnt from them does not follow from any theory we know; it is a law with constants chosen by hand
(docs/forecast.md):

    logit m_g(n) = logit m_g(0) + kappa [ log(1 + K_g / tau) + rho log(1 + K_rest / tau) ] - wear log(1 + (E / limit)^2)
                   + noise

with K_g the rationales kept of the group, K_rest those of the other groups, and E how often fine-tuning passes over
them: a few rationales repeated too often are learnt by heart, and the rest is forgotten. The model is fine-tuned from
the base anew, so m_g(0) stands on the right in every round. The constants have spreads of their own, and every run
draws them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from star_cli.analysis.forecast.pilot import PilotResult, SampleCounts
from star_cli.analysis.forecast.result import Forecast, forecast_of_curves
from star_cli.run.lab import Experiment

DRAWS = 600


class Constants(NamedTuple):
    """The law's constants in one possible run."""

    kappa: float
    tau: float
    rho: float
    wear: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class Law:
    """The law's constants as (mean, standard deviation) of their logarithms, and the noise in logits."""

    kappa: tuple[float, float] = (math.log(1.3), 0.3)
    tau: tuple[float, float] = (math.log(20.0), 0.8)
    rho: tuple[float, float] = (math.log(0.25), 0.7)
    wear: tuple[float, float] = (math.log(2.0), 0.4)
    limit: tuple[float, float] = (math.log(12.0), 0.4)
    noise: float = 0.35

    def draw(self, rng: np.random.Generator) -> Constants:
        """One possible (kappa, tau, rho, wear, limit)."""
        return Constants(
            *(float(np.exp(rng.normal(*c))) for c in (self.kappa, self.tau, self.rho, self.wear, self.limit))
        )


LAW = Law()


@dataclass(frozen=True, kw_only=True)
class ProblemGroup:
    """A group of problems: Beta posteriors of its mean pass rate from the pilot, and how many problems it has.

    ``own`` is at the sampling temperature, ``evaluated`` at the evaluation's, ``hinted`` with the answer shown;
    ``spread`` is s of p ~ Beta(m s, (1-m) s) over its problems.
    """

    own: tuple[float, float]
    evaluated: tuple[float, float]
    hinted: tuple[float, float] | None
    spread: float
    train: int
    held_out: int


def groups_of(pilot: PilotResult) -> list[ProblemGroup]:
    """The pilot by group; a group that the pilot did not meet takes the whole pilot's counts."""
    names = sorted(set(pilot.groups.values()) | set(pilot.train) | set(pilot.held_out))
    groups = []
    for name in names:
        members = {i for i, g in pilot.groups.items() if g == name} or set(pilot.groups)
        own = _counts_of(pilot.own, members)
        groups.append(
            ProblemGroup(
                own=posterior(own),
                evaluated=posterior(_counts_of(pilot.evaluated, members)),
                hinted=posterior(_counts_of(pilot.hinted, members)) if pilot.hinted else None,
                spread=spread(own),
                train=pilot.train.get(name, 0),
                held_out=pilot.held_out.get(name, 0),
            )
        )
    return groups


def _counts_of(counts: SampleCounts, members: set[str]) -> list[tuple[int, int]]:
    """(right, samples) of each of these problems."""
    return [pair for problem, pair in counts.by_problem.items() if problem in members]


def posterior(counts: list[tuple[int, int]]) -> tuple[float, float]:
    """Jeffreys posterior of a group's mean pass rate; samples of one problem together count as one."""
    right = sum(r / n for r, n in counts)
    return right + 0.5, len(counts) - right + 0.5


def spread(counts: list[tuple[int, int]]) -> float:
    """s of p ~ Beta(m s, (1-m) s) by moments, held to [0.1, 50]; 1 where each problem has one sample only."""
    many = [(r, n) for r, n in counts if n > 1]
    if len(many) < 2:
        return 1.0
    shares = np.array([r / n for r, n in many])
    mean, samples = float(shares.mean()), float(np.mean([n for _, n in many]))
    even = mean * (1 - mean)
    if even == 0:
        return 1.0
    between = (float(shares.var(ddof=1)) - even / samples) / (1 - 1 / samples)
    return float(np.clip(even / max(between, 1e-9) - 1, 0.1, 50.0))


def kept_share(mean: float, spread: float, samples: int, limit: int) -> tuple[float, float]:
    """(share of problems solved at least once, rationales kept a problem) of a Beta-binomial group."""
    a, b = mean * spread, (1 - mean) * spread
    miss = math.prod((b + j) / (a + b + j) for j in range(samples))
    solved = 1 - miss
    return solved, min(solved * limit, samples * mean) if limit else samples * mean


def forecast_mixture(x: Experiment, pilot: PilotResult, seed: int, law: Law = LAW) -> Forecast:
    """The forecast of any experiment, from its pilot's final answers."""
    rng, groups = np.random.default_rng(seed), groups_of(pilot)
    curves = np.array([simulate(x, groups, law.draw(rng), law.noise, rng) for _ in range(DRAWS)])
    wrong = pilot.wrong_shares()
    assumptions = [
        f"problems differ: {len(groups)} group(s), each with its own pass rate and spread",
        "what is learnt from kept rationales and lost by repeating them follows a law made for the "
        "tiny model on addition "
        "(docs/forecast.md); for other models and tasks it is a guess with a wide band",
        "what is kept but wrong is known for the base only, so for round 1's data",
    ]
    if pilot.hinted is not None:
        assumptions.append("hints help in every round as much as they help the base")
    return forecast_of_curves("mixture", curves, wrong=wrong, pilot=pilot.as_json(), assumptions=assumptions)


def passes(x: Experiment, round: int, kept: float) -> float:
    """How often round ``round`` of fine-tuning sees each of ``kept`` rationales; 0 where the trainer has no batches."""
    steps = x.schedule.steps(round)
    return float(x.schedule.epochs or 0) if steps is None else steps * float(getattr(x.trainer, "batch", 0)) / kept


def simulate(
    x: Experiment, groups: list[ProblemGroup], constants: Constants, noise: float, rng: np.random.Generator
) -> list[float]:
    """The measured accuracies of one possible run, round 0 first. ``noise`` is in logits."""
    kappa, tau, rho, wear, limit = constants
    own0 = np.array([rng.beta(*g.own) for g in groups])
    same = [g.own == g.evaluated for g in groups]
    evaluated0 = np.array([o if s else rng.beta(*g.evaluated) for g, o, s in zip(groups, own0, same, strict=True)])
    hints = np.array([rng.beta(*g.hinted) if g.hinted else 0.0 for g in groups])
    common = noise * rng.standard_normal(len(groups))
    train, held_out = (np.array([getattr(g, name) for g in groups], dtype=float) for name in ("train", "held_out"))
    gain, measured = np.zeros(len(groups)), []
    for n in range(x.method.rounds + 1):
        evaluated = _logistic(_logit(evaluated0) + gain)
        measured.append(float((rng.binomial(held_out.astype(int), evaluated)).sum() / held_out.sum()))
        own = _logistic(_logit(own0) + gain)
        samples = x.method.samples if x.sampling.temperature else 1
        shares = [kept_share(m, g.spread, samples, x.filter.limit) for m, g in zip(own, groups, strict=True)]
        solved, kept = (np.array([s[i] for s in shares]) for i in (0, 1))
        kept = train * (kept + (1 - solved) * hints)
        if n < x.method.rounds:
            gain = kappa * (np.log1p(kept / tau) + rho * np.log1p((kept.sum() - kept) / tau))
            gain -= wear * math.log1p((passes(x, n + 1, max(float(kept.sum()), 1.0)) / limit) ** 2)
            gain = np.where(kept.sum() > 0, gain + common + 0.5 * noise * rng.standard_normal(len(groups)), 0.0)
    return measured


def _logit(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(p) - np.log1p(-p))


def _logistic(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))
