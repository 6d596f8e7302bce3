"""exact: the final answer must equal the known one, spaces aside.

gold ``8 8 3``, text ``<scratch> ... </scratch>\n8 8 3`` -> MATCH
"""

from __future__ import annotations

from typing import ClassVar

from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register


@register("grader", "exact")
class Exact(Grader):
    """The answer is the one line after the last ``after`` (the whole text where it does not occur).

    A second line is RUN_ON and a text that ran out of tokens TRUNCATED: neither is a rationale to learn from.
    """

    after: str = ""
    CASES: ClassVar[list[tuple[str, str, str]]] = [
        ("8 8 3", "8 8 3", "MATCH"),
        ("8 8 3", " 8  8 3 \n", "MATCH"),
        ("8 8 3", "8 8 4", "MISMATCH"),
        ("8 8 3", "8 8 3 1", "MISMATCH"),
        ("8 8 3", "", "NO_ANSWER"),
        ("8 8 3", "\n \n", "NO_ANSWER"),
        ("8 8 3", "8 8 3\nInput:\n1 + 1", "RUN_ON"),
        ("blotter", "Blotter", "MISMATCH"),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        return None if problem.answer.strip() else "the known answer is empty"

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        correct, answer, reason = self.judge(problem.answer, rationale.text, rationale.finish)
        return Verdict(problem_id=problem.id, sample=rationale.sample, correct=correct, answer=answer, reason=reason)

    def judge(self, gold: str, text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        if finish == "length":
            return False, None, "TRUNCATED"
        tail = text.rpartition(self.after)[2] if self.after and self.after in text else text
        lines = [" ".join(line.split()) for line in tail.strip().splitlines()]
        if not lines:
            return False, None, "NO_ANSWER"
        if len(lines) > 1:
            return False, lines[0], "RUN_ON"
        correct = lines[0] == " ".join(gold.split())
        return correct, lines[0], "MATCH" if correct else "MISMATCH"
