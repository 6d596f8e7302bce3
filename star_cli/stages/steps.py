"""steps: kept rationales cut into one training example a step, for tasks that prompt for each step by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Task, stepwise
from star_cli.core.records import Example
from star_cli.stages.base import Stage, StageContext, stage


@stage("steps")
class Steps(Stage):
    """Input: ``examples``. A step learns from the state it started from and the state it reached, right or wrong."""

    reads, writes = (Example,), (Example,)
    quick = True
    task: Task

    def run(self, context: StageContext) -> dict[str, Any]:
        in_steps = stepwise(self.task)
        if in_steps is None:
            raise TypeError(f"{type(self.task).__name__} is not learnt step by step")

        def cut() -> Iterator[Example]:
            for e in context.inputs["examples"].read(Example):
                pieces = in_steps.pieces(e.prompt, e.completion)
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

        return {"steps": context.draft.write(Example, cut())}
