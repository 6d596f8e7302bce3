"""pairs: right and wrong solutions of the same problem, paired for preference training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

from star_cli.core.keys import seed_of
from star_cli.core.records import Labelled, Pair
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage

Side = tuple[str, bool]  # a solution, and whether its text ended


@stage("pairs", version=2)
class Pairs(Stage):
    """Input: ``labelled``. All right x wrong pairs of a problem, at most ``limit`` of them (0: all) drawn by ``seed``.

    The paper takes the whole Cartesian product; with many samples it is dominated by the problems that have the most
    pairs, so the metrics say what the limit leaves out. A draw is spread over the solutions: each right and each wrong
    one is used about equally often. Texts of different problems are never paired.
    """

    reads, writes = (Labelled,), (Pair,)
    limit: int = 0
    seed: int = 0

    def run(self, context: StageContext) -> dict[str, Any]:
        sides: dict[str, tuple[str, list[Side], list[Side]]] = {}
        for row in context.inputs["labelled"].read(Labelled):
            prompt, right, wrong = sides.setdefault(row.problem_id, (row.prompt, [], []))
            (right if row.correct else wrong).append((row.completion, row.ended))
        possible = sum(len(r) * len(w) for _, r, w in sides.values())
        if not possible:
            raise StarError(
                f"none of the {len(sides)} problems has both a right and a wrong solution, so there is no pair "
                f"to train on",
                hint="draw more samples, or at a higher sampling.temperature",
            )

        def rows() -> Iterator[Pair]:
            for problem, (prompt, right, wrong) in sides.items():
                for (chosen, chosen_ended), (rejected, rejected_ended) in self._drawn(problem, right, wrong):
                    yield Pair(
                        problem_id=problem,
                        prompt=prompt,
                        chosen=chosen,
                        rejected=rejected,
                        chosen_ended=chosen_ended,
                        rejected_ended=rejected_ended,
                    )

        pairs = context.draft.write(Pair, rows())
        counts = [len(r) * len(w) for _, r, w in sides.values()]
        return {
            "pairs": pairs,
            "possible": possible,
            "problems": sum(c > 0 for c in counts),
            "without_both": sum(c == 0 for c in counts),
            "over_limit": sum(bool(self.limit) and c > self.limit for c in counts),
            "largest": max(counts),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{pairs} of {possible} pairs, of {problems} problems; {without_both} have no pair".format(**metrics)

    def _drawn(self, problem: str, right: list[Side], wrong: list[Side]) -> list[tuple[Side, Side]]:
        if not self.limit or len(right) * len(wrong) <= self.limit:
            return list(product(right, wrong))
        rng = random.Random(seed_of(self.seed, "pairs", problem))
        rng.shuffle(right)
        rng.shuffle(wrong)
        # the product walked along its diagonals: neighbours differ on both sides, and none comes twice
        walk = ((i % len(right), (i + turn) % len(wrong)) for turn in range(len(wrong)) for i in range(len(right)))
        chosen: dict[tuple[int, int], None] = {}
        for i, j in walk:
            chosen.setdefault((i, j), None)
            if len(chosen) == self.limit:
                break
        return [(right[i], wrong[j]) for i, j in chosen]
