"""The steps of a rationale: its lines that are not blank.

step_starts("a\\n\\nb\\nc") -> [0, 3, 5]      step_ends("a\\n\\nb\\nc") -> [1, 4, 6]
"""

from __future__ import annotations

import re

LINE = re.compile(r"[^\n]*\S")  # without what is blank at its end


def step_starts(text: str) -> list[int]:
    """Where each step begins: the place of its line's first character."""
    return [m.start() for m in LINE.finditer(text)]


def step_ends(text: str) -> list[int]:
    """Where each step ends: the place behind its last character that is not blank."""
    return [m.end() for m in LINE.finditer(text)]
