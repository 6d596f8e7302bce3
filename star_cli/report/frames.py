"""Rows as DataFrames and as files of tables. The only door to pandas and polars, and beside the readers to pyarrow."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from star_cli.core.extras import command
from star_cli.errors import StarError, unknown
from star_cli.store.durable import temporary, writing

Row = dict[str, Any]
FRAMES = ("pandas", "polars")
ENDINGS = (".csv", ".parquet", ".jsonl")
CHUNK = 10_000  # rows written at once


def frame(rows: list[Row], kind: str) -> Any:
    """Rows as a DataFrame of pandas or polars, columns in the order in which they come up.

    Raises StarError where the package is not installed, with the command that brings it.
    """
    if kind not in FRAMES:
        raise unknown("kind of DataFrame", kind, FRAMES)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    try:
        if kind == "polars":
            import polars

            return polars.DataFrame([{c: row.get(c) for c in columns} for row in rows], infer_schema_length=None)
        import pandas
    except ModuleNotFoundError as e:
        raise StarError(
            f"DataFrames of {kind} need the package {kind}, which is not installed",
            hint=f"{command(kind)}; or use the rows: round_rows(), rationales(...)",
        ) from e
    return pandas.DataFrame(rows, columns=columns)


def write_table(rows: Iterable[Row], path: Path, types: dict[str, type] | None = None) -> int:
    """Write rows to a .csv, .parquet or .jsonl file, whole or not at all; returns how many.

    With ``types`` (column -> type) rows are written as they come; without, they are held in memory to find their
    columns. Raises StarError for another ending, for a folder that does not exist and for a missing package.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise StarError(f"{path.name} ends in {ending or 'nothing'}", hint=f"expected one of {', '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise StarError(f"the folder {path.parent} does not exist", hint="make it first")
    if types is None:
        rows = list(rows)
        columns = list(dict.fromkeys(name for row in rows for name in row))
    else:
        columns = list(types)
    fresh = temporary(path)
    write = {".csv": _write_csv, ".jsonl": _write_jsonl}.get(ending)
    try:
        with writing(str(path)):
            count = write(rows, fresh, columns) if write else _write_parquet(rows, fresh, columns, types)
            os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _write_csv(rows: Iterable[Row], path: Path, columns: list[str]) -> int:
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, columns, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: "" if value is None else value for name, value in row.items()})
            count += 1
    return count


def _write_jsonl(rows: Iterable[Row], path: Path, columns: list[str]) -> int:
    count = 0
    with open(path, "w", encoding="utf-8") as f:
        for row in rows:
            f.write(json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(rows: Iterable[Row], path: Path, columns: list[str], types: dict[str, type] | None) -> int:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as e:
        raise StarError(
            "writing parquet needs pyarrow, which is not installed",
            hint=f"{command('pandas')}, or write a .csv or .jsonl file",
        ) from e
    arrow = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    chunks = _chunks(rows)
    first = next(chunks, [])
    schema = (
        pyarrow.schema([(name, arrow[kind]) for name, kind in types.items()])
        if types is not None
        else pyarrow.Table.from_pylist([{c: row.get(c) for c in columns} for row in first]).schema
    )
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for chunk in chain([first], chunks) if types is not None else [list(chain(first, *chunks))]:
            writer.write_table(pyarrow.Table.from_pylist([{c: r.get(c) for c in columns} for r in chunk], schema))
            count += len(chunk)
    return count


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
