"""How many seeds a difference needs: what two groups of runs vary by, and what a comparison of more of them would show.

The variance of the difference of two groups with S seeds each is  v + s2 / S:  s2 is that between seeds, which more
seeds average out, v what is left of the draw of the held-out problems however many seeds there are. Both are
estimated from the runs. The intervals of comparison.py draw seeds and problems anew, so what varies between seeds
within a problem is in both draws: they are as wide as  v + (s2 + w / P) / S  says, w being the variance between seeds
of a problem's share and P the problems. A difference d is shown (its 95 % interval is clear of 0) in 80 of 100
repetitions where d is at least 1.96 + 0.84 standard errors (Cohen 1988, chapter 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from star_cli.analysis.arms import Group
from star_cli.analysis.comparison import Comparison
from star_cli.errors import need
from star_cli.lib.selection import Floats

Z = 1.95996 + 0.84162  # standard normal quantiles of 0.975 and 0.8
MOST = 1000  # seeds beyond which nobody goes


@dataclass(frozen=True)
class Power:
    """What the difference a - b of two groups varies by, in shares of 1.

    ``between_seeds`` is its standard deviation between (pairs of) seeds, ``between_problems`` the standard error that
    the problems leave; ``smallest`` the difference that the seeds at hand would show. ``needed`` seeds show a
    difference of ``wanted``; None where no number of seeds does, for ``problems`` problems at least would be needed.
    """

    a: str
    b: str
    seeds: int
    between_seeds: float
    between_problems: float
    smallest: float
    wanted: float
    needed: int | None
    problems: int

    def as_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        return vars(self).copy()


def powers(c: Comparison, wanted: float) -> list[Power]:
    """Every pair of groups with two seeds each or more, at the largest budget they share."""
    budget = c.budgets()[-1]
    found = []
    for a, b in c.pairs():
        points_a, points_b = a.at(c.unit, budget), b.at(c.unit, budget)
        if points_a and points_b and min(len(points_a), len(points_b)) >= 2:
            found.append(power_of(a, b, c.shares(points_a), c.shares(points_b), wanted))
    return found


def powers_in_points(c: Comparison, points: float) -> list[Power]:
    """``powers`` for a difference in percentage points; a StarError where no two groups have two seeds each."""
    need(0 < points < 100, f"--points must be above 0 and below 100, got {points:g}", "for example --points 2")
    found = powers(c, points / 100)
    need(
        bool(found),
        "--power needs two methods or settings with two seeds each or more, for a variance between seeds",
        "run them with more seeds: star run -m ... seed=0,1,2",
    )
    return found


def power_of(a: Group, b: Group, left: Floats, right: Floats, wanted: float) -> Power:
    """The power of a comparison of two groups, from their shares (seeds, problems) of right answers."""
    paired = a.seeds == b.seeds
    sides = [left - right] if paired else [left, right]
    seeds = min(len(left), len(right))
    s2 = sum(float(side.mean(axis=1).var(ddof=1)) for side in sides)
    within = [float(side.var(axis=0, ddof=1).mean()) for side in sides]  # between seeds, of a problem's share
    noise = sum(w / len(side) for w, side in zip(within, sides, strict=True))
    gap = left.mean(axis=0) - right.mean(axis=0)
    problems = len(gap)
    v = max(0.0, float(gap.var(ddof=1)) - noise) / problems if problems > 1 else 1.0
    averaged = s2 + sum(within) / problems  # what S seeds divide by S
    room = (wanted / Z) ** 2 - v  # what of it may be left at most
    count = max(2, math.ceil(averaged / room)) if room > 0 else None
    return Power(
        a=a.label,
        b=b.label,
        seeds=seeds,
        between_seeds=math.sqrt(s2),
        between_problems=math.sqrt(v),
        smallest=Z * math.sqrt(v + averaged / seeds),
        wanted=wanted,
        needed=count if count is not None and count <= MOST else None,
        problems=math.ceil(np.nextafter(v * problems / (wanted / Z) ** 2, math.inf)) + 1 if room <= 0 else problems,
    )
