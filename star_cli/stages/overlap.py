"""Which held-out problems also stand among the training problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from star_cli.core.records import Problem
from star_cli.lib.text.overlap import LENGTH, Match, matches


@dataclass(frozen=True)
class Overlap:
    """What of a held-out split stands in the training split; ``held_out`` and ``train`` count their problems."""

    split: str
    held_out: int
    train: int
    found: list[Match]

    def sentence(self) -> str:
        """One line for people."""
        exact = sum(m.exact for m in self.found)
        sets = f"of {self.held_out:,} problems of {self.split}, beside {self.train:,} of train"
        if not self.found:
            return f"overlap: none {sets}, stands there word for word or shares {LENGTH} words in a row"
        return (
            f"overlap: {sets}, {exact:,} stand there word for word and {len(self.found) - exact:,} more share {LENGTH} "
            "words in a row; all are kept (star doctor data shows them)"
        )


def overlap_of(split: str, held_out: Iterable[Problem], train: Iterable[Problem]) -> Overlap:
    """The overlap of problems; those with pictures are compared as a whole alone."""
    known, others = list(_texts(held_out)), list(_texts(train))
    return Overlap(split, len(known), len(others), matches(known, others))


def _texts(problems: Iterable[Problem]) -> Iterator[tuple[str, str]]:
    """(id, what tells a problem from others): its question, choices and pictures."""
    for p in problems:
        text = " ".join([p.question, *(p.choices or [])])
        # the same few words are asked of many pictures: joined to one word they only match as a whole
        yield p.id, "".join(c for c in text + "".join(p.images) if c.isalnum()) if p.images else text
