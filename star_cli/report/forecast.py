"""The forecast as a table: expected accuracy with its band, beside what was measured where that is known."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from star_cli.analysis.forecast.result import Forecast, score
from star_cli.report.columns import share
from star_cli.report.terminal import console


def print_forecast(forecast: Forecast, name: str, measured: Sequence[float] = ()) -> None:
    """Print the table, the advice, the plateau and the assumptions; and how it turned out as far as ``measured``."""
    out = console()
    pilot = forecast.pilot
    out.print(
        f"pilot: {pilot['right']} of {pilot['samples']} samples right, {pilot['solved']} of {pilot['problems']} "
        "problems solved" + (f"; hinted {pilot['hinted_right']} of {pilot['hinted']}" if "hinted" in pilot else "")
    )
    for n, (middle, low, high) in enumerate(forecast.deltas):
        out.print(f"  step {n + 1}: delta {middle:.3f}, 80 % in {low:.3f} to {high:.3f} (theory convention)")
    out.print(_table(forecast, name, measured))
    out.print(forecast.words)
    rounds = len(forecast.rows) - 1
    if forecast.plateau is not None:
        out.print(f"plateau: round {forecast.plateau}")
    elif rounds:
        out.print(f"plateau: not within {rounds} rounds")
    for assumption in forecast.assumptions:
        out.print(f"  assumes: {assumption}", style="dim")
    if len(measured) > 1 and rounds:
        s = score(forecast, measured)
        out.print(
            f"judged: {s.covered} of {s.rounds} rounds inside the band; mean error {s.error:.3f}, no change "
            f"{s.no_change:.3f}, last slope {s.last_slope:.3f}"
        )


def _table(forecast: Forecast, name: str, measured: Sequence[float]) -> Table:
    table = Table(title=f"{name}: forecast ({forecast.model})", title_justify="left", box=SIMPLE_HEAD)
    for title in ["round", "forecast", "80 % band", "keeps wrong", *(["measured", "inside"] if measured else [])]:
        table.add_column(title, justify="right", no_wrap=True)
    for n, row in enumerate(forecast.rows):
        cells = [str(row.round), f"{row.accuracy:.3f}", f"{row.low:.3f} to {row.high:.3f}", share(row.wrong)]
        if measured and n < len(measured):
            cells += [f"{measured[n]:.3f}", "yes" if row.low <= measured[n] <= row.high else "no"]
        elif measured:
            cells += ["-", "-"]
        table.add_row(*cells)
    return table
