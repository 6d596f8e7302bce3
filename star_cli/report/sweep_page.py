"""The page of a sweep: runs/SWEEP/report.html with its arms, their curves in one picture, and their comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from star_cli.analysis.compare import compare_runs
from star_cli.errors import StarError
from star_cli.report import html
from star_cli.report.chart import Chart, Line
from star_cli.report.columns import Column, duration, interval, percent
from star_cli.report.compare import comparison_chart, comparison_columns
from star_cli.report.tables import SweepRow, sweep_rows
from star_cli.report.text import one_line
from star_cli.store.artifacts import Store
from star_cli.store.durable import write_bytes
from star_cli.store.runs import Run


def write_sweep_page(home: Path, name: str, arms: list[Run], store: Store) -> Path:
    """Write the page; it needs nothing beside itself. What cannot be compared is said there. Raises OSError."""
    rows = sweep_rows(arms, store)
    parts = [
        f"<header><h1>{html.text(name)}</h1><p>{len(rows)} runs</p></header>",
        html.section("Arms", _arms(rows)),
        html.section("Accuracy by round", _overlay(rows)),
        html.section("At equal budgets", _compared(home, name)),
    ]
    return write_bytes(home / "runs" / name / "report.html", html.page(name, parts).encode())


def _arms(rows: list[SweepRow]) -> str:
    facts = [row.as_json() for row in rows]
    table = html.table(
        [
            Column("arm", [one_line(row.label) for row in rows], left=True),
            Column("status", [row.status for row in rows], left=True),
            Column("round", ["-" if f["round"] is None else str(f["round"]) for f in facts]),
            Column("base %", [percent(f["base_accuracy"]) for f in facts]),
            Column("last accuracy % [95 % interval]", [interval(f["accuracy"], f["low"], f["high"]) for f in facts]),
            Column("tokens written", [f"{f['tokens']:,}" for f in facts]),
            Column("seconds", [duration(f["seconds"]) for f in facts]),
        ]
    )
    pages = [row.run for row in rows if (row.run.path / "report.html").exists()]
    links = " ".join(_link(run) for run in pages)
    faults = "".join(f"<p>{html.text(f'{row.run.name}: {row.fault}')}</p>" for row in rows if row.fault)
    return table + faults + (f"<p>Their own pages: {links}</p>" if links else "")


def _link(run: Run) -> str:
    arm = run.name.partition("/")[2]
    return f'<a href="{html.text(arm)}/report.html">{html.text(arm)}</a>'


def _overlay(rows: list[SweepRow]) -> str:
    lines = [
        Line(row.label, [(r.round, r.accuracy, r.low, r.high) for r in row.rows if r.accuracy is not None])
        for row in rows
    ]
    lines = [line for line in lines if line.points]
    return html.picture(Chart(lines, "round").svg()) if lines else "<p>Nothing was measured yet.</p>"


def _compared(home: Path, name: str) -> str:
    try:
        comparison = compare_runs(home, [name])
    except StarError as e:
        return f"<p>{html.text(e.what)}</p>"
    tables = "".join(html.table(columns) for columns in comparison_columns(comparison) if columns)
    notes = "".join(f'<p class="soft">{html.text(note)}</p>' for note in comparison.notes)
    return html.picture(comparison_chart(comparison).svg()) + tables + notes


def attempted(write: Callable[[], Path]) -> str:
    """Where the page was written, or why it could not be: "report     /home/ada/runs/s/report.html"."""
    try:
        return f"report     {write()}"
    except (OSError, ImportError) as e:
        return f"report.html could not be written: {e}"
