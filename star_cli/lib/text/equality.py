r"""When an answer equals the known one: kind by kind, as docs/grading.md has it in its table.

Tuples keep their order, sets and lists do not; ``x > 3`` equals ``(3, \infty)``; an equation equals its multiples;
``x = 5`` equals 5, but ``x + y = 5`` does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from star_cli.lib.text import values
from star_cli.lib.text.formulas import (
    Based,
    Clock,
    Combined,
    Matrix,
    NotFormula,
    Ratio,
    Relation,
    Scalar,
    Sequence,
    Term,
    Words,
    readings,
)
from star_cli.lib.text.numbers import same as same_number
from star_cli.lib.text.realsets import infinite, same_set, set_like

MANY = 60  # elements of a list that are compared
ROUNDED = 10  # significant digits above which a decimal stands for the value it is rounded from
FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}


@dataclass(frozen=True)
class Named:
    """``x = 5``: a value and the name it is given, or names of a tuple's entries."""

    name: str
    value: Any


@dataclass(frozen=True)
class Mapping:
    """``x = 1, y = 4``: several named values."""

    values: tuple[tuple[str, Any], ...]


def equal(gold: str, answer: str) -> bool:
    """Whether the answer equals the known one. Raises NotFormula where one of them is not understood."""
    try:
        known, mine = readings(gold), readings(answer)
        return any(alike(settled(g), settled(a)) for a in mine for g in known)
    except (values.Undecided, RecursionError) as e:
        raise NotFormula(str(e)) from None


# ---- what a reading comes to ---------------------------------------------------------------------------
def settled(kind: Any) -> Any:
    """A reading with its names set apart, its ± written out and its calculations ended."""
    if isinstance(kind, Relation):
        return _relation(kind)
    if isinstance(kind, Scalar):
        terms = values.expanded(kind.term) if _has_sign(kind.term) else [kind.term]
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
        if first == 0 and _name(sides[0]) is not None:
            ops = ["=" if o == "≈" else o for o in ops]
        else:
            sides, ops = sides[: first + 1], ops[:first]
    if not ops and kind.modulus is None:
        return sides[0]
    if kind.modulus is not None or "≡" in ops:
        return Relation(tuple(sides), tuple(ops), kind.modulus)
    if set(ops) == {"="}:
        return _equation(sides)
    if ops == ["∈"] and (name := _name(sides[0])) is not None:
        return Named(name, sides[1])
    if any(not isinstance(s, Scalar) for s in sides):
        raise NotFormula("a relation of sets")
    return Relation(tuple(sides), tuple(ops))


def _equation(sides: list[Any]) -> Any:
    name = _name(sides[0])
    if name is not None:
        return _named(name, sides[0], sides[-1])
    constant = all(isinstance(s, Scalar) and not values.variables(s.term) for s in sides)
    if constant:
        return _calculated(sides[0], sides[-1])
    if len(sides) == 2 and (name := _name(sides[1])) is not None:
        return _named(name, sides[1], sides[0])
    if all(isinstance(s, Scalar) for s in sides):
        if values.equal(sides[0].term, sides[-1].term):
            return sides[-1]  # an identity: the value in two forms
        if len(sides) == 2:
            return Relation(tuple(sides), ("=",))
    raise NotFormula("a chain of equations")


def _calculated(first: Scalar, last: Scalar) -> Scalar:
    """What "48 + 24 = 72" comes to; where the end is a rounded decimal, its beginning. Raises NotFormula for 2 = 3."""
    if values.equal(first.term, last.term) or first.percent != last.percent or first.unit != last.unit:
        return last
    try:
        difference = abs(values.number(first.term) - values.number(last.term))
        if last.digits and difference <= Fraction(1, 10 ** _decimals(last.term)):
            return first
    except (values.Undecided, TypeError):
        pass
    raise NotFormula("sides that are not equal")


def _named(name: str, side: Any, value: Any) -> Any:
    if isinstance(side, Sequence) and isinstance(value, Sequence) and len(side.items) == len(value.items):
        names = [_name(i) for i in side.items]
        return Mapping(tuple(sorted(zip(map(str, names), value.items, strict=True), key=lambda p: p[0])))
    return Named(name, value)


