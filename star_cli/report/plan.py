"""A plan as a table: the stages of a run, which of them are there, and at most how much the others take."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from star_cli.report.terminal import spoken
from star_cli.run.build import Step
from star_cli.run.outlook import outlook_of
from star_cli.run.speeds import Speeds

STATES = {"built": "[green]built[/]", "partial": "[yellow]partial[/]", "missing": "missing"}
COSTS = ("samples", "tokens", "steps")


def plan_as_json(name: str, steps: list[Step], open_end: str | None) -> dict[str, Any]:
    """The plan for scripts; ``open_end`` says where it cannot see further."""
    rows = [
        {"round": s.round, "stage": s.name, "key": s.key, "state": s.state, **s.cost}
        | ({"seconds": round(s.seconds, 3)} if s.seconds is not None else {})
        for s in steps
    ]
    outlook = outlook_of(steps, open_end)
    seconds = None if outlook.unknown else round(outlook.remaining(set()), 3)
    return {"name": name, "stages": rows, "total": total_cost(steps), "seconds": seconds, "open_end": open_end}


def total_cost(steps: list[Step]) -> dict[str, int]:
    """The upper bounds of all steps together."""
    return {cost: sum(s.cost.get(cost, 0) for s in steps) for cost in COSTS}


def print_plan(
    name: str, steps: list[Step], open_end: str | None, out: Console, *, speeds: Speeds, price: float | None = None
) -> None:
    """The plan for people; ``price`` is what an hour of this machine costs, in whatever money."""
    table = Table(title=f"plan of {name}", title_justify="left", box=None, pad_edge=False)
    for head in ("stage", "key", "state"):
        table.add_column(head)
    for head in COSTS:
        table.add_column(head, justify="right")
    for s in steps:
        bounds = {cost: f"{n:,}" if cost == "steps" else f"<= {n:,}" for cost, n in s.cost.items()}
        cells = [bounds.get(cost, "") for cost in COSTS]
        table.add_row(f"round-{s.round}/{s.name}", s.key[:10], STATES[s.state], *cells)
    out.print(table)
    missing, total = sum(s.state != "built" for s in steps), total_cost(steps)
    out.print(
        f"{missing} of {len(steps)} stages to build: at most {total['samples']:,} samples and {total['tokens']:,} "
        f"tokens, {total['steps']:,} training steps"
    )
    out.print(_time(steps, open_end, speeds, price))
    if open_end:
        out.print(f"[yellow]from here on it depends on what is found: {open_end}[/]")


def _time(steps: list[Step], open_end: str | None, speeds: Speeds, price: float | None) -> str:
    """How long it takes at most, and what that costs, by what this machine measured before."""
    outlook = outlook_of(steps, open_end)
    if not outlook.seconds:
        return "it takes no time: everything is there"
    kinds = dict.fromkeys(s.kind for s in steps if s.state != "built" and s.device)
    rates = [(kind.split()[0], rate) for kind in kinds if (rate := speeds.rate(kind)) is not None]
    measured = [f"{n:,.1f} {unit} a second" + (f" ({t:,.0f} tokens)" if t else "") for unit, (n, t) in rates]
    seconds = outlook.remaining(set())
    basis = f" ({', '.join(measured)})" if measured else ""
    if outlook.unknown:
        missing = {s.kind.split()[0] for s in steps if s.state != "built" and s.device and s.seconds is None}
        return (
            f"how long it takes is not known: this machine has not measured {' and '.join(sorted(missing))} of such a "
            f"run yet{basis}; a small one first (problems=20 rounds=1) tells"
        )
    money = f", {seconds / 3600 * price:,.2f} at {price:g} an hour" if price is not None else ""
    return f"at most {spoken(seconds)}{money}, at this machine's own speeds{basis}"
