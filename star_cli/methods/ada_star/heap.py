"""AdaSTaR's heap (Koh et al. 2025, arXiv 2505.16322, algorithm 1): which problems are due, and what a round changes.

i is before j  iff  t_i < t_j, or t_i = t_j and w_i < w_j        t: the round i was last sampled in (0: never)
after a round that peeked at m problems, the first floor(m * alpha^2) get t_i = this round and their new w_i;
all others keep what they had, so they are due again
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping

from star_cli.core.keys import seed_of
from star_cli.methods.ada_star.records import Priority

ROUNDING = ("floor", "round")


class Heap:
    """Problems by (sampled, won, tie). The paper leaves ties open; here a hash of seed and problem breaks them, so that
    an order of the data (short sums first) is no order of the heap, or, with ``seed=None``, the order they are given
    in.
    """

    def __init__(self, entries: Iterable[Priority], seed: int | None) -> None:
        self._heap = [
            (e.sampled, e.won, i if seed is None else seed_of("tie", seed, e.problem_id), e.problem_id)
            for i, e in enumerate(entries)
        ]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def peek(self) -> Iterator[str]:
        """The problems in priority order; none is removed."""
        ahead = list(self._heap)
        while ahead:
            yield heapq.heappop(ahead)[3]

    def sample(self, round: int, won: Mapping[str, float], count: int) -> list[str]:
        """Pop the first ``count`` problems, and push them back as sampled in this round with their new ``won``."""
        popped = [heapq.heappop(self._heap) for _ in range(count)]
        for _, _, tie, name in popped:
            heapq.heappush(self._heap, (round, won[name], tie, name))
        return [name for _, _, _, name in popped]

    def entries(self) -> dict[str, Priority]:
        """The heap's content by problem."""
        return {name: Priority(problem_id=name, sampled=t, won=w) for t, w, _, name in self._heap}


def fresh(ids: Iterable[str]) -> Iterator[Priority]:
    """The heap's content before the first round."""
    return (Priority(problem_id=i, sampled=0, won=0.0) for i in ids)


def replaced(m: int, alpha: float, power: float, rounding: str) -> int:
    """How many of the ``m`` peeked problems count as sampled: f(alpha) = alpha^power of them, at most all."""
    share: float = m * alpha**power
    return min(m, math.floor(share + 1e-9) if rounding == "floor" else round(share))  # 100 * .7^2 is 49, not 48


def wanted(beta: int, grow: float, round: int) -> int:
    """beta^t: how many examples round ``round`` (1 is the first) collects; rounded down as the schedule's steps are."""
    return int(beta * grow ** (round - 1))
