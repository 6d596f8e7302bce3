"""filter: a grader judges every rationale; the right ones become training examples, without any hint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.core.settings import CONTROLS, dedupe_mode
from star_cli.errors import need
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import grade_all
from star_cli.stages.keeping import Keeper, KeepRule


@stage("filter", version=2)
class Filter(Stage):
    """Inputs: ``problems``, ``rationales``. Writes all verdicts, and at most ``keep`` examples a problem (0: all).

    ``dedupe``: "text" keeps equal texts once (the first), "equations" equal ordered lists of equations once (the text
    that is furthest from the others; a text without equations counts by its text), "none" keeps all; true and false
    stand for "text" and "none". ``sound`` keeps only what has no annotated equation that does not hold.
    ``control="random"`` keeps as many examples of the same problems, drawn by ``seed`` from all their rationales
    whatever the verdicts; the verdicts are written as ever.
    """

    reads, writes = (Problem, Rationale), (Verdict, Example)
    judges = True
    task: Task
    grader: Grader
    keep: int = 1
    dedupe: str = "text"
    sound: bool = False
    max_errors: float = 0.02
    control: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        self.dedupe = dedupe_mode(self.dedupe)
        need(self.control in CONTROLS, f"filter.control must be {' or '.join(CONTROLS)}, got {self.control!r}")

    def run(self, context: StageContext) -> dict[str, Any]:
        problems, rationales = context.inputs["problems"], context.inputs["rationales"]
        rule = KeepRule(limit=self.keep, dedupe=self.dedupe, sound=self.sound, control=self.control, seed=self.seed)
        round, generator = rationales.round or 0, rationales.input("model") or ""
        keeper = Keeper(rule, task=self.task, grader=self.grader, round=round, generator=generator)
        meter = context.meter("filter", rationales.count(Rationale))

        def verdicts() -> Iterator[Verdict]:
            workers = context.runtime.grade_workers
            for problem, rationale, verdict in grade_all(self.grader, self.task, problems, rationales, workers):
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
            **({"unsound": keeper.unsound} if self.sound else {}),
            **({"kept_right": keeper.right} if self.control == "random" else {}),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"solved {metrics['solved']} of {metrics['asked']}, kept {metrics['kept']}"
