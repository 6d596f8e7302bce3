"""SQL as text: its tokens, the SQL inside a model's text, and whether the outermost query orders its rows."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from star_cli.lib.text.thoughts import own

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]{0,200}\])
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<sign><>|!=|<=|>=|==|\|\||<<|>>|[-+*/%<>=(),.;&|~])
    |(?P<other>.)""",
    re.X | re.S,
)
FENCE = re.compile(r"```[ \t]*(?:(\w+)[ \t]*\n|(sqlite\b|sql\b))?(.*?)(?:```|\Z)", re.S | re.I)
LABELS = frozenset("sql sqlite sqlite3 mysql postgresql postgres tsql plsql".split())
VERBS = frozenset(
    """SELECT WITH VALUES INSERT UPDATE DELETE REPLACE CREATE DROP ALTER ATTACH DETACH PRAGMA EXPLAIN VACUUM ANALYZE
    BEGIN COMMIT""".split()
)
START = re.compile(r"^[ \t]*(?:[A-Za-z][\w ]{0,20}:[ \t]*)?((?:SELECT|WITH)\b)", re.I | re.M)
NEAR = 64  # of the SELECTs before one, how many are looked at for the statement that it belongs to
LAST = 50  # statements that are looked at, from the end
BLANK = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True)
class Token:
    """``kind`` is text, quoted, number, word, sign or other; ``value`` as written, ``at`` its place."""

    kind: str
    value: str
    at: int

    @property
    def word(self) -> str:
        """A word in upper case, a sign as it is; empty for anything quoted."""
        return self.value.upper() if self.kind in ("word", "sign") else ""


def tokens(sql: str) -> Iterator[Token]:
    """The words and signs of a statement, without space and comments."""
    for match in TOKEN.finditer(sql):
        kind = str(match.lastgroup)
        if kind != "space":
            yield Token(kind, match.group(), match.start())


def sql_of(text: str) -> tuple[str | None, int]:
    """(the SQL of a model's text, where it ends): the last fenced block, else the final statement; None without any.

    What follows a next "Q:" is never read, a block that holds no SQL (the rows of a result) is passed over. A statement
    without a fence ends at ``;`` or at an empty line.
    """
    answer, _ = own(text)
    blocks = [b for b in FENCE.finditer(answer) if b[3].strip()]
    queries = [b for b in blocks if _is_sql(b)]
    if queries:
        return queries[-1][3].strip(), queries[-1].end()
    if blocks:  # blocks of something else, such as the rows of a result
        answer = FENCE.sub(lambda b: "\n" * (b.end() - b.start()) if b[3].strip() else b.group(), answer)
    starts = [s.start(1) for s in START.finditer(answer)]
    start = next((s for s in reversed(starts[-LAST:]) if not _continues(answer, starts, s)), None)
    if start is None:
        return None, 0
    stop = len(answer)
    blank_line = BLANK.search(answer, start)
    if blank_line:
        stop = blank_line.start()
    for token in tokens(answer[start:stop]):
        if token.word == ";":
            stop = start + token.at + 1
            break
    return answer[start:stop].strip(), stop


def _is_sql(block: re.Match[str]) -> bool:
    """Whether a fenced block is labelled as SQL, or begins like a statement."""
    if (block[1] or block[2] or "").lower() in LABELS:
        return True
    first = next(tokens(block[3][:2000].lstrip("( \n\t")), None)
    return first is not None and first.word in VERBS


def _continues(text: str, starts: list[int], at: int) -> bool:
    """Whether the SELECT at ``at`` belongs to the statement of the start before it (a subquery, or after UNION)."""
    here = bisect_left(starts, at)
    for start in reversed(starts[max(0, here - NEAR) : here]):
        between = text[start:at]
        if BLANK.search(between):
            return False
        depth, last = 0, ""
        for token in tokens(between):
            if token.word == ";":
                return False
            depth += (token.word == "(") - (token.word == ")")
            last = token.word or last
        if depth > 0 or last in ("UNION", "ALL", "INTERSECT", "EXCEPT") or text[start : start + 4].upper() == "WITH":
            return True
    return False


def ordered(sql: str) -> bool:
    """Whether the outermost query has an ORDER BY."""
    depth, before = 0, ""
    for token in tokens(sql):
        depth += (token.word == "(") - (token.word == ")")
        if depth == 0 and token.word == "BY" and before == "ORDER":
            return True
        before = token.word
    return False


def flat(sql: str) -> str:
    """A statement in one form: single spaces, words in lower case, no comments and no final semicolon."""
    words = [t.value.lower() if t.kind == "word" else t.value for t in tokens(sql)]
    while words and words[-1] == ";":
        words.pop()
    return " ".join(words)
