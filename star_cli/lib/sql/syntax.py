"""The structure of a SELECT as ``parse`` reads it: queries, conditions and expressions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

AGGREGATES = ("max", "min", "count", "sum", "avg")
COMPARE = ("=", "==", "<>", "!=", "<", ">", "<=", ">=")
SETS = ("UNION", "INTERSECT", "EXCEPT")


@dataclass(frozen=True)
class Expr:
    """An expression: a column, value, call, sign, query, list or case, as ``kind`` says.

    ``name`` is the column, function or sign; ``parts`` are the expressions (of a case also conditions, of a query the
    Query) inside it. ``distinct`` marks count(DISTINCT x), and of a column that it was written in quotes.
    """

    kind: str
    name: str = ""
    parts: tuple[Any, ...] = ()
    distinct: bool = False


@dataclass(frozen=True)
class Test:
    """One condition: ``left`` ``op`` ``right``, as in ``age > 3``; ``negated`` where NOT stands before it."""

    op: str
    left: Expr | None
    right: tuple[Expr, ...]
    negated: bool = False


@dataclass
class Query:
    """One SELECT; ``then`` is (UNION, INTERSECT or EXCEPT, the query after it)."""

    distinct: bool = False
    items: list[Expr] = field(default_factory=list)
    sources: list[tuple[str, Any]] = field(default_factory=list)  # (alias, table name or Query)
    on: list[Test] = field(default_factory=list)
    where: list[Test] = field(default_factory=list)
    group: list[Expr] = field(default_factory=list)
    having: list[Test] = field(default_factory=list)
    order: list[tuple[Expr, bool]] = field(default_factory=list)  # (expression, descending)
    limit: Expr | None = None
    ors: list[str] = field(default_factory=list)  # for every OR the clause it stands in
    then: tuple[str, Query] | None = None
