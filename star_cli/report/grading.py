"""What came of grading a file, in a few lines: counts by reason, and where the labels say something else."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from star_cli.report.columns import shortened
from star_cli.report.text import one_line
from star_cli.run.grade_file import Summary

LONGEST_ANSWER = 60  # characters


def sentences(summary: Summary) -> list[str]:
    """The counts, a sentence each."""
    counts = ", ".join(f"{n:,} {reason}" for reason, n in summary.reasons.most_common())
    lines = [f"{summary.graded:,} graded: {counts or 'nothing'}"]
    if summary.unread:
        lines.append(f"{summary.unread:,} texts were too long to be read and count as NO_ANSWER")
    if summary.agreement is not None:
        lines.append(
            f"{summary.labelled:,} labelled, {summary.agreement:.2%} agree: {summary.false_accepts:,} accepted though "
            f"labelled wrong, {summary.false_refusals:,} refused though labelled right"
        )
    if summary.unused:
        lines.append(f"{summary.unused:,} labels belong to no line of the file")
    return lines


def print_summary(summary: Summary, out: Console, limit: int = 20) -> None:
    """Print the sentences, and the first disagreements with the labels."""
    for sentence in sentences(summary):
        out.print(sentence, markup=False, highlight=False)
    for name, results, count in (
        ("accepted", summary.accepted, summary.false_accepts),
        ("refused", summary.refused, summary.false_refusals),
    ):
        for result in results[:limit]:
            out.print(f"  {name} {_shown(result)}", markup=False, highlight=False)
        if count > limit:
            out.print(f"  and {count - limit:,} more {name} (--json lists {len(results):,})", highlight=False)


def _shown(result: dict[str, Any]) -> str:
    sample = f" sample {result['sample']}" if "sample" in result else ""
    answer = "(none)" if result["answer"] is None else repr(shortened(str(result["answer"]), LONGEST_ANSWER))
    return f"{one_line(str(result['id']))}{sample}: {result['reason']} {answer}"
