"""answers: training examples that hold the bare answer, without a rationale."""

from __future__ import annotations

from typing import Any

from star_cli.core.parts import Task
from star_cli.core.records import Example, Problem
from star_cli.stages.base import Stage, Work, stage


@stage("answers")
class Answers(Stage):
    """Input: ``problems``. The data of the ``direct`` baseline."""

    task: Task

    def run(self, work: Work) -> dict[str, Any]:
        rows = (
            Example(
                problem_id=p.id,
                sample=0,
                prompt=self.task.training_prompt(p),
                completion=self.task.answer_only(p),
                origin="gold",
                images=p.images,
            )
            for p in work.inputs["problems"].read(Problem)
        )
        return {"kept": work.draft.write(Example, rows)}
