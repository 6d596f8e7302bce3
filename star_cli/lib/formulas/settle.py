r"""What a reading comes to: names set apart, ± written out, calculations ended.

``x = 5 + 2 = 7`` is Named x with the value 7, ``x = 1, y = 4`` a Mapping, ``1 \pm 2`` the list of 3 and -1,
``48 + 24 = 72`` the number 72; ``3x + 2y = 8`` stays an equation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from star_cli.lib.formulas import values
from star_cli.lib.formulas.decimals import number
from star_cli.lib.formulas.exact import Undecided, expanded, variables
from star_cli.lib.formulas.kinds import Relation, Scalar, Sequence, Term, Words
from star_cli.lib.formulas.latex import NotFormula

TRIG = ("sin", "cos", "tan", "cot", "sec", "csc")
MANY = 60  # elements of a list


@dataclass(frozen=True)
class Named:
    """``x = 5``: a value and the name it is given, or names of a tuple's entries."""

    name: str
    value: Any


@dataclass(frozen=True)
class Mapping:
    """``x = 1, y = 4`` or ``(x, y) = (1, 4)``: several named values, as they stand; ``joint``: named together."""

    values: tuple[tuple[str, Any], ...]
    joint: bool = False

    @property
    def by_name(self) -> tuple[tuple[str, Any], ...]:
        """The values in the order of their names."""
        return tuple(sorted(self.values, key=lambda pair: pair[0]))


def settled(kind: Any) -> Any:
    """A reading with its names set apart, its ± written out and its calculations ended."""
    if isinstance(kind, Relation):
        return _relation(kind)
    if isinstance(kind, Scalar):
        terms = expanded(kind.term) if _has_sign(kind.term) else [kind.term]
        return kind if len(terms) == 1 else Sequence("", "", tuple(replace(kind, term=t) for t in terms), "or")
    if isinstance(kind, Sequence):
        return _sequence(kind)
    return kind


def _has_sign(term: Term) -> bool:
    return term[0] in ("±", "∓") or any(_has_sign(p) for p in term[1:] if isinstance(p, tuple))


def _relation(kind: Relation) -> Any:
    sides, ops = [settled(s) for s in kind.sides], list(kind.ops)
    if "≈" in ops:
        first = ops.index("≈")
        if first == 0 and name_of(sides[0]) is not None:
            ops = ["=" if o == "≈" else o for o in ops]
        else:
            sides, ops = sides[: first + 1], ops[:first]
    if not ops and kind.modulus is None:
        return sides[0]
    if kind.modulus is not None or "≡" in ops:
        return Relation(tuple(sides), tuple(ops), kind.modulus)
    if set(ops) == {"="}:
        return _equation(sides)
    if ops == ["∈"] and (name := name_of(sides[0])) is not None:
        return Named(name, sides[1])
    if any(not isinstance(s, Scalar) for s in sides):
        raise NotFormula("a relation of sets")
    return Relation(tuple(sides), tuple(ops))


def _equation(sides: list[Any]) -> Any:
    name = name_of(sides[0])
    if name is not None:
        return _named(name, sides[0], sides[-1])
    constant = all(isinstance(s, Scalar) and not variables(s.term) for s in sides)
    if constant:
        return _calculated(sides[0], sides[-1])
    if len(sides) == 2 and (name := name_of(sides[1])) is not None:
        return _named(name, sides[1], sides[0])
    if all(isinstance(s, Scalar) for s in sides):
        if values.equal(sides[0].term, sides[-1].term):
            return sides[-1]  # an identity: the value in two forms
        if len(sides) == 2:
            return Relation(tuple(sides), ("=",))
    raise NotFormula("a chain of equations")


def _calculated(first: Scalar, last: Scalar) -> Scalar:
    """What "48 + 24 = 72" comes to; where the end is a rounded decimal, its beginning. Raises NotFormula for 2 = 3."""
    if first.percent != last.percent:
        shares = [("pct", s.term) if s.percent else s.term for s in (first, last)]
        if not values.equal(*shares) and not values.equal(first.term, last.term):
            raise NotFormula("sides that are not equal")
        return last
    if values.equal(first.term, last.term) or first.unit != last.unit:
        return last
    try:
        difference = abs(number(first.term) - number(last.term))
        if last.digits and difference <= Fraction(1, 10 ** decimals_of(last.term)):
            return first
    except (Undecided, TypeError):
        pass
    raise NotFormula("sides that are not equal")


def _named(name: str, side: Any, value: Any) -> Any:
    if isinstance(side, Sequence) and isinstance(value, Sequence) and value.opening in ("(", "⟨"):
        if (value.opening, value.closing) not in (("(", ")"), ("⟨", "⟩")) or len(side.items) != len(value.items):
            raise NotFormula("names that do not fit the values")
        names = [name_of(i) for i in side.items]
        return Mapping(tuple(zip(map(str, names), value.items, strict=True)), True)
    return Named(name, value)