def _name(side: Any) -> str | None:
    """The name of what an equation gives a value: a letter, f(x), a segment AB, an angle, words; else None."""
    if isinstance(side, Words):
        return side.text.casefold()
    if isinstance(side, Sequence) and side.opening in ("(", "⟨"):
        names = [_name(i) for i in side.items]
        return None if None in names else ",".join(map(str, names))
    if not isinstance(side, Scalar) or side.unit is not None or side.percent:
        return None
    return _letter(side.term)


def _letter(term: Term) -> str | None:
    if term[0] == "v":
        return str(term[1])
    if term[0] == "*":  # the segment AB
        parts = [_letter(t) for t in term[1:]]
        return "".join(map(str, parts)) if all(p and p.isupper() and p.isalpha() for p in parts) else None
    if term[:2] == ("f", "abs") and term[2][0] == "*":
        return _letter(term[2])
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
        if all(isinstance(i, Mapping) for i in items):
            return Sequence("", "", tuple(items), word)
        raise NotFormula("a list of equations and values")
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
        return Mapping(tuple(sorted(((n.name, n.value) for n in named), key=lambda p: p[0])))
    return Sequence("", "", tuple(items), word)  # equations of several kinds


# ---- whether two of them are alike ------------------------------------------------------------------------
def alike(gold: Any, answer: Any) -> bool:
    """Whether two settled readings are equal."""
    if isinstance(gold, Named) and isinstance(answer, Named):
        if gold.name == answer.name and alike(gold.value, answer.value):
            return True
        return _same_equation(gold, answer)
    if isinstance(gold, Named) or isinstance(answer, Named):
        if isinstance(answer, Relation) or isinstance(gold, Relation):
            return _same_equation(gold, answer) or _same_set(gold, answer)
        if isinstance(gold, Mapping) or isinstance(answer, Mapping):
            return False
        bare = [k.value if isinstance(k, Named) else k for k in (gold, answer)]
        return alike(*bare)
    if isinstance(gold, Mapping) or isinstance(answer, Mapping):
        return _same_mapping(gold, answer)
    if isinstance(gold, Scalar) and isinstance(answer, Scalar):
        return same_scalar(gold, answer)
    if isinstance(gold, Relation) and isinstance(answer, Relation) and _same_relation(gold, answer):
        return True
    if isinstance(gold, Sequence) and isinstance(answer, Sequence):
        if _same_sequence(gold, answer):
            return True
        sets = {gold.opening, answer.opening} <= {"(", "["} or set_like(gold) or set_like(answer)
        return sets and _same_set(gold, answer)
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return len(gold.rows) == len(answer.rows) and all(
            len(r) == len(s) and all(values.equal(x, y) for x, y in zip(r, s, strict=True))
            for r, s in zip(gold.rows, answer.rows, strict=True)
        )
    if isinstance(gold, Based) and isinstance(answer, Based):
        return gold.base == answer.base and gold.digits.lstrip("0") == answer.digits.lstrip("0")
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        return len(gold.parts) == len(answer.parts) and all(
            x * answer.parts[0] == y * gold.parts[0] for x, y in zip(gold.parts, answer.parts, strict=True)
        )
    if isinstance(gold, Clock) and isinstance(answer, Clock):
        return _same_time(gold, answer)
    if isinstance(gold, Words) or isinstance(answer, Words):
        return _same_words(gold, answer)
    if set_like(gold) or set_like(answer):
        return _same_set(gold, answer)
    if isinstance(gold, Relation) and isinstance(answer, Scalar):
        return _congruent(gold, answer)
    if isinstance(answer, Relation) and isinstance(gold, Scalar):
        return _congruent(answer, gold)
    return False


def _same_time(gold: Clock, answer: Clock) -> bool:
    def day(clock: Clock) -> int:
        hour = clock.seconds // 3600
        shift = -12 if clock.half == "a" and hour == 12 else 12 if clock.half == "p" and hour != 12 else 0
        return clock.seconds + 3600 * shift

    if gold.half and answer.half:
        return gold == answer
    if not gold.half and not answer.half:
        return gold.seconds == answer.seconds
    return (
        day(gold) == day(answer) if max(gold.seconds, answer.seconds) >= 13 * 3600 else gold.seconds == answer.seconds
    )


