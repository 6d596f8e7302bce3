"""Whether to start, where no law of learning is calibrated: what the pilot alone supports.

A run learns from what its first round keeps. The pilot tells how much that will be, how much of it the base does not
already answer right, and how often the fine-tuning will pass over it. What accuracy that gives, it cannot tell.
"""

from __future__ import annotations

import numpy as np

from star_cli.analysis.forecast.mixture import ProblemGroup, groups_of, kept_share, passes
from star_cli.analysis.forecast.pilot import PilotResult
from star_cli.analysis.forecast.result import BAND, GAIN, Forecast, RoundForecast
from star_cli.run.lab import Experiment
from star_cli.stages.finetune import MANY_PASSES

DRAWS = 2000
FEW = 0.02  # of the training problems newly solved, below which there is next to nothing to learn


def forecast_start(x: Experiment, pilot: PilotResult, seed: int) -> Forecast:
    """The first round's accuracy with its band, and advice from what round 1 will have to learn from."""
    rng, groups = np.random.default_rng(seed), groups_of(pilot)
    before, kept, new = np.array([_draw(x, groups, rng) for _ in range(DRAWS)]).T
    low, middle, high = np.quantile(before, [(1 - BAND) / 2, 0.5, (1 + BAND) / 2])
    wrong = pilot.wrong_shares()
    first = RoundForecast(
        round=0, accuracy=float(middle), low=float(low), high=float(high), wrong=wrong[0] if wrong else None
    )
    advice, words = _advice(x, before, kept, new, sum(g.train for g in groups))
    return Forecast(
        model="start",
        rows=[first],
        plateau=None,
        chance=None,
        advice=advice,
        words=words,
        pilot=pilot.as_json(),
        assumptions=[
            "not calibrated for this task: no law says what accuracy the later rounds will have "
            "(pilot.uncalibrated=true shows the one there is, which was wrong more often than not)",
            f"problems differ: {len(groups)} group(s), each with its own pass rate and spread",
        ],
    )


def _draw(x: Experiment, groups: list[ProblemGroup], rng: np.random.Generator) -> tuple[float, float, float]:
    """(accuracy before round 1, problems that round 1 keeps something of, those the base does not answer itself)."""
    right = total = kept = new = 0.0
    for g in groups:
        own = rng.beta(*g.own)
        evaluated = own if g.own == g.evaluated else rng.beta(*g.evaluated)
        hinted = rng.beta(*g.hinted) if g.hinted else 0.0
        solved, _ = kept_share(own, g.spread, x.method.samples if x.sampling.temperature else 1, x.filter.limit)
        share = solved + (1 - solved) * hinted
        right += rng.binomial(g.held_out, evaluated)
        total += g.held_out
        kept += g.train * share
        new += g.train * max(0.0, share - evaluated)
    return right / total, kept, new


def _advice(x: Experiment, before: np.ndarray, kept: np.ndarray, new: np.ndarray, problems: int) -> tuple[str, str]:
    """(advice, sentence): stop, wait or start."""
    few, many = (int(q) for q in np.quantile(kept, [(1 - BAND) / 2, (1 + BAND) / 2]))
    seen = passes(x, 1, max(1.0, float(np.median(kept))))
    basis = f"round 1 will keep rationales of {few:,} to {many:,} of {problems:,} problems"
    fresh = float(np.median(new)) / max(1, problems)
    if float(np.median(before)) >= 1 - GAIN:
        return "stop", "the base is nearly perfect already; there is nothing to gain"
    if fresh < FEW:
        return "stop", (
            f"do not start: {basis}, and {fresh:.1%} of the problems would be new to the model; a stronger base, a "
            "hint (rationalization) or more samples may help"
        )
    if seen > MANY_PASSES:
        return "wait", (
            f"not as it is: {basis}, over which the fine-tuning would pass {seen:.0f} times, and a small model forgets "
            "the rest; more problems or samples, or schedule.epochs=3"
        )
    return "start", f"start: {basis}, {fresh:.0%} of the problems are ones it does not answer yet"
