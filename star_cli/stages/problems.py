"""problems: a split of a task as an artifact, whole or drawn afresh for a round."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

from star_cli.core.keys import seed_of
from star_cli.core.parts import Task
from star_cli.core.records import Problem, Record
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.store.artifacts import Artifact


@stage("problems")
class Problems(Stage):
    """``limit`` takes the first problems of the split, ``draw`` picks that many at random by (seed, round)."""

    writes = (Problem,)
    quick = True
    task: Task
    split: str
    limit: int = 0
    draw: int = 0
    seed: int = 0
    round: int = 0

    def run(self, context: StageContext) -> dict[str, Any]:
        note = self.task.split_note(self.split)
        if note:
            context.warn(note)
        rows = context.draft.write(Problem, self.chosen())
        if not rows:
            raise StarError(f"the split {self.split!r} of this task holds no problems", hint="choose another split")
        return {"problems": rows, **self._left_out(context)}

    def rows(self, inputs: dict[str, Artifact]) -> dict[type[Record], int]:
        return {Problem: sum(1 for _ in self.chosen())}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['problems']} problems"

    def _left_out(self, context: StageContext) -> dict[str, int]:
        """What the task could not give, counted; said aloud, too."""
        lost = {name: n for name, n in self.task.left_out(self.split).items() if n}
        for name, n in lost.items():
            context.warn(f"{n} problem(s) of the {self.split} split were left out: {name.replace('_', ' ')}")
        return lost

    def chosen(self) -> Iterator[Problem]:
        """The problems of the artifact, in the task's order."""
        source = self.task.problems(self.split)
        if self.limit:
            source = islice(source, self.limit)
        if not self.draw:
            yield from source
            return
        marked = ((seed_of("draw", self.seed, self.round, p.id), i, p) for i, p in enumerate(source))
        for _, _, problem in sorted(heapq.nsmallest(self.draw, marked, key=lambda m: m[:2]), key=lambda m: m[1]):
            yield problem