def _same_words(gold: Any, answer: Any) -> bool:
    def text(kind: Any) -> str | None:
        if isinstance(kind, Words):
            return " ".join(kind.text.casefold().split()) if len(kind.text) > 1 else kind.text
        if isinstance(kind, Scalar) and kind.unit is None:
            return _letter(kind.term)
        return None

    return text(gold) is not None and text(gold) == text(answer)


def same_scalar(gold: Scalar, answer: Scalar) -> bool:
    """Equal terms; a unit that both name must agree and is converted, per cent is a factor or a unit."""
    a, b = gold.term, answer.term
    if gold.percent or answer.percent:
        try:
            return same_number(values.exact(b), answer.percent, values.exact(a), gold.percent)
        except (values.Undecided, ZeroDivisionError):
            return values.equal(("pct", a) if gold.percent else a, ("pct", b) if answer.percent else b)
    if gold.unit is not None and answer.unit is not None:
        if not gold.unit.agrees(answer.unit):
            return False
        if gold.unit.factor != answer.unit.factor:
            a, b = ("*", a, ("n", gold.unit.factor)), ("*", b, ("n", answer.unit.factor))
    return values.equal(a, b) or _rounded(a, b, answer.digits) or _rounded(b, a, gold.digits)


def _rounded(exact: Term, decimal: Term, digits: int) -> bool:
    """Whether a decimal of many digits is the value of a term that has no finite decimal, rounded or cut off."""
    while decimal[0] == "neg" and exact[0] == "neg":
        exact, decimal = exact[1], decimal[1]
    sign = -1 if decimal[0] == "neg" else 1
    decimal = decimal[1] if sign < 0 else decimal
    if digits < ROUNDED or decimal[0] != "n" or values.variables(exact):
        return False
    try:
        fraction = values.exact(exact)
        bottom = fraction.denominator
        for prime in (2, 5):
            while bottom % prime == 0:
                bottom //= prime
        if bottom == 1:
            return False
    except values.Undecided:
        pass
    except ZeroDivisionError:
        return False
    try:
        value = values.number(exact) * sign
    except values.Undecided:
        return False
    places = max(_decimals(decimal), digits - (len(str(int(abs(decimal[1])))) if abs(decimal[1]) >= 1 else 0))
    return bool(abs(value * 10**places - decimal[1].numerator * 10**places / decimal[1].denominator) < 1)


def _decimals(term: Term) -> int:
    """The places after the point of a decimal number."""
    while term[0] == "neg":
        term = term[1]
    places = 0
    while places < 60 and term[0] == "n" and (term[1] * 10**places).denominator != 1:
        places += 1
    return places


# ---- lists, sets, tuples
def _same_sequence(gold: Sequence, answer: Sequence) -> bool:
    ordered = [s.opening in ("(", "[", "⟨") for s in (gold, answer)]
    if ordered[0] != ordered[1]:
        return False
    if ordered[0]:
        shapes = [(s.opening.replace("⟨", "("), s.closing.replace("⟩", ")")) for s in (gold, answer)]
        return shapes[0] == shapes[1] and _in_order(gold.items, answer.items)
    known, mine = list(gold.items), list(answer.items)
    if "\\{" in (gold.opening, answer.opening):
        known, mine = _distinct(known), _distinct(mine)
    if len(known) != len(mine):
        return False
    if (
        gold.word != answer.word
        and "or" in (gold.word, answer.word)
        and any(isinstance(i, Relation) for i in known + mine)
    ):
        return False
    for item in known:
        place = next((i for i, other in enumerate(mine) if alike(item, other)), None)
        if place is None:
            return False
        mine.pop(place)
    return True


def _in_order(gold: tuple[Any, ...], answer: tuple[Any, ...]) -> bool:
    return len(gold) == len(answer) and all(_entry(g, a) for g, a in zip(gold, answer, strict=True))


def _entry(gold: Any, answer: Any) -> bool:
    ends = [infinite(k.term) if isinstance(k, Scalar) else 0 for k in (gold, answer)]
    if any(ends):
        return ends[0] == ends[1]
    return alike(gold, answer)


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(alike(item, other) for other in found):
            found.append(item)
    return found


