r"""Boxes of LaTeX: what stands in ``\boxed{}`` and ``\fbox{}``, and which boxes are one answer together."""

from __future__ import annotations

import re

from star_cli.lib.text.units import known

LONGEST = 2000  # characters of a box; a longer one holds no answer
NEAR = 160  # characters that may stand between two boxes of one answer
MANY = 16  # boxes of one answer
JOINED = re.compile(  # what may stand between two boxes that are one answer
    r"(?:[\s$]|\\\(|\\\)|\\\[|\\\]|\\quad|\\qquad|\\[,;: ])*(?:(?:,|;|/|(?:\\(?:text|mbox"
    r"|textrm)\s*\{)?\s*\b(?:or|and)\b\s*\}?)"
    r"(?:[\s$]|\\\(|\\\)|\\\[|\\\]|\\quad|\\qquad|\\[,;: ])*)*"
)
HEAD = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*")
COMMANDS = ("\\boxed", "\\fbox", "\\framebox")
NAME = r"(?:[A-Z]{2,3}|[A-Za-z](?:_(?:\{\w{1,5}\}|\w))?'?(?:\([a-z0-9]\))?)"
TITLE = re.compile(
    rf"(?<![\w\\)}}\]^_+*/=-])(?<![+*/=-]\s)({NAME})\s*&?\s*=\s*(?:[$\s]|\\[(\[])*$"
)  # $x =$ before a box
PLAIN = re.compile(  # a number without a unit
    r"\s*-?\s*(?:\\?\$)?(?:[\d.,\s]|\\[,!]|\{,\}|\\[dtc]?frac\s*(?:\{\d+\}|\d)\s*(?:\{\d+\}|\d)|/|\\pi|\\sqrt\s*(?:\{\d+\}|\d))+"
)
BEHIND = re.compile(
    r"(?:[\s$~]|\\[)\],;: ])*(?:(?P<percent>\\?%|percent\b|per cent\b)"
    r"|(?:\\(?:text|mathrm|textrm|mbox)\s*\{\s*)?(?P<unit>(?:(?:square|cubic|sq|cu)\.?\s)?[A-Za-z°]+(?:(?:\s?/\s?|\sper\s)[A-Za-z]+)?)"
    r"(?P<power>\s*\}?\s*\^\s*\{?[23]\}?|[²³])?\}?)"
)
BRACES = re.compile(r"\\.|[{}]", re.S)


def joined(text: str, start: int) -> tuple[str, int, int] | None:
    r"""(content, start, end) of the box at ``start`` with the boxes joined to it by "or", "and" or a comma.

    Boxes that each have a name (``x = \boxed{1}, y = \boxed{4}``) keep it. The content is empty where the box never
    closes; None where it is empty, or a mere mention of the command.
    """
    head = HEAD.match(text, start)
    box = _box(text, start)
    if box is None:
        return ("", start, len(text)) if head and text[head.end() : head.end() + 1] == "{" else None
    content, end = box
    found = [content]
    first, (low, name) = start, _title(text, start)
    names = [name]
    for _ in range(MANY):
        at = last_box(text, low)
        other = _box(text, at) if at >= 0 else None
        if other is None or other[1] > low or not _joins(text[other[1] : low], bool(names[0])):
            break
        found.insert(0, other[0])
        first, (low, name) = at, _title(text, at)
        names.insert(0, name)
    for _ in range(MANY):
        ahead = HEAD.search(text, end, end + NEAR)
        if ahead is None:
            break
        at, (low, name) = ahead.start(), _title(text, ahead.start())
        other = _box(text, at)
        if other is None or low < end or not _joins(text[end:low], bool(name)):
            break
        found.append(other[0])
        names.append(name)
        end = other[1]
    if not any(c.strip() for c in found):
        return None
    if len(found) > 1 and all(names):
        found = [f"{name} = {value}" for name, value in zip(names, found, strict=True)]
    return ", ".join(c.strip() for c in found), first, end


def _title(text: str, start: int) -> tuple[int, str]:
    """(where the name of the box at ``start`` begins, the name); (``start``, "") where it has none."""
    begin = max(0, start - 40)
    found = TITLE.search(text[begin:start])
    return (begin + found.start(1), found[1]) if found else (start, "")


def unit_behind(text: str, end: int) -> tuple[str, int] | None:
    """(the unit that stands behind a box that ends at ``end``, as LaTeX, and where it ends); None where none does."""
    found = BEHIND.match(text, end, end + NEAR)
    if found is None:
        return None
    if found["percent"]:
        return "\\%", found.end()
    words = found["unit"].split()
    single = len(found["unit"]) == 1  # a letter is a unit where nothing follows it
    if single and (re.match(r"\s*[\w(=]", text[found.end() : found.end() + 9]) or found["unit"] not in "mghsLlKNJWVA"):
        return None
    parts = [p for w in words for p in w.split("/") if p not in ("per", "square", "cubic", "sq", "cu", "sq.", "cu.")]
    if not parts or any(known(p) is None for p in parts) or words[0] in ("in", "day", "second", "A"):
        return None
    power = {"²": "2", "³": "3"}.get(found["power"] or "", re.sub(r"\D", "", found["power"] or ""))
    return f"\\text{{ {' '.join(words)}}}" + (f"^{power}" if power else ""), found.end()


def last_box(text: str, before: int) -> int:
    """Where the last box within LONGEST characters before a place begins; -1 where there is none."""
    low = max(0, before - LONGEST)
    return max(text.rfind(command, low, before) for command in COMMANDS)


def _joins(gap: str, named: bool = False) -> bool:
    """Whether what stands between two boxes makes one answer of them: a comma, "and", "or", or nothing in a formula;
    where the second is ``named`` a row break or a full stop, too.
    """
    if len(gap) >= NEAR:
        return False
    if named and re.fullmatch(r"(?:[\s$&,.;]|\\\\|\\[()\[\]]|\\q?quad)*(?:\band\b)?[\s$]*(?:\\[(\[])?\s*", gap):
        return True
    return JOINED.fullmatch(gap) is not None and (bool(re.search(r"[,;/a-z]", gap)) or not gap)


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
