"""merge: examples of several rounds or sources as one set, each text of a problem once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from star_cli.core.records import Example
from star_cli.lib.text.equations import equations
from star_cli.stages.base import Stage, StageContext, stage


@stage("merge")
class Merge(Stage):
    """Inputs: ``examples.0``, ``examples.1``, ... in order; of equal texts of a problem the first stays.

    ``dedupe="equations"`` takes those of the same equations for equal, too (RFT). ``keep`` is the most examples of a
    problem (0: all), counted without gold ones. Every row keeps the round it was written in and the model that wrote
    it.
    """

    reads, writes = (Example,), (Example,)
    keep: int = 0
    dedupe: str = "text"

    def run(self, context: StageContext) -> dict[str, Any]:
        duplicates = over = 0
        origins: Counter[str] = Counter()

        def rows() -> Iterator[Example]:
            nonlocal duplicates, over
            seen: set[tuple[str, Any]] = set()
            held: Counter[str] = Counter()
            for artifact in context.numbered():
                for e in artifact.read(Example):
                    mark = (e.problem_id, self._mark(e))
                    if mark in seen:
                        duplicates += 1
                    elif self.keep and e.origin != "gold" and held[e.problem_id] >= self.keep:
                        over += 1
                    else:
                        seen.add(mark)
                        held[e.problem_id] += e.origin != "gold"
                        origins[e.origin] += 1
                        yield e

        kept = context.draft.write(Example, rows())
        return {"kept": kept, "duplicates": duplicates, "over_limit": over, "origins": dict(origins)}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{kept} examples, {duplicates} equal ones left out".format(**metrics)

    def _mark(self, e: Example) -> Any:
        return (
            equations(e.completion) or e.completion
            if self.dedupe == "equations" and e.origin != "gold"
            else e.completion
        )
