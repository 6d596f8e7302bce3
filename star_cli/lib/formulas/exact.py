"""Terms of + - * / and whole powers: their values as fractions, or modulo large primes where they would be too long."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import product

from star_cli.lib.formulas.kinds import Term

PRIMES = (27823120247279283826710090431, 66655423896583767762516157679, 28848986039206703008352946223)
BITS = 1 << 14  # of an exponent
FACTORIAL = 2500
SIGNS = 3  # signs ± in one term


class Undecided(Exception):
    """The value cannot be computed with certainty."""


def expanded(term: Term) -> list[Term]:
    """A term with ± as the terms it stands for: each sign by itself, or all together where ∓ occurs. Raises
    Undecided.
    """
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


def modular(term: Term, p: int, seed: int) -> int:
    kind = term[0]
    if kind == "n":
        return int(term[1].numerator) * pow(int(term[1].denominator), -1, p) % p
    if kind == "v":
        return int.from_bytes(hashlib.sha256(f"{seed} {term[1]}".encode()).digest(), "big") % p
    if kind in "+-*/" and len(term) == 3:
        x, y = modular(term[1], p, seed), modular(term[2], p, seed)
        if kind == "/":
            if not y:
                raise ZeroDivisionError
            return x * pow(y, -1, p) % p
        return (x + y if kind == "+" else x - y if kind == "-" else x * y) % p
    if kind == "neg":
        return -modular(term[1], p, seed) % p
    if kind == "pct":
        return modular(term[1], p, seed) * pow(100, -1, p) % p
    if kind == "^":
        exponent = whole(term[2])
        base = modular(term[1], p, seed)
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
    x = values[0]
    if name == "abs":
        return abs(x)
    if name in ("floor", "ceil"):
        return Fraction(math.floor(x) if name == "floor" else math.ceil(x))
    if name in ("min", "max"):
        return min(values) if name == "min" else max(values)
    numbers = [v.numerator for v in values if v.denominator == 1]
    if len(numbers) == len(values):
        if name == "!" and 0 <= numbers[0] <= FACTORIAL:
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
