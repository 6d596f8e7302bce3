"""countdown: an expression that makes the target of the given numbers, each used once; any such expression is right.

gold ``( 8 * 5 ) - 6``, numbers 5 6 8, target 34, text ``... \\nAnswer: 5 * 8 - 6`` -> MATCH
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.graders._reading import Reader
from star_cli.lib.expressions import NotAnExpression, normal, numbers, value

GIVEN = {"meta": {"numbers": [5, 6, 8], "target": 34}}
GOLD = "( 8 * 5 ) - 6"


@register("grader", "countdown")
class Countdown(Reader):
    """The answer is what stands behind the last ``heading`` in its line; text after that line is RUN_ON.

    A problem's ``meta`` holds ``numbers`` and ``target``. Whether the steps before the answer hold is not asked here,
    as for every grader of outcomes: the task knows which of them are wrong.
    """

    heading: str = "Answer:"
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        (GOLD, "8 * 5 = 40\n40 - 6 = 34\nAnswer: ( 8 * 5 ) - 6", "MATCH", GIVEN),
        (GOLD, "Answer: 5*8-6", "MATCH", GIVEN),
        (GOLD, "Answer: 8 * 5 - 6 = 34", "MATCH", GIVEN),
        (GOLD, "Answer: -6 + 8 * 5", "NO_ANSWER", GIVEN),  # a sign of its own is no operation on two numbers
        (GOLD, "Answer: 8 * 5 - 6 = 35", "MISMATCH", GIVEN),
        (GOLD, "Answer: 8 * ( 5 - 6 )", "MISMATCH", GIVEN),
        (GOLD, "Answer: 34", "MISMATCH", GIVEN),
        (GOLD, "Answer: 28 + 6", "MISMATCH", GIVEN),
        (GOLD, "Answer: 8 * 5 - 6 + 6 - 6", "MISMATCH", GIVEN),
        (GOLD, "Answer: 5 + 6 * 8 / 0", "MISMATCH", GIVEN),
        (GOLD, "Answer: 6 ** 8 ** 8 ** 8", "NO_ANSWER", GIVEN),
        (GOLD, "Answer: __import__('os')", "NO_ANSWER", GIVEN),
        (GOLD, "Answer: ((((((((((", "NO_ANSWER", GIVEN),
        (GOLD, "Answer:", "NO_ANSWER", GIVEN),
        (GOLD, "8 * 5 = 40\n40 - 6 = 34", "NO_ANSWER", GIVEN),
        (GOLD, "", "NO_ANSWER", GIVEN),
        (GOLD, "Answer: 8 * 5 - 6\nNumbers: 1 2", "RUN_ON", GIVEN),
        (GOLD, "Answer: 8 * 5 - 6", "TRUNCATED", {**GIVEN, "finish": "length"}),
        (GOLD, "Answer: 8 + 5\nAnswer: 8 * 5 - 6", "MATCH", GIVEN),
        (GOLD, "<think>Answer: 8 + 5</think>Answer: 8 * 5 - 6", "MATCH", GIVEN),
        (GOLD, "<think>Answer: 8 * 5 - 6", "TRUNCATED", GIVEN),
        (GOLD, "Answer: 8 * 5 - 6", "GRADER_ERROR", {}),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        if not _complete(problem):
            return 'its meta does not hold "numbers" (a list) and "target"'
        fits = self._reached(problem.answer, problem) == "MATCH"
        return None if fits else f"the known answer {problem.answer!r} does not make the target of the numbers"

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        if not _complete(problem):
            return self.verdict(rationale, "GRADER_ERROR", 'the problem\'s meta holds no "numbers" and "target"')
        text, unfinished = self.spoken(rationale.text)
        if unfinished or rationale.finish == "length":
            return self.verdict(rationale, "TRUNCATED")
        _, heading, tail = text.rpartition(self.heading)
        lines = tail.strip().splitlines() if heading else []
        if not lines:
            return self.verdict(rationale, "NO_ANSWER")
        answer = " ".join(lines[0].split())
        reason = "RUN_ON" if len(lines) > 1 else self._reached(answer, problem)
        return self.verdict(rationale, reason, answer, _class_of(answer) if reason in ("MATCH", "MISMATCH") else None)

    def _reached(self, answer: str, problem: Problem) -> str:
        """MATCH, MISMATCH or NO_ANSWER of an answer; one that names its value must name the right one."""
        expression, equals, claimed = answer.partition("=")
        target = int(problem.meta["target"])
        try:
            if sorted(numbers(expression)) != sorted(int(n) for n in problem.meta["numbers"]):
                return "MISMATCH"
            reached = value(expression) == target and (not equals or value(claimed) == target)
        except NotAnExpression:
            return "NO_ANSWER"
        return "MATCH" if reached else "MISMATCH"

    def judged(self, text: str) -> str:
        return text


def _class_of(answer: str) -> str | None:
    """The expression in its normal form, and the value that is claimed of it where that is another one."""
    expression, equals, claimed = answer.partition("=")
    try:
        reached, said = value(expression), value(claimed) if equals else None
        return normal(expression) + (f"={said}" if said is not None and said != reached else "")
    except NotAnExpression:
        return None


def _complete(problem: Problem) -> bool:
    return isinstance(problem.meta.get("numbers"), list) and isinstance(problem.meta.get("target"), int)
