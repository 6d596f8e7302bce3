"""How far an answer reaches that begins at some place of a text: to the end of its sentence, formula, line or box."""

from __future__ import annotations

import re
from dataclasses import dataclass

from star_cli.lib.text import boxes
from star_cli.lib.text.signs import ASKED, DENIED, HANGING, HOUR, LONGEST, NEAR, PICTURES, QUESTION, SENTENCE


@dataclass(frozen=True)
class Final:
    """A place where a final answer is given: its words, the rest of that line, and where it starts and ends.

    ``kind`` is hash, boxed, tag, field, line, said, claim, heading or fix.
    """

    text: str
    line: str
    start: int
    end: int
    kind: str


def box_at(text: str, start: int) -> Final | None:
    found = boxes.joined(text, start)
    if found is None or DENIED.search(text[max(0, start - 60) : start]) or ASKED.match(text, found[2], found[2] + 9):
        return None
    content, begin, end = found
    unit = boxes.unit_behind(text, end) if boxes.PLAIN.fullmatch(content) else None
    if unit is not None:
        content, end = content + unit[0], unit[1]
    return Final(content, content, begin, end, "boxed")


def sentence_end(text: str, start: int, most: int = NEAR) -> int:
    """Where the sentence after ``start`` ends, its mark included; ``start`` where it is longer than ``most``."""
    found = SENTENCE.search(text, start, start + most)
    if found is None:
        return len(text) if len(text) - start <= most else start
    return found.start() + (found.group() in ".!?")


def phrase_at(text: str, start: int, begin: int, kind: str, stop: int | None = None) -> Final | None:
    """The answer that begins at ``begin``: to the end of its sentence, formula or line."""
    begin = _skip(text, begin, ' \t*_`":}')
    if begin < len(text) and text[begin] == "\n" and kind != "hash":  # "Answer:" and the answer on the line below
        begin = _skip(text, begin, ' \t\n*_`":>•' if kind == "heading" else " \t\n")
        fence = re.compile(r"```[a-z]*\n\s*").match(text, begin)
        begin = fence.end() if fence else begin
        begin += 2 if re.compile(r"[-•*] (?![\d.])").match(text, begin) else 0  # a bullet, but "- 5" is minus five
    edge = min(len(text), begin + LONGEST + 1)
    line_end = text.find("\n", begin, edge)
    line_end = line_end if line_end >= 0 else edge
    formula = _formula_end(text, begin, edge)
    if formula is not None:
        line_end = text.find("\n", formula, edge)
        line_end = line_end if line_end >= 0 else edge
    end = line_end if stop is None or formula is not None else min(stop, edge)
    if stop is None:
        close = _sentence(text, formula or begin, edge)
        end = close if close is not None else edge
    if text[end : end + 1] == "?" and kind in ("said", "line", "fix") and not QUESTION.match(text, begin):
        return None  # "The answer is 5?" asks
    inner = boxes.HEAD.search(text, begin, end)
    if inner:
        box = box_at(text, inner.start())
        if box is not None:
            return Final(box.text, box.text, start, max(box.end, end), "boxed")
    answer = text[begin:end].strip().strip(PICTURES).strip()
    if not answer or HANGING.fullmatch(answer):
        return None
    if len(answer) > LONGEST:
        return Final("", "", start, end, kind)
    return Final(answer, text[begin:line_end].strip(), start, end, kind)


def _sentence(text: str, begin: int, edge: int) -> int | None:
    for found in SENTENCE.finditer(text, begin, edge):
        if found.group() == "." and HOUR.search(text[max(begin, found.start() - 5) : found.start() + 1]):
            rest = text[found.end() : found.end() + 2]
            if rest.strip() and not rest[1:2].isupper():
                continue  # 5 p.m. on Monday
        return found.start()
    return None


def _skip(text: str, start: int, letters: str) -> int:
    while start < len(text) and text[start] in letters:
        start += 1
    return start


def _formula_end(text: str, begin: int, edge: int) -> int | None:
    r"""Where a formula that begins here and may span lines ends: $$ \[ \begin and, within its line, $ and \(."""
    for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\begin{", "\\end{"), ("\\(", "\\)"), ("$", "$")):
        if text.startswith(opening, begin):
            stop = text.find(closing, begin + len(opening), edge)
            if stop < 0 or (
                opening in ("$", "\\(") and "\n" in text[begin:stop] and "\\begin{" not in text[begin:stop]
            ):
                return None
            end = stop + len(closing)
            return text.find("}", end, edge) + 1 if opening == "\\begin{" else end
    return None
