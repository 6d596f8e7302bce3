r"""Sets of real numbers: intervals, unions, finite sets and inequalities in one letter, compared as sets.

``(-\infty, 3) \cup (3, \infty)``, ``x \ne 3`` and ``\mathbb{R} \setminus \{3\}`` are one set. The boundaries of both
sets cut the line into points and stretches; two sets are equal where they hold the same of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from star_cli.lib.formulas import values
from star_cli.lib.formulas.decimals import number
from star_cli.lib.formulas.exact import expanded, variables
from star_cli.lib.formulas.kinds import Combined, Relation, Scalar, Sequence, Term
from star_cli.lib.formulas.latex import NotFormula
from star_cli.lib.formulas.solve import solved

MANY = 40  # boundaries


@dataclass(frozen=True)
class _Line:
    """The boundaries in their order: places 1, 3, 5, ... are the boundaries, 0, 2, 4, ... what lies between them."""

    ends: tuple[Term, ...]

    def place(self, term: Term) -> int:
        sign = infinite(term)
        if sign:
            return -1 if sign < 0 else 2 * len(self.ends) + 1
        return next(2 * i + 1 for i, end in enumerate(self.ends) if end == term or values.equal(end, term))

    def between(self, low: int, high: int, closed: tuple[bool, bool]) -> frozenset[int]:
        """The places from one place to another."""
        if low > high or (low == high and not all(closed)):
            raise NotFormula("an interval whose end lies before its beginning")
        return frozenset(range(low + (not closed[0]), high + closed[1])) & self.everything

    @property
    def everything(self) -> frozenset[int]:
        return frozenset(range(2 * len(self.ends) + 1))


def infinite(term: Term) -> int:
    """1 for infinity, -1 for minus infinity, else 0."""
    if term == ("c", "inf"):
        return 1
    return -infinite(term[1]) if term[0] == "neg" else 0


def set_like(kind: Any) -> bool:
    """Whether a reading can only be a set of real numbers: a union, an inequality, a half-open interval."""
    if isinstance(kind, Combined):
        return True
    if isinstance(kind, Relation):
        return kind.modulus is None
    if not isinstance(kind, Sequence):
        return False
    if not kind.opening:
        return kind.word in ("or", "and") and all(isinstance(i, Relation) for i in kind.items)
    return (kind.opening, kind.closing) in (("(", "]"), ("[", ")")) or (
        len(kind.items) == 2 and any(isinstance(i, Scalar) and infinite(i.term) for i in kind.items)
    )


def same_set(gold: tuple[str | None, Any], answer: tuple[str | None, Any]) -> bool:
    """Whether two sets are equal; each is (the letter it is said of, or None, and the reading).

    Raises NotFormula or Undecided where one is no set that can be compared.
    """
    names = {name for said, kind in (gold, answer) for name in (said, _letter_of(kind)) if name is not None}
    if len(names) > 1:
        return False
    found: list[Term] = []
    kinds = [solved(kind) for _, kind in (gold, answer)]
    for kind in kinds:
        _collect(kind, found)
    line = _Line(_sorted(found))
    return _members(kinds[0], line) == _members(kinds[1], line)


def _letter_of(kind: Any) -> str | None:
    """The letter that inequalities speak of. Raises NotFormula where there are several."""
    if isinstance(kind, Relation):
        names = set().union(*(variables(s.term) for s in kind.sides if isinstance(s, Scalar)))
        if len(names) != 1:
            raise NotFormula("an inequality of several letters")
        return str(names.pop())
    if isinstance(kind, Sequence) and not kind.opening:
        found = {_letter_of(i) for i in kind.items if isinstance(i, Relation)}
        if len(found) > 1:
            raise NotFormula("inequalities of several letters")
        return found.pop() if found else None
    return None


def _collect(kind: Any, found: list[Term]) -> None:
    if isinstance(kind, Combined):
        if kind.first != "R":
            _collect(kind.first, found)
        for _, part in kind.rest:
            _collect(part, found)
    elif isinstance(kind, Relation):
        for side in kind.sides:
            if isinstance(side, Scalar) and side.term[0] != "v":
                _collect(side, found)
    elif isinstance(kind, Sequence):
        for item in kind.items:
            _collect(item, found)
    elif isinstance(kind, Scalar):
        if kind.unit is not None or kind.percent or variables(kind.term):
            raise NotFormula("a boundary with a unit or a letter")
        if not infinite(kind.term):
            found.extend(expanded(kind.term))
        if len(found) > MANY:
            raise NotFormula("too many boundaries")
    else:
        raise NotFormula("no set of numbers")


def _sorted(terms: list[Term]) -> tuple[Term, ...]:
    order = sorted(((number(t), i, t) for i, t in enumerate(terms)), key=lambda x: (x[0], x[1]))
    found: list[Term] = []
    for _, _, term in order:
        if not found or not (found[-1] == term or values.equal(found[-1], term)):
            found.append(term)
    return tuple(found)


def _members(kind: Any, line: _Line) -> frozenset[int]:
    """The places of the line that a set holds."""
    if isinstance(kind, Combined):
        found = line.everything if kind.first == "R" else _members(kind.first, line)
        for op, part in kind.rest:
            other = _members(part, line)
            found = found | other if op == "∪" else found & other if op == "∩" else found - other
        return found
    if isinstance(kind, Relation):
        return _satisfying(kind, line)
    if isinstance(kind, Scalar):
        return frozenset(line.place(t) for t in expanded(kind.term))
    if not isinstance(kind, Sequence):
        raise NotFormula("no set of numbers")
    if kind.opening in ("(", "["):
        if len(kind.items) != 2 or not all(isinstance(i, Scalar) for i in kind.items):
            raise NotFormula("no interval")
        low, high = (line.place(i.term) for i in kind.items)
        if (kind.opening == "[" and low < 0) or (kind.closing == "]" and high >= 2 * len(line.ends) + 1):
            raise NotFormula("an interval that holds infinity")
        return line.between(low, high, (kind.opening == "[", kind.closing == "]"))
    parts = [_members(i, line) for i in kind.items]
    if any(isinstance(i, Relation) for i in kind.items) and kind.word not in ("or", "and"):
        raise NotFormula("inequalities with a comma between")
    if any(isinstance(i, Sequence) and i.opening in ("(", "[") and not set_like(i) for i in kind.items):
        raise NotFormula("brackets in a list that may be points")
    if kind.word == "and" and parts and all(isinstance(i, Relation) for i in kind.items):
        return frozenset.intersection(*parts)
    return frozenset().union(*parts)


def _satisfying(kind: Relation, line: _Line) -> frozenset[int]:
    """Where ``a < x <= b`` holds: between two sides one must be the letter."""
    found = line.everything
    for left, op, right in zip(kind.sides[:-1], kind.ops, kind.sides[1:], strict=True):
        if not isinstance(left, Scalar) or not isinstance(right, Scalar) or op not in "<>≤≥≠":
            raise NotFormula("no inequality of a letter")
        if (left.term[0] == "v") == (right.term[0] == "v"):
            raise NotFormula("no inequality of a letter")
        here = line.place(right.term if left.term[0] == "v" else left.term)
        if op == "≠":
            found -= {here}
            continue
        below = (op in "<≤") == (left.term[0] == "v")  # x < a, or a > x
        half = frozenset(i for i in line.everything if (i < here if below else i > here) or (i == here and op in "≤≥"))
        found &= half
    return found
