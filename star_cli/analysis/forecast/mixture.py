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

from star_cli.analysis.forecast.pilot import Evidence, Tally
from star_cli.analysis.forecast.result import Outlook, summed_up
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

    def drawn(self, rng: np.random.Generator) -> Constants:
        """One possible (kappa, tau, rho, wear, limit)."""
        return Constants(
            *(float(np.exp(rng.normal(*c))) for c in (self.kappa, self.tau, self.rho, self.wear, self.limit))
        )


LAW = Law()


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of problems: posterior counts of the pilot (Beta) and how many problems of it there are."""

    own: tuple[float, float]
    shown: tuple[float, float]
    hinted: tuple[float, float] | None
    spread: float
    train: int
    held_out: int


def groups_of(evidence: Evidence) -> list[Group]:
    """The pilot by group; a group that the pilot did not meet takes the whole pilot's counts."""
    names = sorted(set(evidence.groups.values()) | set(evidence.train) | set(evidence.held_out))
    found = []
    for name in names:
        members = {i for i, g in evidence.groups.items() if g == name} or set(evidence.groups)
        own = _of(evidence.own, members)
        found.append(
            Group(
                own=posterior(own),
                shown=posterior(_of(evidence.shown, members)),
                hinted=posterior(_of(evidence.hinted, members)) if evidence.hinted else None,
                spread=spread(own),
                train=evidence.train.get(name, 0),
                held_out=evidence.held_out.get(name, 0),
            )
        )
    return found


def _of(tally: Tally, members: set[str]) -> list[tuple[int, int]]:
    return [counts for i, counts in tally.counts.items() if i in members]


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
    mean, asked = float(shares.mean()), float(np.mean([n for _, n in many]))
    even = mean * (1 - mean)
    if even == 0:
        return 1.0
    between = (float(shares.var(ddof=1)) - even / asked) / (1 - 1 / asked)
    return float(np.clip(even / max(between, 1e-9) - 1, 0.1, 50.0))


def kept_share(mean: float, spread: float, samples: int, limit: int) -> tuple[float, float]:
    """(share of problems solved at least once, rationales kept a problem) of a Beta-binomial group."""
    a, b = mean * spread, (1 - mean) * spread
    miss = math.prod((b + j) / (a + b + j) for j in range(samples))
    solved = 1 - miss
    return solved, min(solved * limit, samples * mean) if limit else samples * mean


def forecast_mixture(x: Experiment, evidence: Evidence, seed: int, law: Law = LAW) -> Outlook:
    """The Outlook of any experiment, from its pilot's final answers."""
    rng, groups = np.random.default_rng(seed), groups_of(evidence)
    curves = np.array([run(x, groups, law.drawn(rng), law.noise, rng) for _ in range(DRAWS)])
    wrong = [evidence.own.wrong / evidence.own.checked] if evidence.own.checked else []
    told = [
        f"problems differ: {len(groups)} group(s), each with its own pass rate and spread",
        "what is learnt from kept rationales and lost by repeating them follows a law made for the "
        "tiny model on addition "
        "(docs/forecast.md); for other models and tasks it is a guess with a wide band",
        "what is kept but wrong is known for the base only, so for round 1's data",
    ]
    if evidence.hinted is not None:
        told.append("hints help in every round as much as they help the base")
    return summed_up("mixture", curves, wrong=wrong, pilot=evidence.record(), assumptions=told)


def passes(x: Experiment, round: int, kept: float) -> float:
    """How often round ``round`` of fine-tuning sees each of ``kept`` rationales; 0 where the trainer has no batches."""
    steps = x.schedule.steps(round)
    return float(x.schedule.epochs or 0) if steps is None else steps * float(getattr(x.trainer, "batch", 0)) / kept


def run(
    x: Experiment, groups: list[Group], constants: Constants, noise: float, rng: np.random.Generator
) -> list[float]:
    """The measured accuracies of one possible run."""
    kappa, tau, rho, wear, limit = constants
    own0 = np.array([rng.beta(*g.own) for g in groups])
    same = [g.own == g.shown for g in groups]
    shown0 = np.array([o if s else rng.beta(*g.shown) for g, o, s in zip(groups, own0, same, strict=True)])
    hints = np.array([rng.beta(*g.hinted) if g.hinted else 0.0 for g in groups])
    common = noise * rng.standard_normal(len(groups))
    train, held = (np.array([getattr(g, name) for g in groups], dtype=float) for name in ("train", "held_out"))
    gain, measured = np.zeros(len(groups)), []
    for n in range(x.method.rounds + 1):
        shown = _logistic(_logit(shown0) + gain)
        measured.append(float((rng.binomial(held.astype(int), shown)).sum() / held.sum()))
        own = _logistic(_logit(own0) + gain)
        samples = x.method.samples if x.sampling.temperature else 1
        told = [kept_share(m, g.spread, samples, x.filter.limit) for m, g in zip(own, groups, strict=True)]
        solved, kept = (np.array([t[i] for t in told]) for i in (0, 1))
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
