"""The final answer of a text: where it is said first, and what runs on after it.

Only the first final answer counts. What stands after it, and whatever follows a next "Q:", is never judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NEXT = re.compile(
    r"^[ \t>*#]*(?:Q|Question|Problem|Exercise|Human|User|Instruction)\b[ \t]*\d*[ \t]*\**[ \t]*[:.)]|(?<=\s)Q:", re.M
)
SAID = re.compile(
    r"(?P<hash>####)|(?P<boxed>\\(?:boxed|fbox)\s*)|"
    r"(?P<said>(?i:(?:\b(?:the|my|our|final|correct|so|thus|hence|therefore),?\s+(?:[a-z]+\s+){0,2}?"
    r"|(?:^|(?<=[.!?>*#_\n]))[\s*_#>]*(?:final\s+)?)"
    r"(?:answer\b(?:[^.,;\n\d:=?!\\(]{0,40}?(?:\([^()\n\d]{0,30}\)\s*)?\b(?:is|equals)\b"
    r"|[\s*_]*(?:\([^()\n\d]{0,30}\)[\s*_]*)?[:=])|(?:correct|right|best) (?:option|choice) is\b)))"
)
SENTENCE = re.compile(r"\n|(?<!\bRs)[.!?](?=[\s\"'*)\]$]|$)|;\s")
JOINED = re.compile(r"[\s$,.]*(?:(?:or|and|,|/|;)[\s$]*)+")  # what may stand between two boxes that are one answer


@dataclass(frozen=True)
class Final:
    """A place where a final answer is given: its words, the whole rest of that line, and where its sentence ends."""

    text: str
    line: str
    end: int


def own(text: str) -> tuple[str, bool]:
    """(the text before it runs on to a next question, whether it does)."""
    for found in NEXT.finditer(text):
        if text[: found.start()].strip():
            return text[: found.start()], True
    return text, False


def finals(text: str) -> Iterator[Final]:
    """Every place of ``text`` where a final answer is given, in order."""
    done = 0
    for found in SAID.finditer(text):
        if found.start() < done:
            continue
        if found["boxed"]:
            box = boxes(text, found.start())
            if box is None:
                continue
            answer, done = box
            yield Final(answer, answer, done)
            continue
        start = found.end()
        while start < len(text) and text[start] in ' \t*_`":':
            start += 1
        if start < len(text) and text[start] == "\n":  # "Answer:" and the answer on the line below
            start += len(text[start:]) - len(text[start:].lstrip())
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        line = text[start:stop]
        end = stop
        if not found["hash"]:
            close = SENTENCE.search(text, start)
            end = close.start() if close else len(text)
        inner = re.search(r"\\(?:boxed|fbox)\s*", text[start:end])
        box = boxes(text, start + inner.start()) if inner else None
        if box is not None:
            answer, done = box
            yield Final(answer, answer, max(done, end))
        else:
            yield Final(text[start:end].strip(), line.strip(), end)


def boxes(text: str, start: int) -> tuple[str, int] | None:
    r"""The content of the box at ``start``, and of boxes joined to it by "or", "and" or a comma; None if it never
    closes."""
    found, end = [], start
    while True:
        head = re.compile(r"\\(?:boxed|fbox)\s*").match(text, end)
        if head is None:
            break
        inside = braced(text, head.end())
        if inside is None:
            return None
        content, end = inside
        found.append(content)
        link = JOINED.match(text, end)
        if link is None or not re.match(r"\\(?:boxed|fbox)", text[link.end() :]):
            break
        end = link.end()
    return (", ".join(found), end) if found else None


def braced(text: str, start: int) -> tuple[str, int] | None:
    r"""The content of ``{...}`` at ``start``, braces nested as they may be, and where it ends; ``\boxed 7`` is 7."""
    if start >= len(text):
        return None
    if text[start] != "{":
        bare = re.compile(r"[^\s$\\{}.,;]+").match(text, start)
        return (bare.group(), bare.end()) if bare else None
    depth = 0
    for i in range(start, len(text)):
        if text[i] == "\\":
            continue
        escaped = i > 0 and text[i - 1] == "\\"
        depth += (text[i] == "{" and not escaped) - (text[i] == "}" and not escaped)
        if depth == 0:
            return text[start + 1 : i], i + 1
    return None


def learned(text: str) -> str:
    """``text`` up to the end of the line or sentence with its first final answer; without what runs on after it."""
    mine, _ = own(text)
    first = next(finals(mine), None)
    if first is None:
        return mine.rstrip()
    rest = re.compile(r"[)\]}$*_`\"'.!\\ ]*").match(mine, first.end)
    return mine[: rest.end() if rest else first.end].rstrip()
