"""Texts that say nearly the same: near-duplicates folded into one, and the most different of several.

"12 apples and 3 more are 15 apples"  "12 apples and 3 more are 15 pears"  ->  4 of 8 runs of three words shared: 0.5
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from typing import Any

WORD = re.compile(r"[^\W_]+|[^\w\s]")
RUN = 3  # words
PERMUTATIONS = 128  # of a MinHash
MARGIN = 0.15  # by which the hash may underestimate a likeness: the exact one decides


def runs_of_words(text: str) -> frozenset[str]:
    """The runs of three words and signs of a text in lower case; of a shorter one the whole."""
    words = WORD.findall(text.casefold())
    return frozenset(" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1)))


def likeness(a: Set[Any], b: Set[Any]) -> float:
    """The Jaccard index of two sets: shared elements over all, 1 for two empty ones."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def without_near_duplicates(texts: Sequence[str], threshold: float) -> list[int]:
    """The places of texts that are less than ``threshold`` like every one kept before them; the first always is.

    Candidates are found by MinHash (Broder 1997) and locality-sensitive hashing, and compared exactly.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=max(0.05, threshold - MARGIN), num_perm=PERMUTATIONS)
    kept: dict[int, frozenset[str]] = {}
    for place, text in enumerate(texts):
        runs = runs_of_words(text)
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch([run.encode() for run in sorted(runs)])
        if all(likeness(runs, kept[other]) < threshold for other in index.query(sketch)):
            kept[place] = runs
            index.insert(place, sketch)
    return list(kept)


def most_different(marks: Sequence[Set[Any]], count: int) -> list[int]:
    """``count`` places, the first and then each time the one least like those chosen (ties: the first of them)."""
    chosen: list[int] = []
    nearest = [0.0] * len(marks)  # how like a place is to the most similar one of those chosen
    while len(chosen) < min(count, len(marks)):
        left = [i for i in range(len(marks)) if i not in chosen]
        chosen.append(min(left, key=lambda i: nearest[i]))
        nearest = [max(value, likeness(marks[i], marks[chosen[-1]])) for i, value in enumerate(nearest)]
    return chosen
