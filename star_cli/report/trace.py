"""`star trace` as people see it: seconds and shares, the largest first, and what reuse saved."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from star_cli.analysis.trace import Trace


def print_trace(trace: Trace, out: Console) -> None:
    """The table, and a sentence on what was found."""
    table = Table(title=f"where the time of {trace.name} went", title_justify="left", box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("seconds", justify="right")
    table.add_column("%", justify="right")
    whole = trace.wall or 1.0
    for part, seconds in sorted(trace.parts.items(), key=lambda p: -p[1]):
        if seconds >= 0.0005:
            table.add_row(part, f"{seconds:,.1f}", f"{100 * seconds / whole:.1f}")
    table.add_row("all", f"{trace.wall:,.1f}", "100.0", style="bold")
    out.print(table)
    out.print(f"{trace.built} stages built; {trace.found} found, which saved {trace.saved:,.1f} s", highlight=False)
