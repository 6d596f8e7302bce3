r"""Boxes of LaTeX: what stands in ``\boxed{}`` and ``\fbox{}``, and which boxes are one answer together."""

from __future__ import annotations

import re

LONGEST = 2000  # characters of a box; a longer one holds no answer
NEAR = 160  # characters that may stand between two boxes of one answer
MANY = 16  # boxes of one answer
JOINED = re.compile(  # what may stand between two boxes that are one answer
    r"(?:[\s$]|\\\(|\\\)|\\\[|\\\]|\\quad|\\qquad|\\[,;: ])*(?:(?:,|;|/|(?:\\(?:text|mbox"
    r"|textrm)\s*\{)?\s*\b(?:or|and)\b\s*\}?)"
    r"(?:[\s$]|\\\(|\\\)|\\\[|\\\]|\\quad|\\qquad|\\[,;: ])*)*"
)
HEAD = re.compile(r"\\(?:boxed|fbox)\s*")
BRACES = re.compile(r"\\.|[{}]", re.S)


def joined(text: str, start: int) -> tuple[str, int, int] | None:
    r"""(content, start, end) of the box at ``start`` with the boxes joined to it by "or", "and" or a comma.

    The content is empty where the box never closes; None where it is empty, or a mere mention of the command.
    """
    head = HEAD.match(text, start)
    box = _box(text, start)
    if box is None:
        return ("", start, len(text)) if head and text[head.end() : head.end() + 1] == "{" else None
    content, end = box
    found = [content]
    first = start
    for _ in range(MANY):
        at = last_box(text, first)
        other = _box(text, at) if at >= 0 else None
        if other is None or other[1] > first or not _joins(text[other[1] : first]):
            break
        found.insert(0, other[0])
        first = at
    for _ in range(MANY):
        link = JOINED.match(text, end, end + NEAR)
        if link is None or not text.startswith(("\\boxed", "\\fbox"), link.end()) or not _joins(text[end : link.end()]):
            break
        other = _box(text, link.end())
        if other is None:
            break
        found.append(other[0])
        end = other[1]
    if not any(c.strip() for c in found):
        return None
    return ", ".join(c.strip() for c in found), first, end


def last_box(text: str, before: int) -> int:
    """Where the last box within LONGEST characters before a place begins; -1 where there is none."""
    low = max(0, before - LONGEST)
    return max(text.rfind("\\boxed", low, before), text.rfind("\\fbox", low, before))


def _joins(gap: str) -> bool:
    """Whether what stands between two boxes makes one answer of them: a comma, "and", "or", or nothing in a formula."""
    return len(gap) < NEAR and JOINED.fullmatch(gap) is not None and (bool(re.search(r"[,;/a-z]", gap)) or not gap)


def _box(text: str, start: int) -> tuple[str, int] | None:
    head = HEAD.match(text, start)
    return braced(text, head.end()) if head else None


def braced(text: str, start: int) -> tuple[str, int] | None:
    r"""The content of ``{...}`` at ``start``, braces nested as they may be, and where it ends; ``\boxed 7`` is 7."""
    if start >= len(text):
        return None
    if text[start] != "{":
        bare = re.compile(r"\\[dtc]?frac\s*\d\s*\d|[^\s$\\{}.,;]+").match(text, start, start + LONGEST)
        return (bare.group(), bare.end()) if bare else None
    depth = 0
    for found in BRACES.finditer(text, start, start + LONGEST + 2):
        depth += (found.group() == "{") - (found.group() == "}")
        if depth == 0 and found.group() == "}":
            return text[start + 1 : found.start()], found.end()
    return None
