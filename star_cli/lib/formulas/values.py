"""Whether two terms are equal, decided by arithmetic and never by how they are written.

Terms of + - * / and whole powers are compared modulo three large primes at points taken by hash, which is exact but
for a chance below 1e-80 and needs no large numbers: towers of powers cost nothing. Everything else is compared to 300
decimals at ten points (decimals.py). What cannot be decided is equal only where it is written the same.
"""

from __future__ import annotations

from typing import Any

from star_cli.lib.formulas.decimals import compared
from star_cli.lib.formulas.exact import PRIMES, Undecided, modular, variables
from star_cli.lib.formulas.kinds import Term


def equal(a: Term, b: Term) -> bool:
    """Whether two terms are equal: as numbers, or as functions wherever one of them is real."""
    if a == b:
        return not _blows_up(a)
    return _proportional(a, b, False) is not None


def _blows_up(term: Term) -> bool:
    """Whether a term is nothing at all, such as 1/0."""
    try:
        modular(term, PRIMES[0], 1)
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
        return compared(a, b, scaled)
    except (Undecided, ZeroDivisionError, OverflowError, ValueError, MemoryError):
        return 1 if not scaled and _canonical(a) == _canonical(b) else None


def _exactly(a: Term, b: Term, scaled: bool) -> bool:
    """Raises Undecided where a term is more than + - * / and whole powers."""
    if not scaled:
        return all(modular(a, p, 1) == modular(b, p, 1) for p in PRIMES)
    ratios = set()
    for seed in range(1, 5):
        x, y = modular(a, PRIMES[1], seed), modular(b, PRIMES[1], seed)
        if not x or not y:
            return False
        ratios.add(x * pow(y, -1, PRIMES[1]) % PRIMES[1])
    if not variables(a) and not variables(b):
        return False  # 0 = 5 says nothing
    return len(ratios) == 1


def _sign(a: Term, b: Term) -> int | None:
    """The sign of a / b at a point, for terms that are proportional."""
    try:
        return compared(a, b, True)
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
