"""select: what every way to pick an answer reaches, measured on one fixed pool of candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from star_cli.core.records import Metric, Problem, Rationale, Score, Verdict
from star_cli.errors import need
from star_cli.lib.selection import Floats, difference, level, resampled, subsets
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.candidates import Pool, pool_of

SCORES = "scores."


@stage("select")
class Select(Stage):
    """Inputs: ``problems``, ``rationales`` (N samples a problem), ``verdicts`` (an evaluate or filter artifact of them)
    and any number of ``scores.NAME``; where the samples have log-probabilities these are the scores "likelihood", the
    generator's own opinion. Writes metrics named pass@k, oracle@k (the same number: it picks a right one where
    there is one), majority@k, weighted@k/NAME, best_of@k/NAME, and paired differences such as best_of@8/dpo-majority@8.

    Votes are expectations over k-subsets: over all of them where there are at most 2000, else over 2000 drawn by
    ``seed``. An unparsed answer is wrong, stays among the N and never wins a vote unless nothing was parsed; a tie is
    split evenly. Intervals are 95 % bootstrap percentiles over problems, ``resamples`` of them by ``seed``, the same
    for all metrics.
    """

    reads, writes = (Problem, Rationale, Verdict, Score), (Metric,)
    chooses = True
    ks: list[int]
    resamples: int = 2000
    seed: int = 0
    round: int = 0

    def __post_init__(self) -> None:
        need(bool(self.ks), "select needs at least one k", "for example ks=[1,4,16]")
        need(min(self.ks, default=1) >= 1, f"every k must be >= 1, got {min(self.ks, default=1)}")
        need(self.resamples >= 100, f"resamples must be >= 100, got {self.resamples}", "2000 is a good number")

    def run(self, context: StageContext) -> dict[str, Any]:
        scores = {role.removeprefix(SCORES): a for role, a in sorted(context.inputs.items()) if role.startswith(SCORES)}
        pool = pool_of(context.inputs["problems"], context.inputs["rationales"], context.inputs["verdicts"], scores)
        ks = sorted(set(self.ks))
        pool.check(ks)
        weights = resampled(len(pool.ids), self.resamples, self.seed)
        metrics = [m for k in ks for m in self._at(pool, k, weights)]
        metrics += [
            self._level("distinct_answers", pool.distinct, weights),
            self._single("unparsed", pool.unparsed, len(pool.ids)),
            self._single("tokens_per_candidate", pool.tokens, len(pool.ids)),
        ]
        context.draft.write(Metric, list({m.identity(): m for m in metrics}.values()))
        drawn = [k for k in ks for b in pool.blocks if not subsets(b.correct.shape[1], k, self.seed)[1]]
        return {
            "problems": len(pool.ids),
            "candidates": pool.fewest,
            "verifiers": pool.verifiers,
            "ks": ks,
            "weighting": pool.weighting,
            "drawn_subsets": sorted(set(drawn)),
            "resamples": self.resamples,
            **{m.name: m.value for m in metrics if not _is_difference(m.name)},
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        k = metrics["ks"][-1]
        names = [f"pass@{k}", f"majority@{k}", *(f"best_of@{k}/{v}" for v in metrics["verifiers"])]
        return ", ".join(f"{name} {metrics[name]:.3f}" for name in names)

    def _at(self, pool: Pool, k: int, weights: Floats) -> list[Metric]:
        names = [f"pass@{k}", f"oracle@{k}", *(at_k(s, k) for s in pool.selectors())]
        values = {n: pool.values(n, self.seed) for n in names}
        levels = [self._level(n, v, weights) for n, v in values.items()]
        if k == 1:
            return levels
        choosing = names[2:]
        first = pool.values("pass@1")
        pairs = [(a, b) for i, a in enumerate(choosing) for b in choosing[:i]]
        return [
            *levels,
            *(self._gap(n, values[n], "pass@1", first, weights) for n in choosing),
            *(self._gap(a, values[a], b, values[b], weights) for a, b in pairs),
        ]

    def _level(self, name: str, values: Floats, weights: Floats) -> Metric:
        value, low, high = level(values, weights @ values)
        return Metric(name=name, value=value, low=low, high=high, n=len(values), round=self.round)

    def _gap(self, a: str, left: Floats, b: str, right: Floats, weights: Floats) -> Metric:
        value, low, high = difference(left, right, weights)
        return Metric(name=f"{a}-{b}", value=value, low=low, high=high, n=len(left), round=self.round)

    def _single(self, name: str, value: float, n: int) -> Metric:
        return Metric(name=name, value=float(np.float64(value)), n=n, round=self.round)


def at_k(selector: str, k: int) -> str:
    """best_of/dpo at 8 is best_of@8/dpo."""
    kind, _, verifier = selector.partition("/")
    return f"{kind}@{k}/{verifier}" if verifier else f"{kind}@{k}"


def _is_difference(name: str) -> bool:
    return name.count("@") > 1
