"""any_of: right if one of the named graders says so.

graders [numeric, exact], gold ``red``, text ``red`` -> MATCH, though numeric cannot read it
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

from star_cli import registry
from star_cli.parts import Grader, need
from star_cli.records import Problem, Rationale, Verdict
from star_cli.registry import register

OPEN = ("GRADER_ERROR", "TIMEOUT")  # reasons that leave a verdict undecided


@register("grader", "any_of")
class AnyOf(Grader):
    """``graders`` are names of graders, each with its own settings' defaults. Where none accepts, one that could not
    decide gives the reason, else the first that found an answer.
    """

    graders: list[str] = field(default_factory=lambda: ["numeric", "exact"])
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        ("72", "72", "MATCH"),
        ("72", "The answer is 72.", "MATCH"),
        ("72", "The answer is 73.", "MISMATCH"),
        ("72", "", "NO_ANSWER"),
        ("72", "The answer is 72", "TRUNCATED", {"finish": "length"}),
        ("red", "red", "MATCH"),
        ("red", "blue", "GRADER_ERROR"),
    ]

    def check(self) -> None:
        need(bool(self.graders), "grader.graders names no grader", "for example grader.graders=[numeric,math]")
        need(registry.name_of(self) not in self.graders, f"grader.graders of {registry.name_of(self)} names itself")
        for member in self.members():
            member.check()

    def members(self) -> list[Grader]:
        """The graders that are asked."""
        return [registry.get("grader", name)() for name in self.graders]

    @property
    def isolated(self) -> bool:
        return any(m.isolated for m in self.members())

    @property
    def wall(self) -> float:
        return sum(m.wall for m in self.members())

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
