"""positives, oppose and negatives: right texts with all their sections; why each wrong option of their questions is
wrong, asked and kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from star_cli.core.keys import seed_of
from star_cli.core.parts import Task
from star_cli.core.records import Example, Problem, Rationale
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import joined
from star_cli.tasks.base.visual import VisualTask

LETTERS = "ABCDEFGHIJ"


@stage("positives")
class Positives(Stage):
    """Inputs: ``problems`` and ``examples`` (a filter's): texts whose conclusion is right.

    Those that have every section that was asked for are written in one normal form; the others are left out and
    counted (``unparsed``).
    """

    reads, writes = (Problem, Example), (Example,)
    task: Task

    def run(self, context: StageContext) -> dict[str, Any]:
        task = self.task
        counts: Counter[str] = Counter()

        def rows() -> Iterator[Example]:
            for example in context.inputs["examples"].read(Example):
                text: str | None = example.completion
                if isinstance(task, VisualTask):
                    text = task.normal_form(example.completion, task.wanted_sections())
                counts["unparsed" if text is None else "kept"] += 1
                if text is not None:
                    yield msgspec.structs.replace(example, completion=text)

        context.draft.write(Example, rows())
        return {name: counts[name] for name in ("kept", "unparsed")}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{kept} with all their sections, {unparsed} without".format(**metrics)


@stage("oppose", version=2)
class Oppose(Stage):
    """Inputs: ``problems`` and ``positives``. A problem's ``meta.against`` is the letter that is to be refuted.

    ``limit`` takes that many wrong options of a question at most, drawn by ``seed`` (0: all).
    """

    reads, writes = (Problem, Example), (Problem,)
    limit: int = 0
    seed: int = 0

    def run(self, context: StageContext) -> dict[str, Any]:
        solved = {e.problem_id for e in context.inputs["positives"].read(Example)}

        def rows() -> Iterator[Problem]:
            for problem in context.inputs["problems"].read(Problem):
                if problem.id in solved:
                    for letter in self._drawn(problem):
                        yield msgspec.structs.replace(
                            problem, id=f"{problem.id}/not-{letter.lower()}", meta={**problem.meta, "against": letter}
                        )

        return {"solved": len(solved), "problems": context.draft.write(Problem, rows())}

    def _drawn(self, problem: Problem) -> list[str]:
        """The letters of the wrong options that are refuted, in their order."""
        wrong = [x for x in LETTERS[: len(problem.choices or [])] if x != problem.answer.upper()]
        if not self.limit:
            return wrong
        return sorted(sorted(wrong, key=lambda x: seed_of(self.seed, "against", problem.id, x))[: self.limit])


@stage("negatives", version=2)
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
                text = self._normal_form(rationale.text.strip())
                fault = "truncated" if rationale.finish == "length" else self._fault(text)
                counts[fault or "kept"] += 1
                if fault is None and text is not None:
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

    def _normal_form(self, text: str) -> str | None:
        """The sections of an explanation; None where one is missing."""
        if not isinstance(self.task, VisualTask):
            return text or None
        return self.task.normal_form(text, self.task.wanted_sections(negative=True))

    @staticmethod
    def _fault(text: str | None) -> str | None:
        if text is None:
            return "unparsed"
        return "told" if "the correct choice is" in text.lower() else None
