"""steps: kept rationales cut into one training example a step, for tasks that prompt for each step by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Task
from star_cli.core.records import Example
from star_cli.stages.base import Stage, Work, stage


@stage("steps")
class Steps(Stage):
    """Input: ``examples``. A step learns from the state it started from and the state it reached, right or wrong."""

    task: Task

    def run(self, work: Work) -> dict[str, Any]:
        def cut() -> Iterator[Example]:
            for e in work.inputs["examples"].read(Example):
                pieces = self.task.pieces(e.prompt, e.completion)
                for n, (prompt, completion) in enumerate(pieces):
                    yield Example(
                        problem_id=e.problem_id,
                        sample=e.sample * len(pieces) + n,
                        prompt=prompt,
                        completion=completion,
                        origin=e.origin,
                        round=e.round,
                        generator=e.generator,
                        images=e.images,
                    )

        return {"steps": work.draft.write(Example, cut())}
