"""Equations of a rationale: the ordered list RFT tells rationales apart by, whether they hold, and which text to keep.

``Tom pays 48/2 = <<48/2=24>>24`` -> ("48/2=24",)

Everything here is given what a model wrote: no ``eval``, and a cap on every length, depth and power.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

TOLERANCE = 1e-3  # RFT's (Yuan et al. 2023)
LONGEST = 200  # characters of an expression that is still read
DEEPEST = 20  # brackets and signs inside one another
POWER = 64.0  # largest exponent
COMPARED = 1500  # characters of a text that edit distances look at
NUMBER = r"(?:[0-9](?: [0-9])+(?![0-9.,])|[0-9]{1,40}(?:,[0-9]{3}){0,12}(?:\.[0-9]{1,40})?)"  # 883, 8 8 3, 1,234.5
SIGNED = rf" ?[-−]?\$?{NUMBER}%?"
RESULT = re.compile(rf"{SIGNED}(?: ?[-+*/×÷−^]{SIGNED}){{0,5}}")
SIGNS = "+-*/×÷−^"
ARITHMETIC = f"0123456789 .,$%(){SIGNS}"  # the letters of plain arithmetic
TIMES = re.compile(r"(?<=[\d)%]) ?[xX] ?(?=[$\d(.])")  # 3 x 4
UNCLEAR = re.compile(r"\d \d+ ?/|/ ?\d+(?:\.\d+)? ?/|[$\d] +\$?\d")
LETTER = re.compile(r"(?:^|[^A-Za-z])[A-Za-z]$")  # a variable
GOES_ON = re.compile(r"[A-Za-z:]| ?[-+*/^(]")
NOTE = re.compile(r"<<[^<>]*>>")
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
    for run, result, _ in _around_equals(line):
        expression = _bare(run.lstrip(" .,)%*/×÷^"))
        if any(c in SIGNS for c in expression[1:]) and value(expression) is not None:
            yield f"{expression}={result}"


def _around_equals(line: str) -> Iterator[tuple[str, str, bool]]:
    """Around every ``=`` of a line (the run of arithmetic before it, the result after it without spaces, whether these
    stand alone: no variable before the run, no variable or further operator after the result).
    """
    sides = line.split("=")
    for left, right in zip(sides, sides[1:], strict=False):
        near = left[-LONGEST:]
        near = near[len(near.rstrip(ARITHMETIC)) :]
        said = RESULT.match(right[:LONGEST])
        if said:
            before = left[: len(left) - len(near)][-2:]
            whole = not LETTER.search(before) and not GOES_ON.match(right[said.end() : said.end() + 3])
            yield re.split(r"[.,] ", near)[-1], _bare(said.group()), whole


def noted(text: str) -> list[str]:
    """The bodies of all ``<<expr=value>>`` of a text, without spaces. An open one without an end is none."""
    bodies = (piece.partition(">>") for piece in text.split("<<")[1:])
    return [_bare(body) for body, end, _ in bodies if end and "=" in body]


def sound(text: str) -> bool:
    """Whether every equation of a text holds. None at all is sound.

    An annotated one must be readable and hold within 1e-3 (RFT's rule); one in plain arithmetic may be rounded to the
    decimals it is written with, and what is only a part of a formula (``x + 2 * 3 = 9``) is passed over.
    """
    marked = [_bare(body) for body, end, _ in (piece.partition(">>") for piece in text.split("<<")[1:]) if end]
    if not all(holds(equation) for equation in marked):
        return False
    bare = TIMES.sub("*", NOTE.sub("", text))
    return all(
        _holds_roughly(run, result)
        for line in bare.splitlines()
        for run, result, whole in _around_equals(line)
        if whole
    )


def _holds_roughly(run: str, result: str) -> bool:
    """Whether a plain equation holds, its result rounded or a percentage; True for what cannot be judged: a part of a
    formula (``x + 2``), mixed numbers (``1 1/2``), quotients of quotients, and a chain, whose end is judged on its own.
    """
    expression = _bare(run)
    if not expression or expression[0] in SIGNS + ")%" or UNCLEAR.search(run) or any(c in SIGNS for c in result[1:]):
        return True
    worth = value(expression)
    stated = {v for v in (value(result), value(result.replace("%", ""))) if v is not None}
    if worth is None or not stated or not any(c in SIGNS for c in expression):
        return True
    decimals = len(result.rstrip("%").partition(".")[2])
    slack = (0.5 * 10.0**-decimals if decimals else 0.0) + TOLERANCE
    factors = (1, 100) if "%" in expression + result else (1,)
    return any(abs(factor * worth - v) < slack for v in stated for factor in factors)


def holds(equation: str) -> bool:
    """Whether all sides of ``a=b`` (or ``a=b=c``) are worth the same, within 1e-3."""
    if len(equation) > 2 * LONGEST:
        return False
    sides = [value(side) for side in equation.split("=")]
    known = [v for v in sides if v is not None]
    return len(known) == len(sides) > 1 and all(abs(a - b) < TOLERANCE for a, b in zip(known, known[1:], strict=False))


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


def unlike(texts: Sequence[str]) -> list[int]:
    """One text of each list of equations, as RFT's published selection goes (Yuan et al. 2023): the indices of the kept
    texts, in the order in which their lists first came.

    The texts are gone through once. The first one of a list is kept; a later one takes its place where its summed
    Levenshtein distance to the kept texts of the other lists is larger, so nothing moves while a problem has one list.
    Texts without any equation are one list like another, but where no text has an equation each is its own. Distances
    look at the first 1500 characters of a text.
    """
    from rapidfuzz.distance import Levenshtein

    lists = [equations(text) for text in texts]
    marks: Sequence[object] = lists if any(lists) else texts
    kept: dict[object, int] = {}

    def distance(text: str, others: list[str]) -> int:
        return sum(Levenshtein.distance(text[:COMPARED], other[:COMPARED]) for other in others)

    for i, mark in enumerate(marks):
        first = kept.setdefault(mark, i)
        if first != i and texts[first] != texts[i]:
            others = [texts[k] for k in kept.values() if texts[k] != texts[first]]
            if distance(texts[i], others) > distance(texts[first], others):
                kept[mark] = i
    return list(kept.values())


def _bare(text: str) -> str:
    return "".join(text.split())
