"""Terms compared to 300 decimals, at ten points where they have letters: what is more than + - * / and whole powers.

Two terms are equal where either of them is real. A value beyond 1e100, or one that cannot be told from zero, is
Undecided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

from star_cli.lib.formulas.exact import Undecided, exact, variables
from star_cli.lib.formulas.kinds import Term

DIGITS = 400  # decimals that are computed
SMALL, LARGE = -300, 100  # powers of ten: below is rounding, above is too much for certainty
POINTS = (  # values of the first, second, third variable; the others follow from their names
    (0.7310585786, 1.3247179572, 0.5671432904),
    (2.6854520010, 0.4142135624, 3.3598856662),
    (5.9057172981, 7.3890560989, 4.6692016091),
    (0.1803398875, 0.2718281828, 0.0833333331),
    (-0.6180339887, 0.9159655942, 1.6449340668),
    (1.2020569031, -2.5029078750, -0.3678794412),
    (-3.1462643699, -1.7320508076, -5.2360679775),
    (11.090169944, 13.260000001, -9.8696044011),
    (-0.0927050983, -0.1459898106, 0.7642236535),
    (3.0000000001, 2.0000000003, 5.0000000007),
)


@lru_cache(maxsize=1)
def _context() -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


def compared(a: Term, b: Term, scaled: bool) -> int | None:
    """Compare at the points, roughly first and then to all decimals. Raises Undecided."""
    names = sorted(variables(a) | variables(b))
    points = list(_points(names))
    imaginary = _imaginary(a) or _imaginary(b)
    for digits in (30, DIGITS):
        real = other = 0
        ratio = None
        failed = None
        for point in points:
            try:
                x, y, noise = _pair(a, b, point, digits)
            except (ZeroDivisionError, Undecided, OverflowError, ValueError) as e:
                failed = e
                continue
            if not imaginary and x.imag != 0 and y.imag != 0 and names:
                other += 1
                continue
            real += 1
            if scaled:
                if x == 0 or y == 0:
                    if x != 0 or y != 0:
                        return None
                    continue
                this = x / y
                if ratio is not None and abs(this - ratio) > abs(ratio) * noise:
                    return None
                ratio = this if ratio is None else ratio
            elif abs(x - y) > max(abs(x), abs(y), 1 if digits == DIGITS else 0) * noise:
                return None
        if real < (2 if names else 1):
            if other >= 2 and not scaled:
                return _complex(a, b, points, digits)
            raise failed or Undecided("nowhere real")
        if scaled and (ratio is None or ratio.imag != 0 or not names):
            return None
    return 1 if not scaled or ratio is None or ratio.real > 0 else -1


def _complex(a: Term, b: Term, points: list[dict[str, float]], digits: int) -> int | None:
    """Two terms that are nowhere real, such as (-1)^n: equal as complex numbers?"""
    for point in points:
        x, y, noise = _pair(a, b, point, DIGITS)
        if abs(x - y) > max(abs(x), abs(y)) * noise:
            return None
    return 1


def _pair(a: Term, b: Term, point: dict[str, float], digits: int) -> tuple[Any, Any, Any]:
    """(value of a, value of b, the relative difference that is rounding), parts that are rounding set to 0."""
    context = _context()
    context.dps = digits
    peak = [context.mpf(1)]
    values = []
    for term in (a, b):
        values.append(_value(term, {n: context.mpf(v) for n, v in point.items()}, context, peak))
    noise = peak[0] * context.mpf(10) ** (-digits * 3 // 4)
    cleaned = []
    for value in values:
        real, imag = (context.mpf(0) if abs(part) <= noise else part for part in (value.real, value.imag))
        if digits == DIGITS and abs(value) > 0 and real == imag == 0 and abs(value) > noise / context.mpf(10) ** 60:
            raise Undecided("too close to zero")
        cleaned.append(context.mpc(real, imag))
    return cleaned[0], cleaned[1], context.mpf(10) ** (-digits // 2)


def _points(names: list[str]) -> Iterator[dict[str, float]]:
    if not names:
        yield {}
        return
    for i, row in enumerate(POINTS):
        point = {}
        for j, name in enumerate(names):
            spread = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
            point[name] = row[j] if j < len(row) else row[(i + j) % len(row)] * (0.5 + spread) + j / 7
        yield point


def _imaginary(term: Term) -> bool:
    return term == ("c", "i") or any(_imaginary(p) for p in term[1:] if isinstance(p, tuple))


def _value(term: Term, point: dict[str, Any], context: Any, peak: list[Any]) -> Any:
    found = _computed(term, point, context, peak)
    size = abs(found)
    if not context.isfinite(size):
        raise Undecided("no finite value")
    if size > peak[0]:
        if size > context.mpf(10) ** LARGE:
            raise Undecided("too large")
        peak[0] = size
    if 0 < size < context.mpf(10) ** -LARGE and size > context.mpf(10) ** (SMALL):
        raise Undecided("too small")
    return found


def _computed(term: Term, point: dict[str, Any], context: Any, peak: list[Any]) -> Any:
    kind = term[0]
    if kind == "n":
        return context.mpf(term[1].numerator) / term[1].denominator
    if kind == "v":
        return point[term[1]]
    if kind == "c":
        if term[1] == "inf":
            raise Undecided("infinity")
        return {"pi": context.pi, "e": context.e, "i": context.mpc(0, 1)}[term[1]] * 1
    parts = [_value(t, point, context, peak) for t in (term[2:] if kind == "f" else term[1:])]
    if kind == "+":
        return parts[0] + parts[1]
    if kind == "-":
        return parts[0] - parts[1]
    if kind == "*":
        return parts[0] * parts[1]
    if kind == "/":
        return parts[0] / parts[1]
    if kind == "neg":
        return -parts[0]
    if kind == "pct":
        return parts[0] / 100
    if kind == "deg":
        return parts[0] * context.pi / 180
    if kind == "^":
        return _power(parts[0], parts[1], term[2], context)
    if kind == "f":
        return _function(term[1], parts, term, context)
    raise Undecided(kind)


def _power(base: Any, exponent: Any, term: Term, context: Any) -> Any:
    if base == 0:
        if exponent.real <= 0:
            raise ZeroDivisionError
        return base
    if abs(context.log(abs(base))) * abs(exponent) > 3 * LARGE:
        raise Undecided("too large")
    if base.imag == 0 and base.real < 0:  # the real root where the exponent has an odd denominator
        try:
            fraction = exact(term)
        except (Undecided, ZeroDivisionError):
            fraction = None
        if fraction is not None and fraction.denominator % 2 == 1:
            return (-1 if fraction.numerator % 2 else 1) * context.power(-base.real, exponent)
    return context.power(base, exponent)


def _function(name: str, values: list[Any], term: Term, context: Any) -> Any:
    x = values[0]
    if name == "root":
        if values[1] == 0:
            raise ZeroDivisionError
        if x == 0:
            return x
        return _power(x, 1 / values[1], ("/", ("n", Fraction(1)), term[3]), context)
    if name == "abs":
        return abs(x)
    if name == "log":
        if x == 0 or values[1] in (0, 1):
            raise ZeroDivisionError
        return context.log(x) / context.log(values[1])
    if name == "ln":
        if x == 0:
            raise ZeroDivisionError
        return context.log(x)
    if name == "!":
        if x.imag or abs(x) > 60:
            raise Undecided("a factorial")
        return context.gamma(x + 1)
    if name == "binom":
        if any(v.imag or abs(v) > 60 for v in values):
            raise Undecided("a binomial")
        return context.binomial(*values)
    if name in ("floor", "ceil", "min", "max"):
        if any(v.imag for v in values):
            raise Undecided(name)
        if name in ("min", "max"):
            return (min if name == "min" else max)(values, key=lambda v: v.real)
        return (context.floor if name == "floor" else context.ceil)(x.real)
    known = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc"}
    if name not in {*known, *"sin cos tan cot sec csc sinh cosh tanh coth".split()}:
        raise Undecided(name)
    if abs(x) > 10**6:
        raise Undecided("too large")
    return getattr(context, known.get(name, name))(x)


def number(term: Term) -> Any:
    """The real value of a term without variables, to many decimals. Raises Undecided."""
    try:
        return _pair(term, term, {}, DIGITS)[0].real
    except (KeyError, ZeroDivisionError, OverflowError, ValueError) as e:
        raise Undecided(str(e)) from None
