"""Arithmetic with matrices, entry by entry, on terms that are not computed."""

from __future__ import annotations

from typing import Any

from star_cli.lib.formulas.kinds import Matrix, Term
from star_cli.lib.formulas.latex import NotFormula

LARGEST = 200  # products of entries in one product of matrices


def each(matrix: Matrix, change: Any) -> Matrix:
    return Matrix(tuple(tuple(change(t) for t in row) for row in matrix.rows))


def added(a: Any, b: Any, op: str) -> Matrix:
    if not (isinstance(a, Matrix) and isinstance(b, Matrix)) or op not in "+-":
        raise NotFormula("a sum with a matrix")
    if (len(a.rows), len(a.rows[0])) != (len(b.rows), len(b.rows[0])):
        raise NotFormula("a sum of matrices of different forms")
    return Matrix(
        tuple(tuple((op, x, y) for x, y in zip(r, s, strict=True)) for r, s in zip(a.rows, b.rows, strict=True))
    )


def times(a: Any, b: Any, op: str) -> Matrix:
    if isinstance(a, tuple) and isinstance(b, Matrix) and op == "*":
        return each(b, lambda t: ("*", a, t))
    if isinstance(a, Matrix) and isinstance(b, tuple):
        return each(a, lambda t: (op, t, b))
    if not (isinstance(a, Matrix) and isinstance(b, Matrix)) or op != "*" or len(a.rows[0]) != len(b.rows):
        raise NotFormula("a product with a matrix")
    if len(a.rows) * len(b.rows[0]) * len(b.rows) > LARGEST:
        raise NotFormula("a product of large matrices")

    def entry(i: int, j: int) -> Term:
        found: Term = ("*", a.rows[i][0], b.rows[0][j])
        for k in range(1, len(b.rows)):
            found = ("+", found, ("*", a.rows[i][k], b.rows[k][j]))
        return found

    return Matrix(tuple(tuple(entry(i, j) for j in range(len(b.rows[0]))) for i in range(len(a.rows))))
