"""conclusion: the first letter in parentheses after the heading of the conclusion must be that of the known choice.

gold ``B``, text ``CAPTION: ...\nREASONING: ...\nCONCLUSION: (b)`` -> MATCH
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.graders._reading import Reader

LETTER = re.compile(r"\(\s*([A-Ja-j])\s*\)|^[ \t*]*([A-Ja-j])[ \t*.]*$", re.M)
TWO = {"choices": ["red", "blue"]}


@register("grader", "conclusion", version=3)
class Conclusion(Reader):
    """``tag`` is the heading; the last place where it begins a line counts. No letter there is NO_ANSWER, which is
    wrong.
    """

    tag: str = "CONCLUSION"
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        ("B", "CAPTION: a ball\nREASONING: it is blue\nCONCLUSION: (b)", "MATCH", TWO),
        ("B", "CONCLUSION: (b) blue", "MATCH", TWO),
        ("B", "CONCLUSION:\nB", "MATCH", TWO),
        ("B", "**CONCLUSION**: ( B )", "MATCH", TWO),
        ("B", "###CONCLUSION: (b)", "MATCH", TWO),
        ("B", "CONCLUSION: (a)", "MISMATCH", TWO),
        ("B", "CONCLUSION: (a), not (b)", "MISMATCH", TWO),
        ("B", "CONCLUSION: (c)", "MISMATCH", TWO),
        ("B", "CAPTION: (b)\nREASONING: (b)", "NO_ANSWER", TWO),
        ("B", "It is (b).", "NO_ANSWER", TWO),
        ("B", "CONCLUSION: blue", "NO_ANSWER", TWO),
        ("B", "CONCLUSION:", "NO_ANSWER", TWO),
        ("B", "", "NO_ANSWER", TWO),
        ("B", "REASONING: the CONCLUSION: (b)", "NO_ANSWER", TWO),
        ("B", "CONCLUSION: (b)", "TRUNCATED", {**TWO, "finish": "length"}),
        ("B", "<think>CONCLUSION: (a)</think>\nCONCLUSION: (b)", "MATCH", TWO),
        ("B", "CONCLUSION: (a)\n<think>CONCLUSION: (b)", "TRUNCATED", TWO),
        ("D", "CONCLUSION: (d)", "GRADER_ERROR", TWO),
        ("blue", "CONCLUSION: (b)", "GRADER_ERROR", TWO),
        ("B", "CONCLUSION: (b)", "MATCH", {}),
    ]

    def check(self) -> None:
        super().check()
        need(bool(self.tag.strip()), f"grader.tag must be a heading such as CONCLUSION, got {self.tag!r}")

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        correct, answer, reason = self.judge(problem.answer, problem.choices or [], rationale.text, rationale.finish)
        return self.verdict(rationale, reason, answer, answer_class=answer)

    def judge(self, gold: str, choices: list[str], text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted letter, reason) of a text."""
        known = gold.strip().strip("()").upper()
        if len(known) != 1 or known not in "ABCDEFGHIJ"[: len(choices) or 10]:
            return False, f"the known answer {gold!r} is not among the letters of the choices", "GRADER_ERROR"
        spoken, unfinished = self.spoken(text)
        found = LETTER.search(self._tail(spoken))
        said = (found[1] or found[2]).upper() if found else None
        if unfinished or finish == "length":
            return False, said, "TRUNCATED"
        if said is None:
            return False, None, "NO_ANSWER"
        return said == known, said, "MATCH" if said == known else "MISMATCH"

    def judged(self, text: str) -> str:
        """A text up to the end of the line that names the choice."""
        tail = self._tail(self.spoken(text)[0])
        found = LETTER.search(tail)
        if not found:
            return text.rstrip()
        stop = tail.find("\n", found.end())
        return text[: len(text) - len(tail) + (stop if stop >= 0 else len(tail))].rstrip()

    def _tail(self, text: str) -> str:
        heads = list(re.finditer(rf"^[ \t>*#]*{re.escape(self.tag)}[*]*[ \t]*:[*]*", text, re.M))
        return text[heads[-1].end() :] if heads else ""
