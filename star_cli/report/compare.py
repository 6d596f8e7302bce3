"""`star compare` as people see it: what every method reached and spent, at equal budgets, and which differences
show.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from star_cli.analysis.compare import Group, Versus
from star_cli.analysis.cost import UNITS
from star_cli.report.lines import Chart, Line, short
from star_cli.report.selection import points
from star_cli.report.tables import Column, interval, stacked, width_of
from star_cli.report.text import one_line

WORDS = {
    "samples": "samples written for training",
    "tokens": "tokens written for training",
    "flops": "estimated FLOPs",
    "seconds": "seconds of building",
}
RULES = (
    "A budget counts all that the trained models depend on, without the base model and without evaluation. FLOPs are "
    "2 P a token written or scored and 6 P a token trained on (P parameters). At a budget a method "
    "counts with the last "
    "round that it paid for (2 % more still counts). Intervals: 95 % bootstrap over problems{seeds}; differences are "
    "paired, and where an interval holds 0 no difference is shown."
)


def chart_of(v: Versus) -> Chart:
    """Accuracy over what was spent."""
    lines = [Line(g.label, [(x, e.value, e.low, e.high) for x, e in v.curve(g)]) for g in v.groups]
    return Chart([line for line in lines if line.points], WORDS[v.unit], v.metric, steps=True)


def print_versus(v: Versus, out: Console) -> None:
    """The tables, the plot and what they rest on."""
    width = width_of(out)
    runs = sum(len(g.arms) for g in v.groups)
    out.print(
        Text(
            f"{runs} runs, {v.metric} on {len(v.problems)} problems, at equal budgets of {WORDS[v.unit]}", style="bold"
        )
    )
    out.print(stacked([_names(v)], [_reached(v), _spent(v)], width), width=width)
    gaps = _gaps(v)
    if gaps:
        out.print()
        first, *others = gaps
        out.print(stacked([first], [others], width), width=width)
    plot = chart_of(v).text(width=min(70, width))
    if plot and out.encoding.lower().startswith("utf"):
        out.print(Text("\n" + plot))
    seeds = " and over seeds" if any(len(g.arms) > 1 for g in v.groups) else ""
    for line in [*v.notes, RULES.format(seeds=seeds)]:
        out.print(Text("\n" + one_line(line)), width=width, soft_wrap=False)


def _names(v: Versus) -> Column:
    seeds = [f"{one_line(g.label)} ({len(g.arms)} seeds)" if len(g.arms) > 1 else one_line(g.label) for g in v.groups]
    return Column("\nmethod", seeds, left=True)


def _reached(v: Versus) -> list[Column]:
    found = []
    for budget in v.budgets():
        cells = []
        for g in v.groups:
            at = g.at(v.unit, budget)
            e = v.estimate(g, at) if at else None
            cells.append(interval(e.value, e.low, e.high) if e else "-")
        found.append(Column(f"% at {short(budget)}\n{v.unit}", cells))
    last = [v.last(g) for g in v.groups]
    return [*found, Column("% at its\nown end", [interval(e.value, e.low, e.high) for e in last])]


def _spent(v: Versus) -> list[Column]:
    return [Column(f"{unit}\nin all", [_amount(g, unit) for g in v.groups]) for unit in UNITS]


def _amount(g: Group, unit: str) -> str:
    total = g.total(unit)
    return "-" if total is None else short(total)


def _gaps(v: Versus) -> list[Column]:
    """Everything against the first group at the whole budget; --json has all pairs at all budgets."""
    budget, base = v.budgets()[-1], v.groups[0]
    found = [(g, d) for g in v.groups[1:] if (d := v.difference(g, base, budget)) is not None]
    if not found:
        return []
    return [
        Column(f"at {short(budget)} {v.unit}", [one_line(f"{g.label} - {base.label}") for g, _ in found], left=True),
        Column("points", [points(d.value, d.low, d.high) for _, d in found]),
        Column("", [d.says for _, d in found], left=True),
    ]
