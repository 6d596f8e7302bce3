"""Two sets of verdicts on the same samples: how often they agree, reason by reason, and which samples flipped."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from star_cli.analysis.agreement import Confusion
from star_cli.core.records import REASONS


def show(found: Confusion, out: Console, names: tuple[str, str] = ("a", "b"), limit: int = 20) -> None:
    """Print the table and the first flipped samples."""
    columns = [r for r in REASONS if any(y == r for _, y in found.table)]
    table = Table(title=f"rows: {names[0]}, columns: {names[1]}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for reason in columns:
        table.add_column(reason, justify="right")
    for row in (r for r in REASONS if any(x == r for x, _ in found.table)):
        table.add_row(row, *[f"{found.table[row, c]:,}" if found.table[row, c] else "." for c in columns])
    out.print(table)
    kappa = "" if found.kappa is None else f", kappa {found.kappa:.3f}"
    out.print(
        f"{found.total:,} samples, the same verdict on {found.agreement:.2%}{kappa}; {len(found.flipped):,} flipped"
    )
    for side, n in zip(names, (found.only_a, found.only_b), strict=True):
        if n:
            out.print(f"{n:,} samples are judged by {side} only")
    for x, y in found.flipped[:limit]:
        out.print(
            f"  {x.problem_id} sample {x.sample}: {names[0]} {x.reason} {_short(x.answer)}, "
            f"{names[1]} {y.reason} {_short(y.answer)}",
            markup=False,
        )
    if len(found.flipped) > limit:
        out.print(f"  and {len(found.flipped) - limit:,} more (--json lists all)")


def _short(answer: str | None) -> str:
    return "(none)" if answer is None else repr(answer if len(answer) <= 40 else answer[:39] + "…")
