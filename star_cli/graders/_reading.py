"""What the graders that read a text share: which part of it counts, and when it counts for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from star_cli.core.parts import Grader
from star_cli.errors import need
from star_cli.lib.text.answers import learned
from star_cli.lib.text.thoughts import THOUGHTS, Reading, read, spoken


@dataclass(kw_only=True)
class Reader(Grader):
    """``thoughts`` are pairs of tokens, with a space between, around what never decides."""

    thoughts: list[str] = field(default_factory=lambda: list(THOUGHTS))

    def check(self) -> None:
        for pair in self.thoughts:
            need(
                len(pair.split()) == 2,
                f"grader.thoughts must be pairs of tokens with a space between, got {pair!r}",
                'for example grader.thoughts=["<think> </think>"]',
            )

    def reading(self, text: str) -> Reading:
        """What of a text is judged."""
        return read(text, self.thoughts)

    def spoken(self, text: str) -> tuple[str, bool]:
        """(a text with its thoughts blanked, whether the last thought is open)."""
        return spoken(text, self.thoughts)

    def judged(self, text: str) -> str:
        return learned(text, self.thoughts)
