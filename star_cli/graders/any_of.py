"""any_of: right if one of the named graders says so.

graders [numeric, exact], gold ``red``, text ``red`` -> MATCH, though numeric cannot read it
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.graders._several import OPEN, Several


@register("grader", "any_of")
class AnyOf(Several):
    """``graders`` are names of graders, each with its own settings' defaults. Where none accepts, one that could not
    decide gives the reason, else the first that found an answer.
    """

    CASES: ClassVar[list[tuple[Any, ...]]] = [
        ("72", "72", "MATCH"),
        ("72", "The answer is 72.", "MATCH"),
        ("72", "The answer is 73.", "MISMATCH"),
        ("72", "", "NO_ANSWER"),
        ("72", "The answer is 72", "TRUNCATED", {"finish": "length"}),
        ("red", "red", "MATCH"),
        ("red", "blue", "GRADER_ERROR"),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        faults: list[str] = []
        for member in self.members():
            fault = member.gold_fault(problem)
            if fault is None:
                return None
            faults.append(fault)
        return faults[0]

    def judged(self, text: str) -> str:
        return max((m.judged(text) for m in self.members()), key=len)

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        verdicts = []
        for member in self.members():
            verdicts.append(member.grade(problem, rationale))
            if verdicts[-1].correct:
                return verdicts[-1]
        undecided = [v for v in verdicts if v.reason in OPEN]
        found = [v for v in verdicts if v.reason != "NO_ANSWER"]
        return (undecided or found or verdicts)[0]
