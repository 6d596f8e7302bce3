"""filter: a grader judges every rationale; the right ones become training examples, without any hint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import grade_all
from star_cli.stages.keeping import Keeper, KeepRule

LEFT_OUT = {"too_long": "too long", "outside_pass_rate": "too hard or too easy", "unsound": "unsound"}


@stage("filter", version=3)
class Filter(Stage):
    """Inputs: ``problems``, ``rationales`` and, where the grader asks a model, its ``votes``.

    Writes all verdicts; what ``keep`` says of the right ones are examples.
    """

    reads, writes = (Problem, Rationale), (Verdict, Example)
    judges = True
    task: Task
    grader: Grader
    keep: KeepRule = field(default_factory=KeepRule)
    max_errors: float = 0.02

    def run(self, context: StageContext) -> dict[str, Any]:
        problems, rationales = context.inputs["problems"], context.inputs["rationales"]
        round, generator = rationales.round or 0, rationales.input("model") or ""
        keeper = Keeper(self.keep, task=self.task, grader=self.grader, round=round, generator=generator)
        meter = context.meter("filter", rationales.count(Rationale))

        def verdicts() -> Iterator[Verdict]:
            workers = context.runtime.grade_workers
            for problem, rationale, verdict in grade_all(
                self.grader, self.task, problems, rationales, workers, context.inputs.get("votes")
            ):
                keeper.add(problem, rationale, verdict)
                meter.step(right=verdict.correct)
                yield verdict
            keeper.close()

        try:
            context.draft.write(Verdict, verdicts())
        finally:
            meter.close()
        keeper.errors.refuse(self.max_errors)
        context.draft.write(Example, keeper.examples)
        return {
            "problems": problems.count(Problem),
            "asked": len(keeper.asked),
            "solved": len(keeper.solved),
            "kept": len(keeper.examples),
            "duplicates": keeper.duplicates,
            "kept_wrong_steps": keeper.wrong_steps,
            "reasons": dict(keeper.reasons),
            **({"unread": keeper.errors.unread} if keeper.errors.unread else {}),
            **keeper.left_out(),
            **({"kept_right": keeper.right} if self.keep.control == "random" else {}),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        out = "".join(f", {metrics[name]} {words}" for name, words in LEFT_OUT.items() if metrics.get(name))
        return f"solved {metrics['solved']} of {metrics['asked']}, kept {metrics['kept']}{out}"
