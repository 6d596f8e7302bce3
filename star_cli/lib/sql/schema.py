"""Database schemas: read from Spider's and BIRD's tables.json, and written as the text that a model reads.

singer(singer_id number key, name text, age number)
concert(concert_id number key, singer_id number -> singer.singer_id, year number)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.lib.sql.execute import Failed, run


@dataclass(frozen=True)
class Column:
    """A column. ``kind`` is its type, ``key`` whether it is in the primary key, ``link`` the column ("table.column")
    that its foreign key points to.
    """

    name: str
    kind: str = ""
    key: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Table:
    """A table and its columns."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Schema:
    """The tables of one database."""

    name: str
    tables: tuple[Table, ...]

    @property
    def links(self) -> list[tuple[str, str]]:
        """Pairs of columns joined by a foreign key, in lower case."""
        return [(f"{t.name}.{c.name}".lower(), c.link.lower()) for t in self.tables for c in t.columns if c.link]

    def text(self, *, types: bool = True, values: dict[tuple[str, str], list[str]] | None = None) -> str:
        """The schema with one line for each table; ``values``, by (table, column), are shown after their column."""
        return "\n".join(
            f"{t.name}({', '.join(_column(t, c, types, values or {}) for c in t.columns)})" for t in self.tables
        )


def _column(table: Table, c: Column, types: bool, values: dict[tuple[str, str], list[str]]) -> str:
    words = [c.name] + [c.kind] * bool(types and c.kind) + ["key"] * (types and c.key)
    words += [f"-> {c.link}"] if c.link else []
    examples = values.get((table.name, c.name))
    return " ".join(words) + (f" [{', '.join(examples)}]" if examples else "")


def schema_of(row: dict[str, Any], where: str) -> Schema:
    """The schema in one entry of tables.json. Raises StarError that names the place, ``where``, for anything else."""
    try:
        names, columns = row["table_names_original"], row["column_names_original"]
        kinds = row.get("column_types") or [""] * len(columns)
        keys: set[int] = set()
        for key in row.get("primary_keys") or []:  # BIRD lists the columns of a composite key
            keys.update(key if isinstance(key, list) else [key])
        links = {a: f"{names[columns[b][0]]}.{columns[b][1]}" for a, b in row.get("foreign_keys") or []}
        tables: list[list[Column]] = [[] for _ in names]
        for i, ((table, name), kind) in enumerate(zip(columns, kinds, strict=True)):
            if table >= 0:
                tables[table].append(Column(name, kind, i in keys, links.get(i)))
        return Schema(row["db_id"], tuple(Table(n, tuple(c)) for n, c in zip(names, tables, strict=True)))
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise StarError(
            f"{where}: no schema as in Spider's tables.json ({type(e).__name__}: {e}); it has {', '.join(row)}",
            hint="expected db_id, table_names_original, column_names_original, column_types, primary_keys, "
            "foreign_keys",
        ) from None


def sample_values(path: Path, schema: Schema, count: int, longest: int = 30) -> dict[tuple[str, str], list[str]]:
    """The ``count`` smallest different values of every column by (table, column), quoted as in SQL.

    Values of more than ``longest`` characters and binary ones are left out, and columns that cannot be read.
    """
    values: dict[tuple[str, str], list[str]] = {}
    for table in schema.tables:
        for c in table.columns:
            name, source = (x.replace('"', '""') for x in (c.name, table.name))
            sql = (
                f'SELECT DISTINCT "{name}" FROM "{source}" '
                f'WHERE "{name}" IS NOT NULL AND length("{name}") <= {longest} ORDER BY 1 LIMIT {count}'
            )
            try:
                rows = run(path, sql, time.monotonic() + 2.0).rows
            except Failed:
                continue
            values[table.name, c.name] = [
                "'" + v.replace("'", "''") + "'" if isinstance(v, str) else str(v)
                for (v,) in rows
                if not isinstance(v, bytes)
            ]
    return values
