"""all_of: right only if every one of the named graders says so.

graders [numeric, exact], gold ``72``, text ``72`` -> MATCH; text ``The answer is 72.`` -> MISMATCH (exact says so)
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

from star_cli import registry
from star_cli.parts import Grader, need
from star_cli.records import Problem, Rationale, Verdict
from star_cli.registry import register

OPEN = ("GRADER_ERROR", "TIMEOUT")  # reasons that leave a verdict undecided


@register("grader", "all_of")
class AllOf(Grader):
    """``graders`` are names of graders, each with its own settings' defaults. The first one that refuses gives the
    reason; one that could not decide does so only if no other refuses.
    """

    graders: list[str] = field(default_factory=lambda: ["numeric", "exact"])
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
        return min((m.judged(text) for m in self.members()), key=len)

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        verdicts = [m.grade(problem, rationale) for m in self.members()]
        wrong = [v for v in verdicts if not v.correct]
        refused = [v for v in wrong if v.reason not in OPEN]
        return (refused or wrong or verdicts)[0]