def _same_mapping(gold: Any, answer: Any) -> bool:
    if isinstance(gold, Mapping) and isinstance(answer, Mapping):
        return len(gold.values) == len(answer.values) and all(
            m == n and alike(g, a) for (m, g), (n, a) in zip(gold.values, answer.values, strict=True)
        )
    mapping, other = (gold, answer) if isinstance(gold, Mapping) else (answer, gold)
    if not isinstance(other, Sequence) or other.opening not in ("(", "⟨"):
        return False
    return len(other.items) == len(mapping.values) and all(
        len(name) == 1 and alike(value, item) for (name, value), item in zip(mapping.values, other.items, strict=True)
    )


# ---- equations and inequalities
def _sides(kind: Any) -> tuple[Term, str] | None:
    """(left minus right, the sign between) of one equation or inequality; None for anything else."""
    if isinstance(kind, Named):
        if (
            not isinstance(kind.value, Scalar)
            or kind.value.unit is not None
            or not re.fullmatch(r"[a-zA-Z](_\w+)?'*", kind.name)
        ):
            return None
        return ("-", ("v", kind.name), kind.value.term), "="
    if isinstance(kind, Relation) and len(kind.ops) == 1 and kind.modulus is None:
        left, right = kind.sides
        if all(isinstance(s, Scalar) and s.unit is None for s in kind.sides) and not any(
            infinite(s.term) for s in kind.sides
        ):
            return ("-", left.term, right.term), kind.ops[0]
    return None


def _same_equation(gold: Any, answer: Any) -> bool:
    known, mine = _sides(gold), _sides(answer)
    if known is None or mine is None or known[1] not in FLIPPED or mine[1] not in FLIPPED:
        return False
    sign = values.factor(known[0], mine[0])
    return bool(sign) and known[1] == (mine[1] if sign > 0 or known[1] in "=≠" else FLIPPED[mine[1]])


def _same_relation(gold: Relation, answer: Relation) -> bool:
    if gold.modulus is not None or answer.modulus is not None:
        return _same_congruence(gold, answer)
    if len(gold.ops) != len(answer.ops):
        return False
    if len(gold.ops) == 1:
        return _same_equation(gold, answer) or _same_set(gold, answer)
    for sides, ops in (
        (answer.sides, answer.ops),
        (answer.sides[::-1], tuple(FLIPPED.get(o, "?") for o in answer.ops[::-1])),
    ):
        if ops == gold.ops and all(_entry(g, a) for g, a in zip(gold.sides, sides, strict=True)):
            return True
    return _same_set(gold, answer)


def _same_congruence(gold: Relation, answer: Relation) -> bool:
    if gold.modulus is None or answer.modulus is None or not values.equal(gold.modulus, answer.modulus):
        return False
    names = [_name(k.sides[0]) if len(k.sides) == 2 else "" for k in (gold, answer)]
    if names[0] and names[1] and names[0] != names[1]:
        return False
    return _rest(gold, gold.modulus) == _rest(answer, gold.modulus) is not None


def _rest(kind: Relation, modulus: Term) -> Fraction | None:
    side = kind.sides[-1]
    try:
        return values.exact(side.term) % values.exact(modulus) if isinstance(side, Scalar) else None
    except (values.Undecided, ZeroDivisionError):
        return None


def _congruent(relation: Relation, scalar: Scalar) -> bool:
    """``x \\equiv 3 \\pmod 7`` and the bare 3."""
    if relation.modulus is None or not isinstance(relation.sides[-1], Scalar):
        return False
    if len(relation.sides) == 2 and _name(relation.sides[0]) is None:
        return False
    return same_scalar(scalar, relation.sides[-1])


def _same_set(gold: Any, answer: Any) -> bool:
    """Whether two sets of real numbers are the same; False where one is no such set."""
    try:
        return same_set(_bare_set(gold), _bare_set(answer))
    except (values.Undecided, NotFormula):
        return False


def _bare_set(kind: Any) -> tuple[str | None, Any]:
    return (kind.name, kind.value) if isinstance(kind, Named) else (None, kind)
