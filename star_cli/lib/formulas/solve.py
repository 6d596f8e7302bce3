r"""Inequalities in one letter brought to the form ``x < a``: linear ones, and absolute values of these.

``2x + 1 < 7`` becomes ``x < 3``, ``|x - 1| \ge 3`` the union of ``x \le -2`` and ``x \ge 4``.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from star_cli.lib.formulas import values
from star_cli.lib.formulas.decimals import number
from star_cli.lib.formulas.exact import variables
from star_cli.lib.formulas.kinds import Combined, Relation, Scalar, Sequence, Term

FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "≠": "≠"}
ZERO, ONE = ("n", Fraction(0)), ("n", Fraction(1))


def solved(kind: Any) -> Any:
    """A set of numbers with its inequalities solved for their letter where that is simple; else as it is.

    Raises Undecided where a coefficient has no certain sign.
    """
    if isinstance(kind, Combined):
        first = kind.first if kind.first == "R" else solved(kind.first)
        return Combined(first, tuple((op, solved(part)) for op, part in kind.rest))
    if isinstance(kind, Sequence) and not kind.opening:
        return replace(kind, items=tuple(solved(i) for i in kind.items))
    if not isinstance(kind, Relation) or kind.modulus is not None:
        return kind
    pairs = [_pair(left, op, right) for left, op, right in zip(kind.sides[:-1], kind.ops, kind.sides[1:], strict=True)]
    if all(p is None for p in pairs):
        return kind
    parts = [p if p is not None else Relation(kind.sides[i : i + 2], (kind.ops[i],)) for i, p in enumerate(pairs)]
    return parts[0] if len(parts) == 1 else Combined(parts[0], tuple(("∩", p) for p in parts[1:]))


def _pair(left: Any, op: str, right: Any) -> Any:
    """One inequality solved; None where it is solved already, or is not simple."""
    if op not in FLIPPED or not isinstance(left, Scalar) or not isinstance(right, Scalar):
        return None
    if left.unit is not None or right.unit is not None:
        return None
    names = variables(left.term) | variables(right.term)
    if len(names) != 1 or left.term[0] == "v" and not variables(right.term):
        return None
    if right.term[0] == "v" and not variables(left.term):
        return None
    name = names.pop()
    if variables(left.term) and not variables(right.term) and left.term[:2] == ("f", "abs"):
        return _absolute(left.term[2], op, right.term, name)
    if variables(right.term) and not variables(left.term) and right.term[:2] == ("f", "abs"):
        return _absolute(right.term[2], FLIPPED[op], left.term, name)
    return _linear(("-", left.term, right.term), op, name)


def _linear(term: Term, op: str, name: str) -> Relation | None:
    """``term op 0`` for a linear term."""
    low = at(term, name, ZERO)
    slope = ("-", at(term, name, ONE), low)
    if not values.equal(term, ("+", ("*", slope, ("v", name)), low)) or values.equal(slope, ZERO):
        return None
    op = op if number(slope) > 0 else FLIPPED[op]
    return Relation((Scalar(("v", name)), Scalar(("neg", ("/", low, slope)))), (op,))


def _absolute(inside: Term, op: str, bound: Term, name: str) -> Combined | None:
    """``|inside| op bound`` for a linear term inside and a bound above zero."""
    if not number(bound) > 0:
        return None
    below, above = _linear(("-", inside, bound), op, name), _linear(("+", inside, bound), FLIPPED[op], name)
    if below is None or above is None:
        return None
    return Combined(below, (("∩" if op in "<≤≠" else "∪", above),))


def at(term: Term, name: str, value: Term) -> Term:
    """A term with a value in place of a variable."""
    if term == ("v", name):
        return value
    return (term[0], *(at(p, name, value) if isinstance(p, tuple) else p for p in term[1:]))
