"""Groups of runs at equal budgets: means with intervals, and paired differences.

Intervals are 95 % bootstrap intervals over problems (the same draws for all groups: a difference is paired) and, in a
group of several seeds, over seeds too: of S seeds S-1 are drawn with replacement, which gives the variance of a mean of
S its right size. Groups with the same seeds are paired by seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from star_cli.analysis.arms import Group, Point
from star_cli.analysis.cost import UNITS
from star_cli.lib.selection import Floats, bounds, level, resampled, verdict_of

RESAMPLES = 2000
SHARES = (0.25, 0.5, 1.0)  # of the largest budget that every group reached


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; of a difference ``says`` is higher, lower or no difference shown."""

    value: float
    low: float
    high: float

    @property
    def says(self) -> str:
        """What the interval shows, where it is that of a difference."""
        return verdict_of(self.low, self.high)

    def as_json(self) -> dict[str, float]:
        """The three numbers."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass
class Comparison:
    """Groups compared by ``metric`` on ``problems``, at equal budgets in one ``unit``; the first is the baseline."""

    groups: list[Group]
    unit: str
    metric: str
    problems: list[str]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._weights = resampled(len(self.problems), RESAMPLES, 0)
        seeds = {tuple(g.seeds) for g in self.groups}
        self._seed_weights = {s: _seed_weights(len(s), i) for i, s in enumerate(sorted(seeds))}

    @property
    def budget(self) -> float:
        """The largest budget that every group that spends anything reached; 0 where none does."""
        return min((s for g in self.groups if (s := g.total(self.unit))), default=0.0)

    def budgets(self) -> list[float]:
        """Where the groups are compared: a quarter, a half and all of ``budget``."""
        return [s * self.budget for s in SHARES] if self.budget else [0.0]

    def shares(self, points: list[Point]) -> Floats:
        """(S, P) shares of right answers, by run and problem."""
        return np.array([[p.shares[i] for i in self.problems] for p in points])

    def _means(self, g: Group, shares: Floats) -> Floats:
        """(R,) resampled means."""
        return np.asarray(((self._weights @ shares.T) * self._seed_weights[tuple(g.seeds)]).sum(axis=1))

    def estimate(self, g: Group, points: list[Point]) -> Estimate:
        """The mean over seeds and problems of one point of every run of a group."""
        shares = self.shares(points)
        mean, low, high = level(shares.mean(axis=0), self._means(g, shares))
        return Estimate(mean, low, high)

    def difference(self, a: Group, b: Group, budget: float | None) -> Estimate | None:
        """a - b at a budget (None: each at its own end), paired by problem (and by seed where both have the same)."""
        points_a, points_b = (g.points(g.rounds()[-1]) if budget is None else g.at(self.unit, budget) for g in (a, b))
        return self.difference_of(a, points_a, b, points_b)

    def difference_of(
        self, a: Group, points_a: list[Point] | None, b: Group, points_b: list[Point] | None
    ) -> Estimate | None:
        """a - b, each at one point of every run; None where one has none."""
        if points_a is None or points_b is None:
            return None
        left, right = self.shares(points_a), self.shares(points_b)
        value = float(left.mean() - right.mean())
        if len(self.problems) < 2:
            return Estimate(value, -1.0, 1.0)
        low, high = bounds(self._means(a, left) - self._means(b, right))
        return Estimate(value, float(low), float(high))

    def pairs(self) -> Iterator[tuple[Group, Group]]:
        """Every group against every one before it."""
        return ((a, b) for i, a in enumerate(self.groups) for b in self.groups[:i])

    def curve(self, g: Group) -> list[tuple[float, Estimate]]:
        """(mean cost, accuracy) at the rounds that all runs of a group measured."""
        return [(c, self.estimate(g, g.points(n))) for n in g.rounds() if (c := g.cost(n, self.unit)) is not None]

    def last(self, g: Group) -> Estimate:
        """Where the runs of a group ended, whatever they spent."""
        return self.estimate(g, g.points(g.rounds()[-1]))

    def as_json(self) -> dict[str, Any]:
        """Everything, for scripts."""
        rows = [
            {
                "label": g.label,
                "runs": [a.name for a in g.arms],
                "seeds": g.seeds,
                "spent": {u: g.total(u) for u in UNITS},
                "last": self.last(g).as_json(),
                "at": [
                    {"budget": b, **self.estimate(g, p).as_json()} if (p := g.at(self.unit, b)) else {"budget": b}
                    for b in self.budgets()
                ],
                "curve": [{self.unit: x, **e.as_json()} for x, e in self.curve(g)],
            }
            for g in self.groups
        ]
        differences = [
            {"a": a.label, "b": b.label, "budget": budget, **d.as_json(), "says": d.says}
            for budget in [*self.budgets(), None]
            for a, b in self.pairs()
            if (d := self.difference(a, b, budget))
        ]
        return {
            "metric": self.metric,
            "unit": self.unit,
            "budget": self.budget,
            "problems": len(self.problems),
            "baseline": self.groups[0].label,
            "groups": rows,
            "differences": differences,
            "notes": self.notes,
        }


def _seed_weights(seeds: int, number: int) -> Floats:
    """(R, S) weights of a bootstrap over S seeds; each row adds up to 1."""
    if seeds == 1:
        return np.ones((RESAMPLES, 1))
    drawn = np.random.default_rng([7, number]).integers(seeds, size=(RESAMPLES, seeds - 1))
    return np.asarray((drawn[:, :, None] == np.arange(seeds)).sum(axis=1) / (seeds - 1))
