"""The table of docs/trials/2026-11-22-forecast.md: python scripts/trials/forecast.py HOME.

It forecasts every registered run that is in HOME from a pilot of its base alone, by the law as it is, and judges the
forecast by what the run measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trial import home_argument, table, write_result

from star_cli.analysis.forecast.forecast import RunForecast, forecast_run
from star_cli.analysis.forecast.result import BAND, last_slope, score
from star_cli.run.execute import live_engine
from star_cli.store.runs import arms_below

PAGE = "2026-11-22-forecast.md"
SWEEPS = ("sweep-trials-hints", "sweep-trials-hints_without")


def main() -> None:
    home = home_argument("the mixture forecast on runs it has not seen")
    found = [made for sweep in SWEEPS for run in arms_below(home, sweep) if (made := forecast_of(home, run.name))]
    live_engine.close()
    rows = [[f"`{f.name.partition('/')[2]}`", *judged(f)] for f in found]
    runs = [(f, score(f.forecast, f.measured)) for f in found]
    rounds = sum(s.rounds for _, s in runs)
    inside = sum(s.covered for _, s in runs)
    error, no_change, slope = (
        sum(getattr(s, name) * s.rounds for _, s in runs) / rounds for name in ("error", "no_change", "last_slope")
    )
    law = mean([x for f in found for x in interval_scores(f)])
    nothing = mean([interval(f.measured[0], f.measured[0], m) for f in found for m in f.measured[1:]])
    sloped = mean(
        [
            interval(x, x, f.measured[n])
            for f in found
            for n in range(1, len(f.measured))
            for x in [last_slope(f.measured[:n])]
        ]
    )
    text = (
        f"{len(found)} runs, {rounds} rounds: {inside} ({100 * inside / rounds:.0f} %) inside the 80 % band; "
        f"mean error {error:.3f}, no change {no_change:.3f}, last slope {slope:.3f}; "
        f"interval score {law:.2f}, no change {nothing:.2f}, last slope {sloped:.2f} (lower is better).\n\n"
    )
    write_result(PAGE, text + table(["run", "forecast", "measured", "inside", "error"], rows))


def forecast_of(home: Path, name: str) -> RunForecast | None:
    """The forecast of a run by the uncalibrated law, and what it measured; None where it measured one round or none."""
    made = forecast_run([name, "pilot.uncalibrated=true", f"home='{home}'", "runtime.progress=none"])
    return made if len(made.measured) > 1 else None


def judged(f: RunForecast) -> list[str]:
    """The cells of one run."""
    s = score(f.forecast, f.measured)
    expected = " ".join(f"{row.accuracy:.3f}" for row in f.forecast.rows)
    measured = " ".join(f"{m:.3f}" for m in f.measured)
    return [expected, measured, f"{s.covered}/{s.rounds}", f"{s.error:.3f}"]


def interval_scores(f: RunForecast) -> list[float]:
    """The interval score of rounds 1, 2, ..."""
    pairs = list(zip(f.forecast.rows, f.measured, strict=False))[1:]
    return [interval(row.low, row.high, m) for row, m in pairs]


def interval(low: float, high: float, value: float) -> float:
    """Width of a band, and 2 / (1 - BAND) times the distance to it of what lies outside (Gneiting and Raftery 2007)."""
    outside = max(low - value, value - high, 0.0)
    return high - low + 2 / (1 - BAND) * outside


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
