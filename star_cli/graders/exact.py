"""exact: the final answer must equal the known one, spaces aside.

gold ``8 8 3``, text ``<scratch> ... </scratch>\n8 8 3`` -> MATCH
"""

from __future__ import annotations

from typing import ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.graders._reading import Reader


@register("grader", "exact", version=3)
class Exact(Reader):
    """The answer is the one line after the last ``after`` (the whole text where it does not occur); thoughts are passed
    over.

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
        ("8 8 3", "<think>6 + 2\n8 8 4</think>\n8 8 3", "MATCH"),
        ("8 8 3", "<think>8 8 3</think>\n8 8 4", "MISMATCH"),
        ("8 8 3", "<think>8 8 3", "TRUNCATED"),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        return None if problem.answer.strip() else "the known answer is empty"

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        correct, answer, reason = self.judge(problem.answer, rationale.text, rationale.finish)
        return self.verdict(rationale, reason, answer, answer_class=answer)

    def judged(self, text: str) -> str:
        return text

    def judge(self, gold: str, text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        spoken, unfinished = self.spoken(text)
        if unfinished or finish == "length":
            return False, None, "TRUNCATED"
        tail = spoken.rpartition(self.after)[2] if self.after and self.after in spoken else spoken
        lines = [" ".join(line.split()) for line in tail.strip().splitlines()]
        if not lines:
            return False, None, "NO_ANSWER"
        if len(lines) > 1:
            return False, lines[0], "RUN_ON"
        correct = lines[0] == " ".join(gold.split())
        return correct, lines[0], "MATCH" if correct else "MISMATCH"
