"""answers: training examples that hold the bare answer, without a rationale."""

from __future__ import annotations

from typing import Any

from star_cli.core.parts import Task
from star_cli.core.records import Example, Problem
from star_cli.stages.base import Stage, StageContext, stage


@stage("answers")
class Answers(Stage):
    """Input: ``problems``. The data of the ``direct`` baseline."""

    reads, writes = (Problem,), (Example,)
    quick = True
    task: Task

    def run(self, context: StageContext) -> dict[str, Any]:
        rows = (
            Example(
                problem_id=p.id,
                sample=0,
                prompt=self.task.training_prompt(p),
                completion=self.task.answer_only(p),
                origin="gold",
                images=p.images,
            )
            for p in context.inputs["problems"].read(Problem)
        )
        return {"kept": context.draft.write(Example, rows)}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['kept']} answers"
