"""A rationale as HTML: thoughts folded, code coloured, formulas drawn, the answer and wrong steps marked.

Whatever a model wrote is escaped, control characters and direction marks are made visible, and the text can always be
seen as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from star_cli.lib.text.equations import holds, value
from star_cli.lib.text.thoughts import THOUGHTS, spoken, thought_spans
from star_cli.report.text import clean
from star_cli.report.view.formulas import mathml

FENCE = re.compile(r"^```[ \t]*([\w+#-]*)[^\n]*\n(.*?)(?:^```[ \t]*$|\Z)", re.M | re.S)
FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\$\w])\$(?=\S)([^$\n]{1,300}?)(?<=\S)\$(?![\w$])", re.S
)
NOTED = re.compile(r"<<([^<>\n]{1,400})>>")
ARITHMETIC = frozenset("0123456789 .,$%()+-*/×÷−")
SIGNS = "+-*/×÷−"
RESULT = re.compile(r"[ ]?-?\$?\d[\d,]*(?:\.\d+)?(?:[ ]?%)?(?![\w/*×÷%]|[.,]\d|[ ]\d|[ ]?[-+*/×÷−][ ]?[\w($])")
BEFORE = re.compile(  # what may stand before an equation that begins there: nothing, punctuation, or such a word
    r"(?:^|[.:;,!?(>*]|\b(?:so|is|are|was|were|has|have|had|get|gets|got|gives?|means?|makes?|then|thus|hence|therefore"
    r"|because|since|that|which|know|compute|calculate|wait|now|be))[ ]*$",
    re.I,
)
BETWEEN = r"[\s,$]*"  # what may stand between the characters of an answer, as in 1,000 or 1 0 0 0


@dataclass(frozen=True)
class Mark:
    """A piece of text to be marked: ``kind`` is answer, wrong or text, ``why`` is shown with it."""

    start: int
    end: int
    kind: str
    why: str


def rendered(
    text: str,
    *,
    answer: str | None = None,
    correct: bool | None = None,
    wrong_lines: Sequence[int] = (),
    thoughts: Sequence[str] = THOUGHTS,
    search: str = "",
) -> str:
    """The HTML of a rationale. ``answer`` is what the grader took from it, ``wrong_lines`` the numbers of the lines
    that the task knows to be wrong, counted from 0; ``search`` is what a person looks for.
    """
    marks = [*_wrong_lines(text, wrong_lines), *_wrong_equations(text)]
    place = answer_place(text, answer, thoughts) if answer else None
    if place:
        verdict = "" if correct is None else ", right" if correct else ", wrong"
        marks.insert(0, Mark(*place, "answer", f"the answer that the grader took{verdict}"))
    marks += _occurrences(text, search)
    spans, unfinished = thought_spans(text, thoughts)
    pieces, done = [], 0
    for start, end in spans:
        pieces.append(_blocks(text, done, start, marks))
        note = " that never ends" if unfinished and end == len(text) else ""
        words = len(text[start:end].split())
        pieces.append(
            f'<details class="thought"><summary>thought of {words:,} words{note}</summary>'
            f"{_blocks(text, start, end, marks)}</details>"
        )
        done = end
    pieces.append(_blocks(text, done, len(text), marks))
    return "".join(pieces)


def raw(text: str) -> str:
    """The HTML of a text exactly as it was written."""
    return f'<pre class="text">{escape(clean(text))}</pre>'


def answer_place(text: str, answer: str, thoughts: Sequence[str] = THOUGHTS) -> tuple[int, int] | None:
    """Where the answer stands in a text, outside of its thoughts: the last place, spaces and commas aside; or None."""
    characters = [c for c in answer if not re.fullmatch(BETWEEN, c)]
    if not characters or len(characters) > 200:
        return None
    visible, _ = spoken(text, thoughts)
    if len(visible) != len(text):
        return None
    inside = BETWEEN.join(map(re.escape, characters))
    patterns = [rf"(?<![\w.]){inside}(?!\w|\.\d)" if answer[-1:].isalnum() else inside]
    if len(characters) == 1 and answer.isalpha():  # the letter of a choice: (e) goes before a lonely e
        patterns.insert(0, rf"(?i:\({inside}\))")
    for pattern in patterns:
        places = [found.span() for found in re.finditer(pattern, visible)]
        if places:
            return places[-1]
    return None


def _wrong_lines(text: str, numbers: Sequence[int]) -> Iterator[Mark]:
    """The lines of these numbers."""
    start = 0
    for number, line in enumerate(text.split("\n")):
        if number in numbers and line.strip():
            yield Mark(start, start + len(line), "wrong", "this step is wrong")
        start += len(line) + 1


def _wrong_equations(text: str) -> Iterator[Mark]:
    """Equations that do not hold: those noted as <<a=b>>, and plain ones of numbers."""
    noted = list(NOTED.finditer(text))
    for found in noted:
        if "=" in found[1] and not holds(found[1].replace(" ", "")):
            yield Mark(*found.span(), "wrong", "this equation does not hold")
    start = 0
    for line in text.split("\n"):
        for first, last in _plain_equations(line):
            inside = any(n.start() < start + last and start + first < n.end() for n in noted)
            left, _, right = (re.sub(r"[\s,$]", "", side) for side in line[first:last].partition("="))
            if not inside and not holds(f"{left}={right}") and not _rounded(left, right):
                yield Mark(start + first, start + last, "wrong", "this equation does not hold")
        start += len(line) + 1


def _plain_equations(line: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every ``12 + 3 = 15`` whose left side is whole: what stands before it does not belong to it."""
    for equals in (i for i, c in enumerate(line) if c == "="):
        first = equals
        while first > 0 and line[first - 1] in ARITHMETIC and equals - first < 200:
            first -= 1
        sentence = max(line.rfind(end, first, equals) for end in (". ", ", ", ": "))
        first = sentence + 2 if sentence >= 0 else first
        first += len(line[first:equals]) - len(line[first:equals].lstrip())
        expression = line[first:equals].rstrip()
        result = RESULT.match(line, equals + 1)
        if (
            result is not None
            and expression[:1] not in (*SIGNS, *")%.,")
            and any(sign in expression for sign in SIGNS)
            and BEFORE.search(line[:first]) is not None
        ):
            yield first, result.end()


