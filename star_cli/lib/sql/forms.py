"""Hardness and exact-set match of SQL, after the definitions of Spider's evaluation (Yu et al. 2018, section 6).

Hardness counts three groups of components: (1) WHERE, GROUP BY, ORDER BY, LIMIT, JOIN, OR, LIKE; (2) nested queries and
UNION, INTERSECT, EXCEPT; (3) more than one aggregate, selected column, WHERE condition or grouping column.

Exact-set match compares clause by clause as sets, without values and aliases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from star_cli.lib.sql.parse import parse
from star_cli.lib.sql.reader import Unparsed
from star_cli.lib.sql.syntax import AGGREGATES, Expr, Query, Test
from star_cli.lib.sql.text import flat

LEVELS = ("easy", "medium", "hard", "extra")


def hardness(sql: str) -> str | None:
    """easy, medium, hard or extra; None where the SQL cannot be parsed."""
    try:
        return level(parse(sql))
    except (Unparsed, RecursionError):
        return None


def level(q: Query) -> str:
    """The hardness of a parsed query, by the thresholds of Spider's evaluation script."""
    conditions = [*q.on, *q.where, *q.having]
    clauses = (
        bool(q.where)
        + bool(q.group)
        + bool(q.order)
        + (q.limit is not None)
        + max(0, len(q.sources) - 1)
        + len(q.ors)
        + sum(t.op == "like" for t in conditions)
    )
    nested = sum(e.kind == "query" for t in conditions for e in (t.left, *t.right) if e) + (q.then is not None)
    # of a condition the published evaluator counts its NOT here, and not the aggregate in it
    aggregates = (
        sum(map(_aggregated, q.items))
        + sum(t.negated for t in [*q.where, *q.having])
        + sum(_aggregated(e) for e in q.group)
        + sum(_aggregated(e) for e, _ in q.order)
    )
    others = (aggregates > 1) + (len(q.items) > 1) + (len(q.where) > 1) + (len(q.group) > 1)
    if clauses <= 1 and others == 0 and nested == 0:
        return "easy"
    if nested == 0 and ((others <= 2 and clauses <= 1) or (clauses <= 2 and others < 2)):
        return "medium"
    if (
        (nested == 0 and others > 2 and clauses <= 2)
        or (2 < clauses <= 3 and others <= 2 and nested == 0)
        or (clauses <= 1 and others == 0 and nested <= 1)
    ):
        return "hard"
    return "extra"


def _aggregated(e: Expr) -> int:
    """How many aggregates an expression applies, those between its signs included."""
    return int(e.kind == "call" and e.name in AGGREGATES) + sum(
        _aggregated(p) for p in e.parts if isinstance(p, Expr) and e.kind == "sign"
    )


def exact_match(gold: str, other: str, links: list[tuple[str, str]] | None = None) -> bool | None:
    """Whether two statements are equal clause by clause as sets; None where the gold cannot be parsed.

    ``links`` are pairs of columns ("table.column") joined by a foreign key: they count as one column.
    """
    if flat(gold) == flat(other):
        return True
    try:
        expected = normal_form(parse(gold), links or [])
    except (Unparsed, RecursionError):
        return None
    try:
        return bool(normal_form(parse(other), links or []) == expected)
    except (Unparsed, RecursionError):
        return False


def normal_form(q: Query, links: list[tuple[str, str]]) -> Any:
    """A query in a form that exactly matching queries share: nested tuples without values and aliases."""
    linked_name = _linked_names(links)
    tables = {alias: inner for alias, inner in q.sources if isinstance(inner, str)}
    only_table = next(iter(tables.values())) if len(tables) == 1 and len(q.sources) == 1 else ""

    def column(e: Expr) -> str:
        table, dot, name = e.name.rpartition(".")
        if name == "*":
            return "*"
        table = tables.get(table, table) if dot else only_table
        return linked_name(f"{table}.{name}" if table else name)

    def shape(e: Expr | None) -> Any:
        if e is None:
            return None
        if e.kind == "column":
            return "value" if e.distinct and not only_table and "." not in e.name else column(e)
        if e.kind == "value" or (e.kind == "list" and all(p.kind == "value" for p in e.parts)):
            return "value"
        if e.kind == "query":
            return normal_form(e.parts[0], links)
        if e.kind == "sign" and e.name in ("+", "*"):
            return (e.name, tuple(sorted(map(repr, (shape(p) for p in e.parts)))))
        return (e.kind, e.name, e.distinct, tuple(_part(p, shape) for p in e.parts))

    def right(e: Expr) -> Any:
        """The compared side: a column in double quotes is a text there."""
        return "value" if e.kind == "column" and e.distinct else shape(e)

    def tests(conditions: list[Test]) -> Any:
        return _multiset((t.op, t.negated, shape(t.left), tuple(map(right, t.right))) for t in conditions)

    sources = _multiset(inner if isinstance(inner, str) else normal_form(inner, links) for _, inner in q.sources)
    return (
        q.distinct,
        _multiset(map(shape, q.items)),
        sources,
        tests(q.where),
        _multiset(map(shape, q.group)),
        tests(q.having),
        tuple((shape(e), down) for e, down in q.order),
        q.limit is not None,
        _multiset(o for o in q.ors if o != "from"),
        (q.then[0], normal_form(q.then[1], links)) if q.then else None,
    )


def _part(part: Any, shape: Callable[[Expr | None], Any]) -> Any:
    return (part.op, part.negated, shape(part.left)) if isinstance(part, Test) else shape(part)


def _multiset(items: Iterable[Any]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(map(repr, items)).items()))


def _linked_names(links: list[tuple[str, str]]) -> Callable[[str], str]:
    """A function from a column's name to the one name of all columns that are linked to it (union-find)."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    for a, b in links:
        x, y = root(a.lower()), root(b.lower())
        parent[max(x, y)] = min(x, y)
    return root
