"""oppose: for every question that was answered right, a question about each of its wrong options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from star_cli.core.records import Problem, Verdict
from star_cli.stages.base import Stage, Work, stage

LETTERS = "ABCDEFGHIJ"


@stage("oppose")
class Oppose(Stage):
    """Inputs: ``problems`` and ``verdicts`` (a filter's). A problem's ``meta.against`` is the letter that is to be
    refuted.

    ``limit`` takes that many wrong options of a question at most, the first ones (0: all).
    """

    limit: int = 0

    def run(self, work: Work) -> dict[str, Any]:
        solved = {v.problem_id for v in work.inputs["verdicts"].read(Verdict) if v.correct}

        def rows() -> Iterator[Problem]:
            for problem in work.inputs["problems"].read(Problem):
                if problem.id in solved:
                    wrong = [x for x in LETTERS[: len(problem.choices or [])] if x != problem.answer.upper()]
                    for letter in wrong[: self.limit or None]:
                        yield msgspec.structs.replace(
                            problem, id=f"{problem.id}/not-{letter.lower()}", meta={**problem.meta, "against": letter}
                        )

        return {"solved": len(solved), "problems": work.draft.write(Problem, rows())}

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {}
