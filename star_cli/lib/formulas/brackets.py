r"""Reading brackets: one term, a tuple, an interval, a set, and the rows of a matrix."""

from __future__ import annotations

from typing import Any

from star_cli.lib.formulas.functions import FunctionReader
from star_cli.lib.formulas.kinds import Combined, Matrix, Relation, Scalar, Sequence, Term
from star_cli.lib.formulas.latex import NotFormula
from star_cli.lib.text.units import read_unit

CLOSES = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "⟨": "⟩", "⌊": "⌋", "⌈": "⌉"}


class BracketReader(FunctionReader):
    """Terms with brackets and matrices."""

    def group(self) -> Any:
        """What stands in brackets: one term, a tuple, an interval, a set."""
        opened = self.take("open")
        assert opened is not None
        self.deeper()
        opening = opened.value
        if self.take("close", CLOSES[opening]):
            self.need(opening == "\\{" or opening == "{", "empty brackets")
            self.depth -= 1
            return Sequence("\\{", "\\}", ())
        bars = self.tokens[self.at :]
        found = self.builder() if opening == "\\{" and any(t.value in "|:" for t in bars) else self.listed(opening)
        closed = self.take("close")
        self.need(closed is not None, "an open bracket before")
        assert closed is not None
        self.depth -= 1
        closing = closed.value
        fits = closing == CLOSES[opening]
        self.need(fits or {opening, closing} in ({"(", "]"}, {"[", ")"}), "brackets that do not fit:")
        if opening in ("⌊", "⌈"):
            self.need(isinstance(found, Scalar) and found.unit is None)
            return ("f", "floor" if opening == "⌊" else "ceil", found.term)
        if opening == "{":
            return _inner(found)
        if isinstance(found, Sequence) and not found.opening:
            return Sequence(opening, closing, found.items, found.word)
        if opening == "\\{":
            return found if isinstance(found, (Relation, Combined)) else Sequence(opening, closing, (found,))
        self.need(fits and opening in "([", "one term in")
        return _inner(found)

    def builder(self) -> Any:
        """The condition of ``{x | x > 3}``; else the elements of a set."""
        start, depth, digits = self.at, self.depth, self.digits
        if (
            self.take("name")
            and (self.sign("∈") is None or self.take("constant", "setR"))
            and (self.sign("|") or self.sign(":"))
        ):
            return self.listed("\\{")
        self.at, self.depth, self.digits = start, depth, digits
        return self.listed("\\{")

    def matrix(self) -> Any:
        begin = self.take("begin")
        assert begin is not None
        if "matrix" not in begin.value and begin.value != "array":
            raise NotFormula(begin.value)
        rows: list[list[Term]] = [[]]
        while not self.take("end"):
            if self.take("row"):
                rows.append([])
                continue
            if self.sign("&"):
                continue
            found = self.listed("end")
            self.need(isinstance(found, Scalar) and found.unit is None and not found.percent, "a matrix of")
            rows[-1].append(found.term)
            token = self.peek()
            self.need(token is not None and (token.kind in ("row", "end") or token.value == "&"), "a matrix with")
        if not rows[-1]:
            rows.pop()
        self.need(rows and len({len(r) for r in rows}) == 1 and rows[0], "a matrix without form")
        found_matrix = Matrix(tuple(tuple(r) for r in rows))
        if begin.value == "vmatrix":
            raise NotFormula("a determinant")
        return found_matrix


def _inner(found: Any) -> Any:
    """A group as a factor: its term where it is a plain one."""
    if isinstance(found, Scalar):
        if found.percent:
            return ("pct", found.term)
        if found.unit == read_unit("degree"):
            return ("deg", found.term)
        if found.unit is not None:
            raise NotFormula("a unit inside brackets")
        return found.term
    return found
