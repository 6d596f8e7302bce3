"""all_of: right only if every one of the named graders says so.

graders [numeric, exact], gold ``72``, text ``72`` -> MATCH; text ``The answer is 72.`` -> MISMATCH (exact says so)
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.graders._several import OPEN, Several


@register("grader", "all_of")
class AllOf(Several):
    """``graders`` are names of graders, each with its own settings' defaults. The first one that refuses gives the
    reason; one that could not decide does so only if no other refuses.
    """

    CASES: ClassVar[list[tuple[Any, ...]]] = [
        ("72", "72", "MATCH"),
        ("72", "72.0", "MISMATCH"),
        ("72", "The answer is 72.", "MISMATCH"),
        ("72", "73", "MISMATCH"),
        ("72", "", "NO_ANSWER"),
        ("72", "72", "TRUNCATED", {"finish": "length"}),
        ("red", "red", "GRADER_ERROR"),
        ("red", "blue", "MISMATCH"),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        return next((fault for m in self.members() if (fault := m.gold_fault(problem))), None)

    def judged(self, text: str) -> str:
        return min((m.judged(text) for m in self.members()), key=len)

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        verdicts = [m.grade(problem, rationale) for m in self.members()]
        wrong = [v for v in verdicts if not v.correct]
        refused = [v for v in wrong if v.reason not in OPEN]
        return (refused or wrong or verdicts)[0]
