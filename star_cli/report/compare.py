"""`star compare` as people see it: what each method reached and spent at equal budgets, which differences show."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from star_cli.analysis.arms import Group
from star_cli.analysis.comparison import Comparison
from star_cli.analysis.cost import UNITS
from star_cli.analysis.power import Power
from star_cli.report.chart import Chart, Line
from star_cli.report.columns import Column, interval, points, short_number, stacked, width_of
from star_cli.report.formats import as_text
from star_cli.report.text import one_line

UNIT_NAMES = {
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

POWER = (
    "In points. A difference counts as seen where its 95 % interval is clear of 0 in 80 of 100 repetitions. More seeds "
    "average out what varies between them, not what the draw of the held-out problems leaves. From few seeds these are "
    "rough: of 3 the standard deviation itself is known to a factor of two or so."
)


def comparison_chart(c: Comparison) -> Chart:
    """Accuracy over what was spent."""
    lines = [Line(g.label, [(x, e.value, e.low, e.high) for x, e in c.curve(g)]) for g in c.groups]
    return Chart([line for line in lines if line.points], UNIT_NAMES[c.unit], c.metric, steps=True)


def print_comparison(c: Comparison, out: Console) -> None:
    """The tables, the plot and what they rest on."""
    width = width_of(out)
    runs = sum(len(g.arms) for g in c.groups)
    title = f"{runs} runs, {c.metric} on {len(c.problems)} problems, at equal budgets of {UNIT_NAMES[c.unit]}"
    out.print(Text(title, style="bold"))
    out.print(stacked([_names(c)], [_reached(c), _spent(c)], width), width=width)
    differences = _differences(c)
    if differences:
        out.print()
        first, *others = differences
        out.print(stacked([first], [others], width), width=width)
    plot = comparison_chart(c).text(width=min(70, width))
    if plot and out.encoding.lower().startswith("utf"):
        out.print(Text("\n" + plot))
    seeds = " and over seeds" if any(len(g.arms) > 1 for g in c.groups) else ""
    for line in [*c.notes, RULES.format(seeds=seeds)]:
        out.print(Text("\n" + one_line(line)), width=width, soft_wrap=False)


def print_power(found: list[Power], points: float, out: Console) -> None:
    """With how many seeds a difference of so many points could be seen, for every pair of groups."""
    out.print(Text(f"\nWhat could be seen, and with how many seeds {points:g} points could", style="bold"))
    first = Column("\ndifference", [one_line(f"{p.a} - {p.b}") for p in found], left=True)
    block = [
        Column("\nseeds", [str(p.seeds) for p in found]),
        Column("sd between\nseeds", [f"{100 * p.between_seeds:.1f}" for p in found]),
        Column("error of the\nproblems", [f"{100 * p.between_problems:.1f}" for p in found]),
        Column("smallest seen\nwith these", [f"{100 * p.smallest:.1f}" for p in found]),
        Column(f"needed for\n{points:g} points", [_needed(p) for p in found], left=True),
    ]
    width = width_of(out)
    out.print(stacked([first], [block], width), width=width)
    out.print(Text("\n" + POWER), width=width, soft_wrap=False)


def _needed(p: Power) -> str:
    if p.needed is not None:
        return f"{p.needed} seeds"
    return f"{p.problems:,} problems or more" if p.between_problems else "over 1,000 seeds"


def comparison_columns(c: Comparison) -> list[list[Column]]:
    """The table of what each method reached and spent, and the table of differences (empty for one method)."""
    return [[_names(c), *_reached(c), *_spent(c)], _differences(c)]


def comparison_text(c: Comparison, form: str) -> str:
    """The tables for other programs: csv as one long table of plain numbers, md and latex as people see them."""
    if form == "csv":
        return as_text(_long(c), form)
    return "\n".join(as_text(columns, form) for columns in comparison_columns(c) if columns)


def _long(c: Comparison) -> list[Column]:
    """A row a method and budget: what it reached, and its difference to the baseline."""
    heads = ["method", "seeds", "unit", "budget", "value", "low", "high", "difference", "d_low", "d_high", "says"]
    rows = []
    for g in c.groups:
        for budget in [*c.budgets(), None]:
            at = g.points(g.rounds()[-1]) if budget is None else g.at(c.unit, budget)
            e = c.estimate(g, at) if at else None
            d = c.difference(g, c.groups[0], budget) if g is not c.groups[0] else None
            numbers = [x for y in (e, d) for x in ((y.value, y.low, y.high) if y else ("", "", ""))]
            cells = [f"{x:.6g}" if isinstance(x, float) else x for x in numbers]
            where = "own end" if budget is None else f"{budget:g}"
            rows.append([g.label, str(len(g.arms)), c.unit, where, *cells, d.says if d else ""])
    return [Column(head, [row[i] for row in rows], left=True) for i, head in enumerate(heads)]


def _names(c: Comparison) -> Column:
    names = [f"{one_line(g.label)} ({len(g.arms)} seeds)" if len(g.arms) > 1 else one_line(g.label) for g in c.groups]
    return Column("\nmethod", names, left=True)


def _reached(c: Comparison) -> list[Column]:
    """Accuracy at each budget, and at each group's own end."""
    columns = []
    for budget in c.budgets():
        cells = []
        for g in c.groups:
            at = g.at(c.unit, budget)
            e = c.estimate(g, at) if at else None
            cells.append(interval(e.value, e.low, e.high) if e else "-")
        columns.append(Column(f"% at {short_number(budget)}\n{c.unit}", cells))
    ends = [c.last(g) for g in c.groups]
    return [*columns, Column("% at its\nown end", [interval(e.value, e.low, e.high) for e in ends])]


def _spent(c: Comparison) -> list[Column]:
    return [Column(f"{unit}\nin all", [_amount(g, unit) for g in c.groups]) for unit in UNITS]


def _amount(g: Group, unit: str) -> str:
    total = g.total(unit)
    return "-" if total is None else short_number(total)


def _differences(c: Comparison) -> list[Column]:
    """Everything against the baseline, at every budget and at the runs' own ends; --json has all pairs."""
    first = c.groups[0]
    rows = [
        (g, budget, d)
        for g in c.groups[1:]
        for budget in [*c.budgets(), None]
        if (d := c.difference(g, first, budget)) is not None
    ]
    if not rows:
        return []
    places = ["own ends" if b is None else f"{short_number(b)} {c.unit}" for _, b, _ in rows]
    names = [one_line(f"{g.label} - {first.label}") for g, _, _ in rows]
    return [
        Column("difference", [n if i == 0 or names[i - 1] != n else "" for i, n in enumerate(names)], left=True),
        Column("at", places, left=True),
        Column("points", [points(d.value, d.low, d.high) for _, _, d in rows]),
        Column("", [d.says for _, _, d in rows], left=True),
    ]
