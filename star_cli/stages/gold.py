"""gold: the data set's own rationales as training examples, where it has them."""

from __future__ import annotations

from typing import Any

from star_cli.core.parts import Task
from star_cli.core.records import Example, Problem
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage


@stage("gold")
class Gold(Stage):
    """Input: ``problems``. A problem without a gold rationale is left out and counted."""

    reads, writes = (Problem,), (Example,)
    task: Task

    def run(self, context: StageContext) -> dict[str, Any]:
        total = context.inputs["problems"].count(Problem)
        rows = ((p, self.task.gold(p)) for p in context.inputs["problems"].read(Problem))
        kept = context.draft.write(
            Example,
            (
                Example(
                    problem_id=p.id,
                    sample=0,
                    prompt=self.task.training_prompt(p),
                    completion=text,
                    origin="gold",
                    images=p.images,
                )
                for p, text in rows
                if text
            ),
        )
        if not kept:
            raise StarError(
                "this task has no gold rationales to start from",
                hint="set method.gold=false: then the base model itself writes the first solutions",
            )
        return {"kept": kept, "without": total - kept}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['kept']} gold rationales"
