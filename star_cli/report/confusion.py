"""Two sets of verdicts on the same samples: how often they agree, reason by reason, and which samples flipped."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from star_cli.analysis.agreement import Confusion
from star_cli.core.records import REASONS
from star_cli.report.columns import shortened
from star_cli.report.text import one_line

LONGEST_ANSWER = 40  # characters


def print_confusion(confusion: Confusion, out: Console, names: tuple[str, str] = ("a", "b"), limit: int = 20) -> None:
    """Print the table and the first ``limit`` flipped samples."""
    columns = [r for r in REASONS if any(b == r for _, b in confusion.table)]
    table = Table(title=f"rows: {names[0]}, columns: {names[1]}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for reason in columns:
        table.add_column(reason, justify="right")
    for row in (r for r in REASONS if any(a == r for a, _ in confusion.table)):
        counts = [confusion.table[row, column] for column in columns]
        table.add_row(row, *[f"{count:,}" if count else "." for count in counts])
    out.print(table)
    kappa = "" if confusion.kappa is None else f", kappa {confusion.kappa:.3f}"
    flipped = confusion.flipped
    out.print(
        f"{confusion.total:,} samples, the same verdict on {confusion.agreement:.2%}{kappa}; {len(flipped):,} flipped"
    )
    for name, n in zip(names, (confusion.only_a, confusion.only_b), strict=True):
        if n:
            out.print(f"{n:,} samples are judged by {name} only")
    for a, b in flipped[:limit]:
        out.print(
            f"  {one_line(a.problem_id)} sample {a.sample}: {names[0]} {a.reason} {_answer(a.answer)}, "
            f"{names[1]} {b.reason} {_answer(b.answer)}",
            markup=False,
        )
    if len(flipped) > limit:
        out.print(f"  and {len(flipped) - limit:,} more (--json lists all)")


def _answer(answer: str | None) -> str:
    return "(none)" if answer is None else repr(shortened(answer, LONGEST_ANSWER))