def _rounded(left: str, right: str) -> bool:
    """Whether the right side is the left one rounded to the decimals it shows, or that in per cent or in cents."""
    exact, shown = value(left.replace("%", "")), value(right.replace("%", ""))
    if exact is None or shown is None:
        return True  # not arithmetic: nothing is said of it
    half = 0.5 * 0.1 ** len(right.rstrip("%").partition(".")[2]) + 1e-9
    return any(abs(exact * unit - shown) <= half * max(unit, 1.0) for unit in (1.0, 100.0, 0.01))  # %, cents


def _occurrences(text: str, search: str) -> Iterator[Mark]:
    """Every place of what a person looks for."""
    for found in re.finditer(re.escape(search), text, re.I) if search else ():
        yield Mark(*found.span(), "text", "found")


def _blocks(text: str, start: int, end: int, marks: list[Mark]) -> str:
    """A stretch of text: its code blocks coloured, what stands between them with marks and formulas."""
    pieces, done = [], start
    for fence in FENCE.finditer(text, start, end):
        pieces.append(_prose(text, done, fence.start(), marks))
        pieces.append(code(fence[2], fence[1]))
        done = fence.end()
    pieces.append(_prose(text, done, end, marks))
    return "".join(pieces)


def code(text: str, language: str = "") -> str:
    """Program text with classes for its colours; plain where the language is not known."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    coloured: str = highlight(clean(text), lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="code">{coloured}</pre>'


def _prose(text: str, start: int, end: int, marks: list[Mark]) -> str:
    """Text with its marks; a formula without a mark in it is drawn."""
    if start >= end or not text[start:end].strip(" \t\n"):
        return ""
    pieces, done = [], start
    for found in FORMULA.finditer(text, start, end):
        if any(m.start < found.end() and found.start() < m.end for m in marks if m.kind != "answer"):
            continue
        drawn = mathml(next(g for g in found.groups() if g is not None), block=found[0].startswith(("$$", r"\[")))
        if drawn is None:
            continue
        answered = any(found.start() <= m.start and m.end <= found.end() for m in marks if m.kind == "answer")
        pieces.append(_marked(text, done, found.start(), marks))
        pieces.append(f'<mark class="answer">{drawn}</mark>' if answered else drawn)
        done = found.end()
    pieces.append(_marked(text, done, end, marks))
    return f'<div class="text">{"".join(pieces)}</div>'


def _marked(text: str, start: int, end: int, marks: list[Mark]) -> str:
    """Escaped text, cut at every border of a mark; where marks overlap the first one counts."""
    inside = [m for m in marks if m.start < end and start < m.end]
    cuts = sorted({start, end, *(p for m in inside for p in (m.start, m.end) if start < p < end)})
    pieces = []
    for a, b in zip(cuts, cuts[1:], strict=False):
        shown = escape(clean(text[a:b]))
        mark = next((m for m in inside if m.start <= a and b <= m.end), None)
        pieces.append(f'<mark class="{mark.kind}" title="{escape(mark.why)}">{shown}</mark>' if mark else shown)
    return "".join(pieces)
