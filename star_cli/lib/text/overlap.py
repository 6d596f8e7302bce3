"""Problems of one set that stand in another: word for word, or sharing 13 words in a row.

13 words are the length by which contamination is usually told (Brown et al. 2020, GPT-3, appendix C). Letters' case and
punctuation do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

LENGTH = 13
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Match:
    """A held-out problem that stands in the other set: whole (``exact``), or with the words ``span`` in a row."""

    held_out: str
    other: str
    exact: bool
    span: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case."""
    return tuple(WORD.findall(text.casefold()))


def matches(
    held_out: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]], length: int = LENGTH
) -> list[Match]:
    """The first match of each held-out (id, text) among the others, an exact one before one of ``length`` words.

    The span is the longest run of words that both share around the first ``length`` of them. In the order of the
    held-out ones.
    """
    texts = {name: words(text) for name, text in held_out}
    whole: dict[tuple[str, ...], list[str]] = {}
    grams: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for name, text in texts.items():
        whole.setdefault(text, []).append(name)
        for at in range(len(text) - length + 1):
            grams.setdefault(text[at : at + length], []).append((name, at))
    exact: dict[str, Match] = {}
    partial: dict[str, Match] = {}
    for other, raw in others:
        text = words(raw)
        for name in whole.get(text, ()):
            exact.setdefault(name, Match(name, other, True, " ".join(text)))
        for at in range(len(text) - length + 1):
            for name, place in grams.get(text[at : at + length], ()):
                if name not in partial:
                    partial[name] = Match(name, other, False, _shared(texts[name], place, text, at, length))
    found = {**partial, **exact}
    return [found[name] for name in texts if name in found]


def _shared(a: tuple[str, ...], i: int, b: tuple[str, ...], j: int, length: int) -> str:
    """The run of words that a from i and b from j share, as far as it goes to the right."""
    end = length
    while i + end < len(a) and j + end < len(b) and a[i + end] == b[j + end]:
        end += 1
    return " ".join(a[i : i + end])
