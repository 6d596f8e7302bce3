r"""When an answer equals the known one: kind by kind, as docs/grading.md has it in its table.

Tuples keep their order, sets and lists do not; ``x > 3`` equals ``(3, \infty)``; an equation equals its multiples;
``x = 5`` equals 5, but ``x + y = 5`` does not.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from star_cli.lib.formulas import values
from star_cli.lib.formulas.decimals import number
from star_cli.lib.formulas.exact import Undecided, exact, variables
from star_cli.lib.formulas.kinds import (
    Based,
    Clock,
    Matrix,
    Ratio,
    Relation,
    Scalar,
    Sequence,
    Term,
    Words,
)
from star_cli.lib.formulas.latex import NotFormula
from star_cli.lib.formulas.reading import readings
from star_cli.lib.formulas.realsets import infinite, same_set, set_like
from star_cli.lib.formulas.settle import Mapping, Named, decimals_of, letter_of, name_of, settled
from star_cli.lib.formulas.solve import at
from star_cli.lib.text.numbers import same as same_number

LONG = 10_000  # bits of a fraction that is written out
MANY = 60  # elements of a list that are compared
ROUNDED = 10  # significant digits above which a decimal stands for the value it is rounded from
FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}


def equal(gold: str, answer: str) -> bool:
    """Whether the answer equals the known one. Raises NotFormula where one of them is not understood."""
    try:
        known, mine = readings(gold), readings(answer)
        return any(alike(settled(g), settled(a)) for a in mine for g in known)
    except (Undecided, RecursionError) as e:
        raise NotFormula(str(e)) from None


def rational(text: str) -> Fraction | None:
    """The fraction that a formula is worth however it is read, a name before it aside (x = 5); None for any other kind,
    and where it has a unit, is a percentage or has thousands of digits. Raises NotFormula where it is not understood.
    """
    values: set[Fraction] = set()
    try:
        for reading in readings(text):
            kind = settled(reading)
            kind = kind.value if isinstance(kind, Named) else kind
            if not isinstance(kind, Scalar) or kind.unit is not None or kind.percent:
                return None
            value = exact(kind.term)
            if value.numerator.bit_length() + value.denominator.bit_length() > LONG:
                return None
            values.add(value)
    except (Undecided, ZeroDivisionError, RecursionError):
        return None
    return values.pop() if len(values) == 1 else None


# ---- whether two of them are alike ------------------------------------------------------------------------
def alike(gold: Any, answer: Any) -> bool:
    """Whether two settled readings are equal."""
    if isinstance(gold, Named) and isinstance(answer, Named):
        if gold.name == answer.name and alike(gold.value, answer.value):
            return True
        if _same_function(gold, answer):
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
    if isinstance(gold, Scalar) and isinstance(answer, Sequence) and not answer.opening and answer.word == "or":
        return all(isinstance(item, Scalar) and same_scalar(gold, item) for item in answer.items)  # 3/2 or 1.5
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
    if {type(gold), type(answer)} & {Ratio, Scalar}:  # 12:15 looks like a time, but not beside 4:5 and 4/5
        gold, answer = _as_ratio(gold), _as_ratio(answer)
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        return len(gold.parts) == len(answer.parts) and all(
            x * answer.parts[0] == y * gold.parts[0] for x, y in zip(gold.parts, answer.parts, strict=True)
        )
    if isinstance(gold, Ratio) or isinstance(answer, Ratio):
        return _same_quotient(gold, answer)
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


def _as_ratio(kind: Any) -> Any:
    """A time of day in hours and minutes as the ratio it is written like; anything else as it is."""
    minutes = kind.seconds // 60 if isinstance(kind, Clock) else 0
    if not minutes or kind.half or kind.seconds % 60 or minutes % 60 < 10:  # 10:05 is no ratio
        return kind
    return Ratio((Fraction(minutes // 60), Fraction(minutes % 60)))


def _same_function(gold: Named, answer: Named) -> bool:
    """f(n) = n^2 and f(x) = x^2."""
    names = [re.fullmatch(r"([A-Za-z]+(?:_\w+)?)\(([a-z])\)", named.name) for named in (gold, answer)]
    if names[0] is None or names[1] is None or names[0][1] != names[1][1] or names[0][2] == names[1][2]:
        return False
    if not isinstance(gold.value, Scalar) or not isinstance(answer.value, Scalar):
        return False
    if names[0][2] in variables(answer.value.term):
        return False
    return values.equal(gold.value.term, at(answer.value.term, names[1][2], ("v", names[0][2])))


def _same_quotient(gold: Any, answer: Any) -> bool:
    """3:4 and the fraction 3/4."""
    ratio, other = (gold, answer) if isinstance(gold, Ratio) else (answer, gold)
    if ratio.spoken or len(ratio.parts) != 2 or not ratio.parts[1] or not isinstance(other, Scalar):
        return False
    return other.unit is None and not other.percent and values.equal(("n", ratio.parts[0] / ratio.parts[1]), other.term)


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
            return letter_of(kind.term)
        return None

    return text(gold) is not None and text(gold) == text(answer)


def same_scalar(gold: Scalar, answer: Scalar) -> bool:
    """Equal terms; a unit that both name must agree and is converted, per cent is a factor or a unit."""
    a, b = gold.term, answer.term
    if gold.percent or answer.percent:
        if gold.unit is not None or answer.unit is not None:
            return False  # per cent is no dollar
        try:
            return same_number(exact(b), answer.percent, exact(a), gold.percent)
        except (Undecided, ZeroDivisionError):
            return values.equal(("pct", a) if gold.percent else a, ("pct", b) if answer.percent else b)
    if gold.unit is not None and answer.unit is not None:
        if not gold.unit.agrees(answer.unit):
            return False
        if gold.unit.factor != answer.unit.factor:
            a, b = ("*", a, ("n", gold.unit.factor)), ("*", b, ("n", answer.unit.factor))
    return values.equal(a, b) or _rounded(a, b, answer.digits) or _rounded(b, a, gold.digits)


def _rounded(value: Term, decimal: Term, digits: int) -> bool:
    """Whether a decimal of many digits is the value of a term that has no finite decimal, rounded or cut off."""
    while decimal[0] == "neg" and value[0] == "neg":
        value, decimal = value[1], decimal[1]
    sign = -1 if decimal[0] == "neg" else 1
    decimal = decimal[1] if sign < 0 else decimal
    if digits < ROUNDED or decimal[0] != "n" or variables(value):
        return False
    try:
        fraction = exact(value)
        bottom = fraction.denominator
        for prime in (2, 5):
            while bottom % prime == 0:
                bottom //= prime
        if bottom == 1:
            return False
    except Undecided:
        pass
    except ZeroDivisionError:
        return False
    try:
        written_out = number(value) * sign
    except Undecided:
        return False
    places = max(decimals_of(decimal), digits - (len(str(int(abs(decimal[1])))) if abs(decimal[1]) >= 1 else 0))
    error = written_out * 10**places - Fraction(decimal[1] * 10**places).numerator
    return bool(-0.5 <= error < 1)  # rounded, or cut off


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
            m == n and alike(g, a) for (m, g), (n, a) in zip(gold.by_name, answer.by_name, strict=True)
        )
    mapping, other = (gold, answer) if isinstance(gold, Mapping) else (answer, gold)
    if not isinstance(other, Sequence) or len(other.items) != len(mapping.values):
        return False
    pairs = mapping.values if mapping.joint else mapping.by_name
    if other.opening in ("(", "⟨"):
        names_fit = all(len(name) == 1 for name, _ in pairs)
    else:  # 4, 1 for x = 4, y = 1: the values alone, in the order in which both ways to read it agree
        names_fit = not other.opening and other.word != "or" and mapping.values == pairs
    return names_fit and all(alike(value, item) for (_, value), item in zip(pairs, other.items, strict=True))


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
    names = [name_of(k.sides[0]) if len(k.sides) == 2 else "" for k in (gold, answer)]
    if names[0] and names[1] and names[0] != names[1]:
        return False
    return _rest(gold, gold.modulus) == _rest(answer, gold.modulus) is not None


def _rest(kind: Relation, modulus: Term) -> Fraction | None:
    side = kind.sides[-1]
    try:
        return exact(side.term) % exact(modulus) if isinstance(side, Scalar) else None
    except (Undecided, ZeroDivisionError):
        return None


def _congruent(relation: Relation, scalar: Scalar) -> bool:
    """``x \\equiv 3 \\pmod 7`` and the bare 3."""
    if relation.modulus is None or not isinstance(relation.sides[-1], Scalar):
        return False
    if len(relation.sides) == 2 and name_of(relation.sides[0]) is None:
        return False
    return same_scalar(scalar, relation.sides[-1])


def _same_set(gold: Any, answer: Any) -> bool:
    """Whether two sets of real numbers are the same; False where one is no such set."""
    try:
        return same_set(_bare_set(gold), _bare_set(answer))
    except (Undecided, NotFormula):
        return False


def _bare_set(kind: Any) -> tuple[str | None, Any]:
    return (kind.name, kind.value) if isinstance(kind, Named) else (None, kind)
