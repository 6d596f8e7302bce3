"""What a text's SQL gave beside what the gold query gives: both results side by side where they differ, or the
error.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from star_cli.core.records import Problem
from star_cli.errors import StarError
from star_cli.lib.sql.execute import Failed, Result, instances, run
from star_cli.lib.sql.files import address_of_scripts, locate
from star_cli.lib.sql.results import same
from star_cli.lib.sql.text import ordered, sql_of
from star_cli.report.text import one_line

SECONDS = 2.0  # for each query
WALL = 30.0  # for all of one sample's, start of a process included
ROWS, WIDTH, CELL = 8, 44, 18  # rows shown of a result, characters of a side and of a cell


def is_sql(problem: Problem) -> bool:
    """Whether a problem's answer is SQL on a database that it names."""
    return bool(problem.meta.get("database") or problem.meta.get("tables")) and problem.answer.lstrip()[:6].upper() in (
        "SELECT",
        "WITH",
    )


@dataclass(frozen=True)
class SqlResults:
    """What a text's SQL gave beside what the gold query gives.

    ``sql`` is None where the text holds none; ``error`` is why there is nothing to compare. ``expected`` and ``found``
    are the results on ``instance``: the first database where they differ, or the first one of ``instances``.
    """

    sql: str | None
    gold: str
    flags: list[str] = field(default_factory=list)
    error: str = ""
    instance: str = ""
    instances: int = 0
    equal: bool = False
    expected: Result | None = None
    found: Result | None = None


def sql_results(problem: Problem, text: str) -> SqlResults:
    """Run the SQL of a text and the gold query, both read-only and in a process of their own."""
    sql, _ = sql_of(text)
    bare = SqlResults(sql, problem.answer, list(problem.meta.get("flags") or []))
    try:
        tables = problem.meta.get("tables")
        paths = instances(
            locate(
                address_of_scripts("given", [tables] if isinstance(tables, str) else list(tables))
                if tables
                else str(problem.meta["database"])
            )
        )
    except (Failed, StarError) as e:
        return replace(bare, error=f"not shown: {e}")
    return bare if sql is None else _in_own_process(paths, bare)


def execution(problem: Problem, text: str) -> list[tuple[str, str]]:
    """(name, text) fields: the SQL, the first instance where results differ (or the first), both results, the error."""
    r = sql_results(problem, text)
    fields = [("sql", r.sql if r.sql is not None else "none found"), ("gold sql", r.gold)]
    if r.flags:
        fields.append(("note", f"the gold's result is not the only right one: {', '.join(r.flags)}"))
    if r.error:
        fields.append(("results" if r.error.startswith("not shown") else "error", r.error))
    if r.expected is None or r.found is None:
        return fields
    if not r.equal:
        rows = f"rows: {len(r.expected.rows):,} expected, {len(r.found.rows):,} found"
        return [*fields, ("results", f"different on {r.instance}, {rows}"), ("", side_by_side(r.expected, r.found))]
    where = f"all {r.instances} instances; on {r.instance}:" if r.instances > 1 else r.instance
    return [*fields, ("results", f"equal on {where}"), ("", result_text(r.expected))]


def _in_own_process(paths: list[Path], bare: SqlResults) -> SqlResults:
    """``_compare_results`` in a process that is killed when it takes too long: some SQL looks at no clock."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # leaving it kills what still runs
        try:
            return pool.apply_async(_compare_results, (paths, bare)).get(timeout=WALL)
        except multiprocessing.TimeoutError:
            return replace(bare, error=f"took longer than {WALL:g} s")


def _compare_results(paths: list[Path], bare: SqlResults) -> SqlResults:
    """What both queries give on the first instance where they differ, else on the first."""
    assert bare.sql is not None
    compared: SqlResults | None = None
    for path in paths:
        expected, found = _run(path, bare.gold), _run(path, bare.sql)
        if isinstance(found, str):
            return replace(bare, error=f"{found} (on {path.name})")
        if isinstance(expected, str):
            return replace(bare, error=f"the gold query: {expected} (on {path.name})")
        equal = same(expected, found, ordered(bare.gold))
        if compared is None or not equal:
            compared = replace(
                bare, instance=path.name, instances=len(paths), equal=equal, expected=expected, found=found
            )
        if not equal:
            return compared
    return compared or bare


def _run(path: Path, sql: str) -> Result | str:
    try:
        return run(path, sql, time.monotonic() + SECONDS)
    except Failed as e:
        return e.why


def result_text(result: Result) -> str:
    """One result as lines."""
    return "\n".join(_lines(result))


def side_by_side(gold: Result, result: Result) -> str:
    """Two results next to each other; a mark between lines that differ."""
    left, right = ["expected", *_lines(gold)], ["found", *_lines(result)]
    width = max(len(x) for x in left)
    return "\n".join(
        f"{a:<{width}} {'|' if a == b or i < 1 else '≠'} {b}".rstrip()
        for i, (a, b) in enumerate(zip_longest(left, right, fillvalue=""))
    )


def _lines(result: Result) -> list[str]:
    rows = [tuple(map(_cell, row)) for row in result.rows[:ROWS]]
    heads = tuple(_cell(c) for c in result.columns)
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    lines = [
        "  ".join(f"{v:<{w}}" for v, w in zip(row, widths, strict=True))[:WIDTH].rstrip() for row in [heads, *rows]
    ]
    return lines + [f"... {len(result.rows) - ROWS:,} more"] * (len(result.rows) > ROWS) + ["(no rows)"] * (not rows)


def _cell(value: Any) -> str:
    text = "NULL" if value is None else f"{value:.6g}" if isinstance(value, float) else one_line(str(value))
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
