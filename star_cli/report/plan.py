"""A plan as a table: the stages of a run, which of them are there, and at most how much the others take."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from star_cli.run.build import Step

STATES = {"built": "[green]built[/]", "partial": "[yellow]partial[/]", "missing": "missing"}
COSTS = ("samples", "tokens", "steps")


def plan_as_json(name: str, steps: list[Step], open_end: str | None) -> dict[str, Any]:
    """The plan for scripts; ``open_end`` says where it cannot see further."""
    rows = [{"round": s.round, "stage": s.name, "key": s.key, "state": s.state, **s.cost} for s in steps]
    return {"name": name, "stages": rows, "total": total_cost(steps), "open_end": open_end}


def total_cost(steps: list[Step]) -> dict[str, int]:
    """The upper bounds of all steps together."""
    return {cost: sum(s.cost.get(cost, 0) for s in steps) for cost in COSTS}


def print_plan(name: str, steps: list[Step], open_end: str | None, out: Console) -> None:
    """The plan for people."""
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
    if open_end:
        out.print(f"[yellow]from here on it depends on what is found: {open_end}[/]")
