"""What the graders that ask several others share: their members, their limits, their settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from star_cli.core import registry
from star_cli.core.parts import Grader
from star_cli.errors import need

OPEN = ("GRADER_ERROR", "TIMEOUT")  # reasons that leave a verdict undecided


@dataclass(kw_only=True)
class Several(Grader):
    """``graders`` are names of graders, each with its own settings' defaults."""

    graders: list[str] = field(default_factory=lambda: ["numeric", "exact"])

    def check(self) -> None:
        need(bool(self.graders), "grader.graders names no grader", "for example grader.graders=[numeric,math]")
        need(registry.name_of(self) not in self.graders, f"grader.graders of {registry.name_of(self)} names itself")
        for member in self.members():
            member.check()

    def members(self) -> list[Grader]:
        """The graders that are asked."""
        return [registry.get("grader", name)() for name in self.graders]

    @property
    def packages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for m in self.members() for p in m.packages))

    def same_answer(self, a: str, b: str) -> bool:
        return any(m.same_answer(a, b) for m in self.members() if m.merges_classes)

    @property
    def merges_classes(self) -> bool:
        return any(m.merges_classes for m in self.members())

    @property
    def isolated(self) -> bool:
        return any(m.isolated for m in self.members())

    @property
    def wall(self) -> float:
        return sum(m.wall for m in self.members())
