"""The forecast itself: what is expected of every round, the advice, what was assumed; and how good it turned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from star_cli.errors import StarError
from star_cli.store.durable import write_json
from star_cli.store.json_files import read_struct

FORMAT = "forecast/1"
FILE = "forecast.json"
BAND = 0.8
GAIN = 0.02  # a run that is expected to gain less than this is not worth starting
SETTLED = 0.01  # a curve is on its plateau where it is this close to its end


class RoundForecast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One round: the accuracy that will be measured after it, and the share of what it keeps that has a wrong step.

    ``low`` and ``high`` hold 80 %. ``wrong`` of round n is about the data its model writes: round 0's trains
    round 1.
    """

    round: int
    accuracy: float
    low: float
    high: float
    wrong: float | None = None


class Forecast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to expect of a run. ``chance`` is the probability to gain at least ``GAIN``.

    ``model`` says how it was made: chain, mixture, or start, which knows no round but the first and whose ``chance`` is
    None. ``plateau`` is the first round within ``SETTLED`` of the last one,
    None where accuracy still rises at the end. ``advice`` is start, wait or stop, ``words`` the same as a sentence.
    ``deltas`` has of each step of a chain [median, low, high], 80 %, in the theory's convention.
    """

    format: str = FORMAT
    band: float = BAND
    model: str
    rows: list[RoundForecast]
    plateau: int | None
    chance: float | None
    advice: str
    words: str
    pilot: dict[str, Any]
    deltas: list[list[float]] = []
    assumptions: list[str] = []

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"its format is {self.format!r}, expected {FORMAT!r}")

    def save(self, folder: Path) -> None:
        """Write ``forecast.json`` into a run's folder."""
        write_json(folder / FILE, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The forecast as its file holds it."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def load_forecast(folder: Path) -> Forecast | None:
    """The forecast saved in a run's folder, if there is one; a damaged one is a StarError."""
    try:
        return read_struct(
            folder / FILE, Forecast, "a forecast", hint="remove it; star forecast writes it anew", format=FORMAT
        )
    except FileNotFoundError:
        return None


def forecast_of_curves(
    model: str,
    curves: NDArray[np.float64],
    *,
    wrong: Sequence[float | None] = (),
    pilot: dict[str, Any],
    deltas: list[list[float]] | None = None,
    assumptions: list[str],
) -> Forecast:
    """The Forecast of possible measured ``curves`` (draws, rounds + 1), each equally likely."""
    low, high = np.quantile(curves, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
    middle = np.median(curves, axis=0)
    rows = [
        RoundForecast(
            round=n,
            accuracy=float(middle[n]),
            low=float(low[n]),
            high=float(high[n]),
            wrong=wrong[n] if n < len(wrong) else None,
        )
        for n in range(curves.shape[1])
    ]
    risen = np.maximum.accumulate(middle)
    near = [n for n in range(len(rows)) if risen[-1] - risen[n] <= SETTLED]
    plateau = near[0] if near[0] < len(rows) - 1 or len(rows) == 1 else None
    chance = float(np.mean(curves[:, -1] - curves[:, 0] >= GAIN))
    perfect = float(np.mean(curves[:, 0] >= 1 - GAIN))
    advice, words = _advice(chance, perfect, len(rows) - 1)
    return Forecast(
        model=model,
        rows=rows,
        plateau=plateau,
        chance=round(chance, 4),
        advice=advice,
        words=words,
        pilot=pilot,
        deltas=deltas or [],
        assumptions=assumptions,
    )


def _advice(chance: float, perfect: float, rounds: int) -> tuple[str, str]:
    """(advice, sentence) from the chance to gain, and the chance that the base leaves nothing to gain."""
    gain = f"the chance to gain {GAIN:g} or more within {rounds} rounds is {chance:.0%}"
    if perfect > 0.5:
        return "stop", "the base is nearly perfect already; there is nothing to gain"
    if chance >= 0.8:
        return "start", f"start: {gain}"
    if chance <= 0.2:
        return "stop", f"do not start: {gain}; a stronger base, a hint (rationalization) or more samples may help"
    return "wait", f"uncertain: {gain}; a larger pilot (pilot.samples, pilot.problems) would tell more"


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a forecast of rounds 1..R compares with what was measured: coverage of the band and mean absolute errors."""

    rounds: int
    covered: int
    error: float
    no_change: float
    last_slope: float


def score(forecast: Forecast, measured: Sequence[float]) -> Score:
    """Judge a forecast by measured accuracies (round 0 first).

    The naive forecasts: *no change* says round 0's accuracy for ever; *last slope* goes on as from the round before to
    the last, one round ahead, so it knows every earlier round, which the forecast does not.
    """
    pairs = list(zip(forecast.rows, measured, strict=False))[1:]
    if not pairs:
        raise StarError("a forecast is judged from round 1 on, and no round was measured", hint="finish the run first")
    slope = [abs(last_slope(measured[:n]) - measured[n]) for n in range(1, len(pairs) + 1)]
    return Score(
        rounds=len(pairs),
        covered=sum(row.low - 1e-9 <= m <= row.high + 1e-9 for row, m in pairs),
        error=float(np.mean([abs(row.accuracy - m) for row, m in pairs])),
        no_change=float(np.mean([abs(measured[0] - m) for _, m in pairs])),
        last_slope=float(np.mean(slope)),
    )


def last_slope(before: Sequence[float]) -> float:
    """The next accuracy if the last change repeats itself, held to [0, 1]."""
    if len(before) < 2:
        return before[-1]
    return min(1.0, max(0.0, 2 * before[-1] - before[-2]))