def name_of(side: Any) -> str | None:
    """The name of what an equation gives a value: a letter, f(x), a segment AB, an angle, words; else None."""
    if isinstance(side, Words):
        return side.text.casefold()
    if isinstance(side, Sequence) and side.opening in ("(", "⟨"):
        names = [name_of(i) for i in side.items]
        return None if None in names else ",".join(map(str, names))
    if not isinstance(side, Scalar) or side.unit is not None or side.percent:
        return None
    return letter_of(side.term)


def letter_of(term: Term) -> str | None:
    if term[0] == "v":
        return str(term[1])
    if term[0] == "*":  # the segment AB
        parts = [letter_of(t) for t in term[1:]]
        return "".join(map(str, parts)) if all(p and p.isupper() and p.isalpha() for p in parts) else None
    if term[0] == "/":  # the ratio NO/BO of two segments
        parts = [letter_of(t) for t in term[1:]]
        return "/".join(map(str, parts)) if all(p and p.isupper() and len(p) > 1 for p in parts) else None
    if term[0] == "f" and term[1] in TRIG and term[2][0] == "v":
        return f"{term[1]}({term[2][1]})"
    if term[:2] == ("f", "abs") and term[2][0] == "*":
        return letter_of(term[2])
    return None


def _sequence(kind: Sequence) -> Any:
    if len(kind.items) > MANY:
        raise NotFormula("a long list")
    items = [settled(i) for i in kind.items]
    if not kind.opening or kind.opening == "\\{":
        flat: list[Any] = []
        for item in items:
            flat.extend(item.items if isinstance(item, Sequence) and not item.opening else [item])
        if not kind.opening:
            return _listed(flat, kind.word)
        if kind.opening == "\\{" and any(isinstance(i, Named) for i in flat):
            raise NotFormula("a set of equations")
        return Sequence(kind.opening, kind.closing, tuple(flat), kind.word)
    if any(isinstance(i, Sequence) and not i.opening for i in items):  # (±1, 2) is two tuples
        choices = [i.items if isinstance(i, Sequence) and not i.opening else (i,) for i in items]
        tuples = [Sequence(kind.opening, kind.closing, c) for c in product(*choices)]
        if len(tuples) > MANY:
            raise NotFormula("a long list")
        return Sequence("", "", tuple(tuples), "or")
    if any(isinstance(i, (Named, Mapping, Relation, Words)) for i in items):
        raise NotFormula("a tuple of equations")
    return Sequence(kind.opening, kind.closing, tuple(items))


def _listed(items: list[Any], word: str) -> Any:
    """A bare list: of named values a mapping, of one name's values a named list, else as it is."""
    if any(isinstance(i, Mapping) for i in items):
        return Sequence("", "", tuple(_named_alike(items)), word)
    named = [i for i in items if isinstance(i, Named)]
    if not named:
        return Sequence("", "", tuple(items), word)
    names = {n.name for n in named}
    if len(names) == 1 and isinstance(items[0], Named):
        if len(named) == len(items) or all(isinstance(i, Scalar) for i in items[1:]):
            found: list[Any] = []
            for item in items:
                value = item.value if isinstance(item, Named) else item
                found.extend(value.items if isinstance(value, Sequence) and not value.opening else [value])
            return Named(named[0].name, Sequence("", "", tuple(found), word))
        raise NotFormula("a list of equations and values")
    if len(names) == len(items) and word != "or":
        return Mapping(tuple((n.name, n.value) for n in named))
    size = len(names)
    if len(named) == len(items) and all(n.name == named[i % size].name for i, n in enumerate(named)):
        solutions = [named[i : i + size] for i in range(0, len(named), size)]  # p=5, q=2; p=7, q=2
        return Sequence("", "", tuple(Mapping(tuple((n.name, n.value) for n in s)) for s in solutions), "or")
    return Sequence("", "", tuple(items), word)  # equations of several kinds


def _named_alike(items: list[Any]) -> list[Any]:
    """Solutions of which the first is named, the others as it is: (x, y) = (5, 8), (8, 5). Raises NotFormula."""
    first = items[0]
    found: list[Any] = []
    for item in items:
        if isinstance(item, Mapping):
            found.append(item)
        elif (
            isinstance(first, Mapping)
            and first.joint
            and isinstance(item, Sequence)
            and item.opening in ("(", "⟨")
            and len(item.items) == len(first.values)
        ):
            names = [name for name, _ in first.values]
            found.append(Mapping(tuple(zip(names, item.items, strict=True)), True))
        else:
            raise NotFormula("a list of equations and values")
    return found


def decimals_of(term: Term) -> int:
    """The places after the point of a decimal number."""
    while term[0] == "neg":
        term = term[1]
    places = 0
    while places < 60 and term[0] == "n" and (term[1] * 10**places).denominator != 1:
        places += 1
    return places
