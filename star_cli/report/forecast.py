"""The forecast as a table: expected accuracy with its band, beside what was measured where that is known."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from star_cli.analysis.forecast.result import Outlook, score
from star_cli.report.terminal import console
from star_cli.report.theory import share


def show_outlook(outlook: Outlook, name: str, measured: Sequence[float] = ()) -> None:
    """Print the table, the advice, the plateau and the assumptions."""
    out = console()
    p = outlook.pilot
    out.print(
        f"pilot: {p['right']} of {p['samples']} samples right, {p['solved']} of {p['problems']} problems solved"
        + (f"; hinted {p['hinted_right']} of {p['hinted']}" if "hinted" in p else "")
    )
    for n, (middle, low, high) in enumerate(outlook.deltas):
        out.print(f"  step {n + 1}: delta {middle:.3f}, 80 % in {low:.3f} to {high:.3f} (theory convention)")
    table = Table(title=f"{name}: forecast ({outlook.model})", title_justify="left", box=SIMPLE_HEAD)
    titles = ["round", "forecast", "80 % band", "keeps wrong", *(["measured", "inside"] if measured else [])]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for n, row in enumerate(outlook.rows):
        cells = [str(row.round), f"{row.accuracy:.3f}", f"{row.low:.3f} to {row.high:.3f}", share(row.wrong)]
        if measured:
            cells += (
                [f"{measured[n]:.3f}", "yes" if row.low <= measured[n] <= row.high else "no"]
                if n < len(measured)
                else ["-", "-"]
            )
        table.add_row(*cells)
    out.print(table)
    out.print(outlook.words)
    out.print(
        f"plateau: round {outlook.plateau}"
        if outlook.plateau is not None
        else f"plateau: not within {len(outlook.rows) - 1} rounds"
    )
    for told in outlook.assumptions:
        out.print(f"  assumes: {told}", style="dim")
    if len(measured) > 1:
        s = score(outlook, measured)
        out.print(
            f"judged: {s.covered} of {s.rounds} rounds inside the band; mean error {s.error:.3f}, no change "
            f"{s.no_change:.3f}, last slope {s.last_slope:.3f}"
        )
