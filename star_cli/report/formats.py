"""Tables as text for other programs: CSV, Markdown, and LaTeX with booktabs."""

from __future__ import annotations

import csv
import io

from star_cli.errors import unknown
from star_cli.report.columns import Column

FORMATS = ("csv", "md", "latex")
SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def as_text(columns: list[Column], form: str) -> str:
    """A table in one of ``FORMATS``, with a line break at its end; a heading of two lines becomes one."""
    heads = [" ".join(c.head.split()) for c in columns]
    rows = [list(row) for row in zip(*(c.cells for c in columns), strict=True)]
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([heads, *rows])
        return out.getvalue()
    if form == "md":
        rule = [":--" if c.left else "--:" for c in columns]
        table: list[list[str]] = [heads, rule, *rows]
        lines = [[x.replace("|", "\\|") for x in row] for row in table]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if form == "latex":
        layout = "".join("l" if c.left else "r" for c in columns)
        head, *body = ([_escaped(x) for x in row] for row in [heads, *rows])
        first, *others = [" & ".join(line) + r" \\" for line in [head, *body]]
        whole = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", first, r"\midrule", *others, r"\bottomrule"]
        return "\n".join([*whole, r"\end{tabular}"]) + "\n"
    raise unknown("format", form, FORMATS)


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(c, c) for c in text)
