r"""The kinds of answer that a formula can be.

``5\text{ cm}`` is a Scalar, ``(1, 2)`` and ``1, 2`` a Sequence, ``x < 3`` a Relation, ``(0, 1) \cup (2, 3)`` Combined,
``\text{east}`` Words, ``101_2`` Based, ``3:4`` a Ratio, ``2:30 p.m.`` a Clock. A term is a tuple: ("n", 3), ("v", "x"),
("+", a, b), ("^", a, b), ("f", "sin", a).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from star_cli.lib.text.units import Unit

Term = tuple[Any, ...]


@dataclass(frozen=True)
class Scalar:
    """One term with its unit. ``digits`` are the significant digits of a decimal that was written out."""

    term: Term
    unit: Unit | None = None
    percent: bool = False
    digits: int = 0


@dataclass(frozen=True)
class Sequence:
    """Several answers in brackets, or without: ``opening`` and ``closing`` are "" for a bare list.

    ``word`` says how a bare list is joined: and, or, or a comma.
    """

    opening: str
    closing: str
    items: tuple[Any, ...]
    word: str = ","


@dataclass(frozen=True)
class Relation:
    """``sides[0] ops[0] sides[1] ops[1] ...``; ``modulus`` of a congruence."""

    sides: tuple[Any, ...]
    ops: tuple[str, ...]
    modulus: Term | None = None


@dataclass(frozen=True)
class Combined:
    """Sets joined by ∪, ∩ or ∖, from left to right."""

    first: Any
    rest: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of terms."""

    rows: tuple[tuple[Term, ...], ...]


@dataclass(frozen=True)
class Words:
    """Words as the name or the value of something."""

    text: str


@dataclass(frozen=True)
class Based:
    """Digits in a number base."""

    digits: str
    base: int


@dataclass(frozen=True)
class Ratio:
    """Parts as in 3:4; ``spoken`` where it is written "3 to 4", which may be a range, too."""

    parts: tuple[Fraction, ...]
    spoken: bool = False


@dataclass(frozen=True)
class Clock:
    """A time of day in seconds; ``half`` is a or p where a.m. or p.m. stands there."""

    seconds: int
    half: str = ""
