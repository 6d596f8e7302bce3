"""Whether a gold query has one right result: it is run on copies of its database with the rows in other orders.

A copy lies in memory and has neither keys nor indexes, so rows come in the order they were put in. What changes with
that order was never asked for: a tie cut by LIMIT, equal sort keys, a bare column that is not constant in its group.
Groups come sorted whatever the order of the rows, so ties of groups are looked for in the sort keys themselves.
"""

from __future__ import annotations

import random
import sqlite3
from functools import lru_cache
from pathlib import Path

from star_cli.lib.sql.execute import BadDatabase, Failed, Limits, Result, connect, query, run
from star_cli.lib.sql.results import Rules, same
from star_cli.lib.sql.text import ordered, tokens

LARGEST = 16 << 20  # bytes of a database that is copied; above it nothing is checked
ORDERS = ("reversed", "shuffled 1", "shuffled 2", "shuffled 3")
CLOCK = ("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP")


def flags(path: Path, sql: str, deadline: float, limits: Limits | None = None) -> list[str]:
    """What is not determined about a query's result on one database: limit_tie, bare_column, order_tie, clock.

    ``deadline`` is in seconds of ``time.monotonic``. A database above 16 MiB is looked at for ``clock`` alone. Raises
    Failed where the query gives no result.
    """
    limits = limits or Limits()
    clock = ["clock"] if any(t.word in CLOCK or t.value.lower() == "'now'" for t in tokens(sql)) else []
    result = run(path, sql, deadline, limits)
    if path.stat().st_size > LARGEST:
        return clock
    tie = _tie(path, sql, result, deadline, limits)
    if tie:
        return [*clock, tie]
    rules, lists = Rules(columns="same"), ordered(sql)
    for order in ORDERS:
        try:
            other = query(reordered_copy(path, order), sql, deadline, limits, str(path))
        except Failed:
            return clock  # it has a result; that a copy gives none in time, or lacks an index it names, says nothing
        if same(result, other, lists, rules):
            continue
        if lists and same(result, other, False, rules):
            return [*clock, "order_tie"]
        return [*clock, _limit_or_column(path, sql, order, deadline, limits)]
    return clock


def _limit_or_column(path: Path, sql: str, order: str, deadline: float, limits: Limits) -> str:
    """limit_tie where the result is determined without the final LIMIT, else bare_column."""
    whole = without_limit(sql)
    if whole is None:
        return "limit_tie" if any(t.word == "LIMIT" for t in tokens(sql)) else "bare_column"
    try:
        first = run(path, whole, deadline, limits)
        other = query(reordered_copy(path, order), whole, deadline, limits, str(path))
    except Failed:
        return "limit_tie"
    return "limit_tie" if same(first, other, False, Rules(columns="same")) else "bare_column"


def _tie(path: Path, sql: str, result: Result, deadline: float, limits: Limits) -> str | None:
    """limit_tie or order_tie where rows that differ have equal sort keys; None where not, or where it is unknown."""
    keyed = with_keys(sql)
    if keyed is None:
        return None
    try:
        rows = run(path, keyed, deadline, limits).rows
    except Failed:
        return None
    width, kept = len(result.columns), len(result.rows)
    for i, (row, after) in enumerate(zip(rows, rows[1:], strict=False), 1):
        if row[width:] == after[width:] and row[:width] != after[:width] and i <= kept:
            return "limit_tie" if i == kept < len(rows) else "order_tie"
    return None


def with_keys(sql: str) -> str | None:
    """The query without its LIMIT, its sort keys as further columns; None where that cannot be written."""
    words, depth = list(tokens(sql)), 0
    places: dict[str, tuple[int, int]] = {}  # of a clause's word in the text, and among the tokens
    for i, token in enumerate(words):
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0 and token.word in ("UNION", "INTERSECT", "EXCEPT", "DISTINCT", "WITH", "OFFSET"):
            return None
        if depth == 0 and token.word in ("FROM", "ORDER", "LIMIT", ";"):
            places.setdefault(token.word, (token.at, i))
    if "FROM" not in places or "ORDER" not in places:
        return None
    start, end = places["ORDER"][1] + 2, len(words)
    stop = min([at for word, (at, _) in places.items() if word in ("LIMIT", ";")], default=len(sql))
    keys, depth = [], 0
    for i in range(start, end):
        token = words[i]
        if token.at >= stop:
            break
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0 and token.word in ("ASC", "DESC", "COLLATE", "NULLS", "FIRST", "LAST", "NOCASE"):
            continue
        keys.append(token.value)
    at = places["FROM"][0]
    return f"{sql[:at]}, {' '.join(keys)} {sql[at:stop]}"


def without_limit(sql: str) -> str | None:
    """The query without its outermost LIMIT; None where it has none."""
    depth, at = 0, None
    for token in tokens(sql):
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0 and token.word == "LIMIT":
            at = token.at
    return sql[:at].rstrip() if at is not None else None


def reordered_copy(path: Path, order: str) -> sqlite3.Connection:
    """A copy in memory of a database with the rows of every table in another order, one of ``ORDERS``.

    Copies are kept; where SQLite's memory is full of them, the others are given up. Raises BadDatabase.
    """
    for _ in range(2):
        try:
            return _copy(str(path), path.stat().st_mtime_ns, order)
        except MemoryError:
            _copy.cache_clear()
    raise BadDatabase(f"the database {path} needs too much memory to be copied")


@lru_cache(maxsize=40)
def _copy(name: str, changed: int, order: str) -> sqlite3.Connection:
    source, target = connect(Path(name)), sqlite3.connect(":memory:", isolation_level=None)
    target.text_factory = source.text_factory
    try:
        for (table,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = source.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
            definitions = ", ".join(f"{_quoted(c[1])} {c[2]}" for c in columns)
            rows = source.execute(f"SELECT * FROM {_quoted(table)}").fetchall()
            rows.reverse() if order == "reversed" else random.Random(f"{order}{table}").shuffle(rows)
            if table.lower().startswith("sqlite_"):
                continue  # SQLite keeps these itself
            target.execute(f"CREATE TABLE {_quoted(table)} ({definitions})")
            target.executemany(f"INSERT INTO {_quoted(table)} VALUES ({', '.join('?' * len(columns))})", rows)
        for (view,) in source.execute("SELECT sql FROM sqlite_master WHERE type = 'view'").fetchall():
            target.execute(view)
    except sqlite3.Error as e:
        raise BadDatabase(f"the database {name} cannot be copied: {e}") from None
    finally:
        source.close()
    return target


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
