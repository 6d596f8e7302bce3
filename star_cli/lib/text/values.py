"""What a term is worth: whether two terms are equal, decided by arithmetic and never by how they are written.

Terms of + - * / and whole powers are compared modulo large primes at random points, which is exact but for a chance
below 1e-20 and needs no large numbers, so that towers of powers cost nothing. Everything else is compared to 300 decimals at
ten points. What cannot be decided (numbers beyond 1e100 in a root, a function that is not known) is equal only where it
is written the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

Term = tuple[Any, ...]
PRIMES = (27823120247279283826710090431, 66655423896583767762516157679, 28848986039206703008352946223)
BITS = 1 << 14  # of an exponent
FACTORIAL = 20_000
SIGNS = 3  # signs ± in one term
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


class Undecided(Exception):
    """The value cannot be computed with certainty."""


def expanded(term: Term) -> list[Term]:
    """A term with ± as the terms it stands for: each sign by itself, or all together where ∓ occurs. Raises Undecided."""
    signs = list(_signs(term))
    if not signs:
        return [term]
    if len(signs) > SIGNS:
        raise Undecided("too many signs ±")
    together = "∓" in signs
    choices = [(1,) * len(signs), (-1,) * len(signs)] if together else list(product((1, -1), repeat=len(signs)))
    return [_chosen(term, iter(choice)) for choice in choices]


def _signs(term: Term) -> Iterator[str]:
    if term[0] in ("±", "∓"):
        yield term[0]
    for part in term[1:]:
        if isinstance(part, tuple):
            yield from _signs(part)


def _chosen(term: Term, choice: Iterator[int]) -> Term:
    if term[0] in ("±", "∓"):
        sign = next(choice) * (1 if term[0] == "±" else -1)
        parts = [_chosen(p, choice) for p in term[1:]]
        return ("+" if sign > 0 else "-", *parts)
    return (term[0], *(_chosen(p, choice) if isinstance(p, tuple) else p for p in term[1:]))


def variables(term: Term) -> set[str]:
    """The names of the variables of a term."""
    if term[0] == "v":
        return {term[1]}
    return set().union(*(variables(p) for p in term[1:] if isinstance(p, tuple)))


def equal(a: Term, b: Term) -> bool:
    """Whether two terms are equal: as numbers, or as functions wherever one of them is real."""
    if a == b:
        return not _blows_up(a)
    return _proportional(a, b, False) is not None


def _blows_up(term: Term) -> bool:
    """Whether a term is nothing at all, such as 1/0."""
    try:
        _modular(term, PRIMES[0], 1)
    except ZeroDivisionError:
        return not variables(term)
    except Undecided:
        pass
    return False


def factor(a: Term, b: Term) -> int:
    """The sign of c where a = c b for a number c, everywhere; 0 where there is none."""
    sign = _proportional(a, b, True)
    return sign or 0


def _proportional(a: Term, b: Term, scaled: bool) -> int | None:
    """1 or -1, the sign of the constant, where a equals b (times a constant, if ``scaled``); else None."""
    try:
        found = _exactly(a, b, scaled)
        if not found:
            return None
        return 1 if not scaled else _sign(a, b)
    except ZeroDivisionError:
        return None
    except Undecided:
        pass
    try:
        return _numerically(a, b, scaled)
    except (Undecided, ZeroDivisionError, OverflowError, ValueError, MemoryError):
        return 1 if not scaled and _canonical(a) == _canonical(b) else None


# ---- modulo primes -----------------------------------------------------------------------------------
def _exactly(a: Term, b: Term, scaled: bool) -> bool:
    """Raises Undecided where a term is more than + - * / and whole powers."""
    if not scaled:
        return all(_modular(a, p, 1) == _modular(b, p, 1) for p in PRIMES)
    ratios = set()
    for seed in range(1, 5):
        x, y = _modular(a, PRIMES[1], seed), _modular(b, PRIMES[1], seed)
        if not x or not y:
            return False
        ratios.add(x * pow(y, -1, PRIMES[1]) % PRIMES[1])
    if not variables(a) and not variables(b):
        return False  # 0 = 5 says nothing
    return len(ratios) == 1


def _modular(term: Term, p: int, seed: int) -> int:
    kind = term[0]
    if kind == "n":
        return int(term[1].numerator) * pow(int(term[1].denominator), -1, p) % p
    if kind == "v":
        return int.from_bytes(hashlib.sha256(f"{seed} {term[1]}".encode()).digest(), "big") % p
    if kind in "+-*/" and len(term) == 3:
        x, y = _modular(term[1], p, seed), _modular(term[2], p, seed)
        if kind == "/":
            if not y:
                raise ZeroDivisionError
            return x * pow(y, -1, p) % p
        return (x + y if kind == "+" else x - y if kind == "-" else x * y) % p
    if kind == "neg":
        return -_modular(term[1], p, seed) % p
    if kind == "pct":
        return _modular(term[1], p, seed) * pow(100, -1, p) % p
    if kind == "^":
        exponent = whole(term[2])
        base = _modular(term[1], p, seed)
        if exponent < 0 and not base:
            raise ZeroDivisionError
        if not base and not exponent:
            raise Undecided("0 to the power of 0")
        return pow(base, exponent, p)
    if kind == "f":
        value = exact(term)
        return value.numerator * pow(value.denominator, -1, p) % p
    raise Undecided(kind)


def whole(term: Term) -> int:
    """The value of a whole-number term. Raises Undecided where it is none, or has too many digits."""
    value = exact(term)
    if value.denominator != 1:
        raise Undecided("a fraction")
    return value.numerator


@lru_cache(maxsize=512)
def exact(term: Term) -> Fraction:
    """The value of a term without variables as a fraction. Raises Undecided, ZeroDivisionError."""
    kind = term[0]
    if kind == "n":
        return Fraction(term[1])
    if kind in "+-*/" and len(term) == 3:
        x, y = exact(term[1]), exact(term[2])
        found = x + y if kind == "+" else x - y if kind == "-" else x * y if kind == "*" else x / y
        return _bounded(found)
    if kind == "neg":
        return -exact(term[1])
    if kind == "pct":
        return exact(term[1]) / 100
    if kind == "^":
        base, exponent = exact(term[1]), whole(term[2])
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent) > BITS:
            raise Undecided("too many digits")
        if not base and exponent <= 0:
            raise ZeroDivisionError
        return _bounded(base**exponent)
    if kind == "f":
        return _bounded(_exact_function(term[1], [exact(t) for t in term[2:]]))
    raise Undecided(kind)


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > 4 * BITS:
        raise Undecided("too many digits")
    return value


def _exact_function(name: str, values: list[Fraction]) -> Fraction:
    import math

    x = values[0]
    if name == "abs":
        return abs(x)
    if name in ("floor", "ceil"):
        return Fraction(math.floor(x) if name == "floor" else math.ceil(x))
    if name in ("min", "max"):
        return min(values) if name == "min" else max(values)
    numbers = [v.numerator for v in values if v.denominator == 1]
    if len(numbers) == len(values):
        if name == "!" and 0 <= numbers[0] <= FACTORIAL // 8:
            return Fraction(math.factorial(numbers[0]))
        if name == "binom" and 0 <= numbers[1] <= numbers[0] <= 4000:
            return Fraction(math.comb(*numbers))
        if name == "gcd":
            return Fraction(math.gcd(*numbers))
        if name == "lcm":
            return Fraction(math.lcm(*numbers))
    if name == "root" and values[1].denominator == 1 and 2 <= values[1] <= 64:
        return _exact_root(x, int(values[1]))
    raise Undecided(name)


def _exact_root(x: Fraction, index: int) -> Fraction:
    sign = -1 if x < 0 else 1
    if sign < 0 and index % 2 == 0:
        raise Undecided("an even root of a negative number")
    parts = [_whole_root(n, index) for n in (abs(x.numerator), x.denominator)]
    if parts[0] ** index != abs(x.numerator) or parts[1] ** index != x.denominator:
        raise Undecided("no whole root")
    return sign * Fraction(parts[0], parts[1])


def _whole_root(n: int, index: int) -> int:
    if n < 2:
        return n
    low, high = 0, 1 << (n.bit_length() // index + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**index <= n else (low, middle - 1)
    return low


# ---- to many decimals --------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def _context() -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


def _numerically(a: Term, b: Term, scaled: bool) -> int | None:
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


def _sign(a: Term, b: Term) -> int | None:
    """The sign of a / b at a point, for terms that are proportional."""
    try:
        return _numerically(a, b, True)
    except (Undecided, ZeroDivisionError, OverflowError, ValueError):
        return None


def _canonical(term: Term) -> Any:
    """A term with the parts of sums and products in one order."""
    if term[0] not in "+*":
        return (term[0], *(_canonical(p) if isinstance(p, tuple) else p for p in term[1:]))
    parts: list[Any] = []
    stack = list(term[1:])
    while stack:
        part = stack.pop()
        if isinstance(part, tuple) and part[0] == term[0]:
            stack.extend(part[1:])
        else:
            parts.append(_canonical(part))
    return (term[0], *sorted(parts, key=repr))


def number(term: Term) -> Any:
    """The real value of a term without variables, to many decimals. Raises Undecided."""
    try:
        return _pair(term, term, {}, DIGITS)[0].real
    except (KeyError, ZeroDivisionError, OverflowError, ValueError) as e:
        raise Undecided(str(e)) from None
