"""`star watch`: the runs that are under way now, each in a line that is renewed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from star_cli.analysis.events import Accuracy, evaluations, metrics_as
from star_cli.errors import StarError
from star_cli.report.columns import Column, drawn, fitting, percent, width_of
from star_cli.report.terminal import spoken
from star_cli.run.progress import read_progress
from star_cli.store.runs import Run, runs

PAUSE = 1.0  # seconds between two looks


def watched_rows(home: Path) -> list[dict[str, Any]]:
    """A row a run that is under way: what it does, how far that is, and its last accuracy."""
    rows = []
    for run in runs(home):
        try:
            if run.info.state == "running":
                rows.append(_row(run))
        except StarError:  # damaged: star ls runs says how
            continue
    return rows


def _row(run: Run) -> dict[str, Any]:
    measured = evaluations(run.events())
    accuracy = metrics_as(Accuracy, measured[-1]).accuracy if measured else None
    p = read_progress(run.path)
    return {
        "name": run.name,
        "stage": f"round-{p.round}/{p.name}" if p else None,
        "done": p.done if p else None,
        "total": p.total if p else None,
        "remaining": p.remaining if p else None,
        "right": p.right / p.judged if p and p.judged else None,
        "loss": p.loss if p else None,
        "accuracy": accuracy,
        "started": run.info.started,
    }


def table_of(rows: list[dict[str, Any]], width: int) -> Table:
    """The rows as a table."""

    def cells(name: str, show: Any) -> list[str]:
        return ["" if row[name] is None else show(row[name]) for row in rows]

    done = [f"{r['done']:,}" + (f" of {r['total']:,}" if r["total"] else "") if r["done"] else "" for r in rows]
    columns = [
        Column("name", [row["name"] for row in rows], left=True),
        Column("stage", cells("stage", str), left=True),
        Column("done", done),
        Column("left", cells("remaining", spoken)),
        Column("right %", cells("right", percent)),
        Column("loss", cells("loss", lambda loss: f"{loss:.3f}")),
        Column("accuracy %", cells("accuracy", percent)),
        Column("started", cells("started", lambda time: time[:16].replace("T", " ")), left=True),
    ]
    return drawn(fitting([c for c in columns if any(c.cells)], width, ["started", "right %", "loss"]))


def watch(home: Path, out: Console) -> None:
    """Show the runs under way until there is none; at once where there is none, or where no terminal shows it."""
    rows = watched_rows(home)
    if not rows:
        out.print(f"no run is under way in {home / 'runs'}; star ls runs lists those that have ended")
        return
    if not out.is_terminal:
        out.print(table_of(rows, width_of(out)), width=width_of(out))
        return
    with Live(console=out, auto_refresh=False) as live:
        while rows:
            live.update(table_of(rows, width_of(out)), refresh=True)
            time.sleep(PAUSE)
            rows = watched_rows(home)
        live.update(Text("no run is under way any more; star ls runs"), refresh=True)
