"""Lists as plain tables."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from star_cli.report.terminal import console


def print_rows(rows: list[dict[str, Any]], title: str) -> None:
    """Print dictionaries as a table; columns that are empty in every row are left out."""
    columns = list(dict.fromkeys(k for row in rows for k in row))
    columns = [c for c in columns if any(row.get(c) not in (None, "", [], {}) for row in rows)]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for c in columns:
        table.add_column(c, overflow="fold", justify="right" if _numeric(rows, c) else "left")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(c))) for c in columns))
    out = console()
    out.print(table)
    out.print()


def _numeric(rows: list[dict[str, Any]], column: str) -> bool:
    return all(isinstance(r.get(column), (int, float, type(None))) for r in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return " ".join(f"{k}={_cell(v)}" for k, v in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
