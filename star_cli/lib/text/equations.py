"""Equations of a rationale: the ordered list RFT tells rationales apart by, whether they hold, and which text to keep.

``Tom pays 48/2 = <<48/2=24>>24`` -> ("48/2=24",)

Everything here is given what a model wrote: no ``eval``, and a cap on every length, depth and power.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

TOLERANCE = 1e-3  # RFT's (Yuan et al. 2023)
LONGEST = 200  # characters of an expression that is still read
DEEPEST = 20  # brackets and signs inside one another
POWER = 64.0  # largest exponent
COMPARED = 1500  # characters of a text that edit distances look at
CANDIDATES = 128  # different texts one is picked from
OTHERS = 32  # texts that one text is compared with
NUMBER = r"(?:[0-9](?: [0-9])+(?![0-9.,])|[0-9]{1,40}(?:,[0-9]{3}){0,12}(?:\.[0-9]{1,40})?)"  # 883, 8 8 3, 1,234.5
SIGNED = rf" ?[-−]?\$?{NUMBER}%?"
RESULT = re.compile(rf"{SIGNED}(?: ?[-+*/×÷−^]{SIGNED}){{0,5}}")
SIGNS = "+-*/×÷−^"
ARITHMETIC = f"0123456789 .,$%(){SIGNS}"  # the letters of plain arithmetic
SCRATCH = re.compile(r"[0-9 +,=*/×÷−-]+(?:C: ?[0-9]+)?")
TOKEN = re.compile(r"\s*(?:([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)|(\*\*|[-+*/^()%×÷−]))")


def equations(text: str) -> tuple[str, ...]:
    """The equations of a text in their order, without spaces.

    They are the ``<<expr=value>>`` annotations; where there are none, plain arithmetic (``12 + 3 = 15``, its digits
    spaced or not) and the lines of a ``<scratch>`` block that are made of digits, operators and a carry.
    """
    marked = noted(text)
    if marked:
        return tuple(marked)
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        words = line.strip()
        if words in ("<scratch>", "</scratch>"):
            inside = words == "<scratch>"
        elif inside and len(words) <= LONGEST and SCRATCH.fullmatch(words) and any(c.isdigit() for c in words):
            found.append(_bare(words))
        else:
            found.extend(_plain(line))
    return tuple(found)


def _plain(line: str) -> Iterator[str]:
    """The equations of one line: around every ``=`` an expression with an operator, and what it is said to be."""
    sides = line.split("=")
    for left, right in zip(sides, sides[1:], strict=False):
        near = left[-LONGEST:]
        near = near[len(near.rstrip(ARITHMETIC)) :]
        expression = _bare(re.split(r"[.,] ", near)[-1].lstrip(" .,)%*/×÷^"))
        said = RESULT.match(right[:LONGEST])
        if said and any(c in SIGNS for c in expression[1:]) and value(expression) is not None:
            yield f"{expression}={_bare(said.group())}"


def noted(text: str) -> list[str]:
    """The bodies of all ``<<expr=value>>`` of a text, without spaces. An open one without an end is none."""
    bodies = (piece.partition(">>") for piece in text.split("<<")[1:])
    return [_bare(body) for body, end, _ in bodies if end and "=" in body]


def sound(text: str) -> bool:
    """Whether every annotated equation holds within 1e-3; one that cannot be read does not hold. None at all is
    sound.
    """
    return all(holds(equation) for equation in noted(text))


def holds(equation: str) -> bool:
    """Whether all sides of ``a=b`` (or ``a=b=c``) are worth the same, within 1e-3."""
    if len(equation) > 2 * LONGEST:
        return False
    sides = [value(side) for side in equation.split("=")]
    known = [v for v in sides if v is not None]
    return len(known) == len(sides) > 1 and all(abs(a - b) <= TOLERANCE for a, b in zip(known, known[1:], strict=False))


def value(expression: str) -> float | None:
    """What an arithmetic expression is worth: numbers, + - * / ^ ( ) and %; None where it is anything else."""
    text = expression.replace("$", "").strip()
    if len(text) > LONGEST:
        return None
    tokens, at = [], 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            return None
        tokens.append(found.group(1) or found.group(2))
        at = found.end()
    reader = _Reader(tokens)
    try:
        worth = reader.sum(0)
    except (_Unreadable, OverflowError, ZeroDivisionError):
        return None
    return worth if reader.at == len(tokens) and math.isfinite(worth) else None


class _Unreadable(Exception):
    """Not an arithmetic expression, or one beyond the caps."""


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def next_of(self, *choices: str) -> str | None:
        """Take the next token if it is one of these."""
        if self.at < len(self.tokens) and self.tokens[self.at] in choices:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def sum(self, depth: int) -> float:
        total = self.product(depth)
        while sign := self.next_of("+", "-", "−"):
            term = self.product(depth)
            total = total + term if sign == "+" else total - term
        return total

    def product(self, depth: int) -> float:
        total = self.signed(depth)
        while sign := self.next_of("*", "/", "×", "÷"):
            factor = self.signed(depth)
            total = total * factor if sign in "*×" else total / factor
        return total

    def signed(self, depth: int) -> float:
        if depth > DEEPEST:
            raise _Unreadable
        if self.next_of("-", "−"):
            return -self.signed(depth + 1)
        if self.next_of("+"):
            return self.signed(depth + 1)
        base = self.atom(depth)
        if not self.next_of("^", "**"):
            return base
        exponent = self.signed(depth + 1)
        if abs(exponent) > POWER or (base < 0 and exponent != int(exponent)):
            raise _Unreadable
        return float(base**exponent)

    def atom(self, depth: int) -> float:
        if self.next_of("("):
            worth = self.sum(depth + 1)
            if not self.next_of(")"):
                raise _Unreadable
        elif self.at < len(self.tokens) and self.tokens[self.at][0] in "0123456789.":
            worth = float(self.tokens[self.at].replace(",", ""))
            self.at += 1
        else:
            raise _Unreadable
        while self.next_of("%"):
            worth /= 100
        return worth


def pick(texts: Sequence[str]) -> int:
    """The index of the text with the largest summed Levenshtein distance to the others; of equals the first.

    Distances look at the first 1500 characters of a text. Of very many different texts the first 128 are candidates,
    and each of them is compared with 32 spread over these. Raises ValueError where there is no text.
    """
    import numpy as np
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    if not texts:
        raise ValueError("pick needs at least one text")
    times = Counter(texts)
    candidates = list(times)[:CANDIDATES]
    others = candidates[:: math.ceil(len(candidates) / OTHERS)]
    starts = [[text[:COMPARED] for text in group] for group in (candidates, others)]
    distances = cdist(*starts, scorer=Levenshtein.distance, dtype=np.int64)  # (candidates, others)
    sums = distances @ [times[text] for text in others]
    return texts.index(candidates[int(sums.argmax())])


def _bare(text: str) -> str:
    return "".join(text.split())
