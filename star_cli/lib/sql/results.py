"""Comparing results of queries by stated rules, and a short name that equal results share."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from star_cli.lib.sql.execute import Result

Row = tuple[Any, ...]
WORK = 500_000  # rows looked at in trying column orders, before two results count as different


@dataclass(frozen=True)
class Rules:
    """The rules by which two results are equal.

    ``columns``: "any" order of them, or the "same". ``duplicates``: whether repeated rows count. ``nulls``: NULL is
    "distinct" from everything else, or like "empty" text. ``affinity``: "strict" keeps the text '1' apart from the
    number 1, "loose" does not. Numbers are equal by value (1 and 1.0) within a relative ``tolerance``.
    """

    columns: str = "any"
    duplicates: bool = True
    nulls: str = "distinct"
    affinity: str = "strict"
    tolerance: float = 1e-6


def comparable(value: Any, rules: Rules) -> Any:
    """A value in the form in which it is compared: (kind, value), so that values of all kinds sort."""
    if value is None:
        return ("text", "") if rules.nulls == "empty" else ("", "")
    if isinstance(value, bytes):
        return ("blob", value.hex())
    if isinstance(value, str):
        number = _number(value) if rules.affinity == "loose" else None
        return ("text", value) if number is None else ("number", number)
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return ("number", int(value))
    return ("number", value)


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def same(gold: Result, other: Result, ordered: bool, rules: Rules | None = None) -> bool:
    """Whether two results are equal: as lists where ``ordered``, else as multisets (sets without ``duplicates``)."""
    rules = rules or Rules()
    if len(gold.columns) != len(other.columns):
        return False
    a, b = (_rows(r, rules) for r in (gold, other))
    if rules.duplicates and len(a) != len(b):
        return False
    if _equal(a, b, ordered, rules):
        return True
    if rules.columns != "any" or len(gold.columns) < 2:
        return False
    return any(_equal(a, [tuple(row[i] for i in order) for row in b], ordered, rules) for order in _orders(a, b, rules))


def _rows(result: Result, rules: Rules) -> list[Row]:
    return [tuple(comparable(v, rules) for v in row) for row in result.rows]


def _equal(a: list[Row], b: list[Row], ordered: bool, rules: Rules) -> bool:
    if ordered:
        a, b = ([*dict.fromkeys(a)], [*dict.fromkeys(b)]) if not rules.duplicates else (a, b)
        return len(a) == len(b) and all(_close(x, y, rules) for x, y in zip(a, b, strict=True))
    if (Counter(a) == Counter(b)) if rules.duplicates else (set(a) == set(b)):
        return True
    if not any(isinstance(v, float) for row in a for _, v in row) and not any(
        isinstance(v, float) for row in b for _, v in row
    ):
        return False
    x, y = (sorted(rows if rules.duplicates else set(rows), key=_coarse) for rows in (a, b))
    return len(x) == len(y) and all(_close(p, q, rules) for p, q in zip(x, y, strict=True))


def _coarse(row: Row) -> Row:
    """A sorting key that numbers nearly equal share, unless they straddle a boundary."""
    return tuple((kind, float(f"{v:.4g}") if kind == "number" else v) for kind, v in row) + tuple(row)


def _close(x: Row, y: Row, rules: Rules) -> bool:
    """Whether two rows are equal: fractions within the tolerance, whole numbers (ids, counts, sums) only by value."""
    return all(
        p == q
        or (
            p[0] == q[0] == "number"
            and (isinstance(p[1], float) or isinstance(q[1], float))
            and math.isclose(p[1], q[1], rel_tol=rules.tolerance, abs_tol=rules.tolerance * 1e-3)
        )
        for p, q in zip(x, y, strict=True)
    )


def _orders(a: list[Row], b: list[Row], rules: Rules) -> Iterator[Sequence[int]]:
    """The orders of b's columns in which every column could be a's: with the same values in it."""
    width = len(a[0]) if a else 0
    left, right = ([_column(rows, i, rules) for i in range(width)] for rows in (a, b))
    fits = [[j for j in range(width) if right[j] == left[i]] for i in range(width)]
    tried, limit = 0, max(24, WORK // max(1, len(a)))

    def extend(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        nonlocal tried
        if len(order) == width:
            tried += 1
            yield order
            return
        for j in fits[len(order)]:
            if j not in order and tried < limit:
                yield from extend((*order, j))

    if width and all(len(f) == left.count(left[i]) for i, f in enumerate(fits)):  # else no order fits
        yield from extend(())


def _column(rows: list[Row], i: int, rules: Rules) -> Any:
    values = [(kind, float(f"{v:.4g}") if isinstance(v, float) else v) for kind, v in (row[i] for row in rows)]
    return Counter(values) if rules.duplicates else frozenset(values)


def result_name(result: Result, ordered: bool, rules: Rules | None = None) -> str:
    """A short text that equal results share: their size, the first row and a hash, as in ``2x1 [Ann] 5f0c1d9a2b7e``.

    Votes by result count these names. Columns are put into a canonical order where ``rules.columns`` is any, and rows
    too unless ``ordered``.
    """
    rules = rules or Rules()
    rows = [
        tuple((kind, f"{v:.6g}" if isinstance(v, float) else str(v)) for kind, v in row) for row in _rows(result, rules)
    ]
    if not rules.duplicates:
        rows = list(dict.fromkeys(rows))
    width = len(result.columns)
    if rules.columns == "any" and rows:
        columns = sorted(range(width), key=lambda i: [r[i] for r in rows] if ordered else sorted(r[i] for r in rows))
        rows = [tuple(row[i] for i in columns) for row in rows]
    if not ordered:
        rows.sort()
    mark = hashlib.sha256(repr((width, ordered, rows)).encode("utf-8", "backslashreplace")).hexdigest()[:12]
    first = ", ".join(v if kind else "NULL" for kind, v in (rows[0] if rows else ()))
    first = first if len(first) <= 40 else first[:39] + "…"
    return f"{len(rows)}x{width} [{first}] {mark}" if rows else f"0x{width} {mark}"
