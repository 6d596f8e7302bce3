"""oppose and negatives: why each wrong option of a question that was answered right is wrong, asked and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from star_cli.core.parts import Task
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import joined
from star_cli.tasks.base.visual import VisualTask

LETTERS = "ABCDEFGHIJ"


@stage("oppose")
class Oppose(Stage):
    """Inputs: ``problems`` and ``verdicts`` (a filter's). A problem's ``meta.against`` is the letter that is to be
    refuted.

    ``limit`` takes that many wrong options of a question at most, the first ones (0: all).
    """

    reads, writes = (Problem, Verdict), (Problem,)
    limit: int = 0

    def run(self, context: StageContext) -> dict[str, Any]:
        solved = {v.problem_id for v in context.inputs["verdicts"].read(Verdict) if v.correct}

        def rows() -> Iterator[Problem]:
            for problem in context.inputs["problems"].read(Problem):
                if problem.id in solved:
                    wrong = [x for x in LETTERS[: len(problem.choices or [])] if x != problem.answer.upper()]
                    for letter in wrong[: self.limit or None]:
                        yield msgspec.structs.replace(
                            problem, id=f"{problem.id}/not-{letter.lower()}", meta={**problem.meta, "against": letter}
                        )

        return {"solved": len(solved), "problems": context.draft.write(Problem, rows())}


@stage("negatives")
class Negatives(Stage):
    """Inputs: ``problems`` (with ``meta.against``) and ``rationales``. Nobody grades them: the question was answered
    right.

    Left out and counted: what ran out of tokens, lacks a section that was asked for, or names the right choice as such.
    """

    reads, writes = (Problem, Rationale), (Example,)
    task: Task

    def run(self, context: StageContext) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        rationales = context.inputs["rationales"]
        generator, round = rationales.input("model") or "", rationales.round or 0

        def rows() -> Iterator[Example]:
            for problem, rationale in joined(context.inputs["problems"], rationales):
                text = rationale.text.strip()
                fault = "truncated" if rationale.finish == "length" else self._fault(text, problem.answer)
                counts[fault or "kept"] += 1
                if fault is None:
                    yield Example(
                        problem_id=problem.id,
                        sample=rationale.sample,
                        completion=text,
                        origin="negative",
                        prompt=self.task.training_prompt(problem),
                        round=round,
                        generator=generator,
                        images=problem.images,
                    )

        context.draft.write(Example, rows())
        return {
            "asked": sum(counts.values()),
            **{name: counts[name] for name in ("kept", "truncated", "unparsed", "told")},
        }

    def _fault(self, text: str, right: str) -> str | None:
        if not isinstance(self.task, VisualTask):
            return None if text else "unparsed"
        sections = self.task.sections(text)
        wanted = ["EXPLANATION"] if self.task.asks == "no_caption" else ["CAPTION", "EXPLANATION"]
        if not all(sections.get(role) for role in wanted):
            return "unparsed"
        return "told" if "the correct choice is" in text.lower() else None
