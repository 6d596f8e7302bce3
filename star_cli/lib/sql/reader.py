"""Reading the words of a SQL statement one after the other, with limits on how deep it is nested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from star_cli.lib.sql.text import Token

CLAUSES = frozenset(  # words that end an expression, and are no names
    """AND AS ASC BETWEEN CROSS DESC ELSE END EXCEPT EXISTS FROM FULL GROUP HAVING IN INNER INTERSECT IS JOIN LEFT LIKE
    LIMIT NATURAL NOT OFFSET ON OR ORDER OUTER RIGHT SELECT SET THEN UNION USING WHEN WHERE""".split()
)
DEPTH = 40  # queries and parentheses inside one another
STEPS = 1000  # of them read in all, those read again after a wrong guess included


class Unparsed(Exception):
    """A statement is outside of what the parser reads."""


class Reader:
    """The tokens of a statement; ``at`` is the place of the next one."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.at, self.depth, self.steps = tokens, 0, 0, 0

    def look(self, ahead: int = 0) -> str:
        """The next word in upper case, or sign; empty for anything else and at the end."""
        place = self.at + ahead
        return self.tokens[place].word if place < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Read these words if they come next."""
        if all(self.look(i) == w for i, w in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        """Read these words, which must come next."""
        if not self.take(*words):
            here = self.tokens[self.at].value if self.at < len(self.tokens) else "the end"
            raise Unparsed(f"expected {' '.join(words)}, found {here[:30]!r}")

    def name(self) -> str:
        """A table, column or alias."""
        if self.at >= len(self.tokens) or self.look() in CLAUSES or self.tokens[self.at].kind not in ("word", "quoted"):
            raise Unparsed("expected a name")
        token = self.tokens[self.at]
        self.at += 1
        return (token.value[1:-1] if token.kind == "quoted" else token.value).lower()

    def deeper(self) -> None:
        """Count one more nested query or parenthesis. Raises Unparsed beyond the limits."""
        self.depth += 1
        self.steps += 1
        if self.depth > DEPTH or self.steps > STEPS:
            raise Unparsed("nested too deeply")

    def comma_list(self, read_one: Callable[[], Any]) -> list[Any]:
        items = [read_one()]
        while self.take(","):
            items.append(read_one())
        return items

    def alias(self) -> str | None:
        """The name after AS, or right after an expression or table; None where there is none."""
        bare = self.at < len(self.tokens) and self.tokens[self.at].kind in ("word", "quoted")
        return self.name() if self.take("AS") or (bare and self.look() not in CLAUSES) else None
