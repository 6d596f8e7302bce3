r"""Where a text gives its final answer: the places that name one, the last one first.

``First \boxed{3}. Wait, the answer is $4$.`` -> ``$4$``. Every function takes time linear in the length of the text.
The rules stand in docs/grading.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from star_cli.lib.text import boxes, fields, retractions, signs
from star_cli.lib.text.extents import Final, box_at, phrase_at, sentence_end
from star_cli.lib.text.thoughts import THOUGHTS, read


def finals(text: str) -> Iterator[Final]:
    """Every place of ``text`` where a final answer is given, the last one first.

    At most ``signs.TRIES`` of each kind of place are looked at.
    """
    text = _prose(text)
    small = _small(text)
    limit = len(text)
    whole = _object(text)
    if whole is not None:
        limit = whole.start
        yield whole
    for start, kind in sorted(
        ((p, k) for word, k in signs.PLACES.items() for p in _last_of(small, word)), reverse=True
    ):
        if start >= limit:
            continue  # inside an answer that was given already
        final = _final(text, start, kind)
        if final is not None:
            limit = final.start
            yield final


def _prose(text: str) -> str:
    """The text with newlines in place of its fenced programs, where "answer = 5" is no answer."""
    return signs.PROGRAM.sub(lambda m: "\n" * len(m.group()), text) if "```" in text else text


def _small(text: str) -> str:
    """The text in small letters, every letter in its place."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _last_of(small: str, word: str) -> Iterator[int]:
    end = len(small)
    for _ in range(signs.TRIES):
        end = small.rfind(word, 0, end)
        if end < 0:
            return
        yield end


def _final(text: str, start: int, kind: str) -> Final | None:
    if kind == "boxed":
        return box_at(text, start) if re.compile(r"\\[a-z]+(?![a-zA-Z])").match(text, start) else None
    if kind == "hash":
        return _hash(text, start)
    if kind == "tag":
        return _tag(text, start)
    if kind == "line":
        return _line(text, start)
    if kind == "fix":
        return _fix(text, start)
    if kind == "chinese":
        lead = re.compile(r"答案\s*(?:是|为|為|：|:|等于)+\s*[:：]?").match(text, start)
        return phrase_at(text, start, lead.end(), "said") if lead else None
    quoted = re.compile(r"(?:final[_ ]?)?answer[\"']\s{0,9}:", re.I).match(text, start)
    return _field(text, start) if quoted and text[start - 1] in "\"'_ lL" else _word(text, start)


def _line(text: str, start: int) -> Final | None:
    """A line that begins with "A:", as the answers of few-shot prompts do."""
    begin = max(0, start - 10)
    lead = re.compile(r"(?:\A|\n)[ \t*]{0,9}\Z").search(text[begin:start] if begin else "\n" + text[:start])
    after = text[start + 2 : start + 3]
    if (
        not lead
        or text[start] != "A"
        or signs.LISTED.match(text, start)
        or not (after in " \t*$\\(-" or after.isdigit())
    ):
        return None
    return phrase_at(text, start, start + 2, "line") if after else None


def _hash(text: str, start: int) -> Final | None:
    after = start + 4
    if text[start - 1 : start] == "#" or text[after : after + 1] == "#":
        return None
    stop = text.find("\n", after)
    stop = len(text) if stop < 0 else stop
    rest = text[after:stop]
    head = signs.HEAD.match(rest[: signs.NEAR])
    if head and (
        not re.search(r"[:=]\s*\S", rest[: signs.NEAR]) or not re.match(r"[ \t*_]*(?:final|the|answer)", rest, re.I)
    ):
        return None  # "#### Final Answer" itself is found by its word
    return None if head else phrase_at(text, start, after, "hash", stop)


def _tag(text: str, start: int) -> Final | None:
    opening = text[start : text.index("]" if text[start] == "[" else ">", start) + 1]
    begin = start + len(opening)
    closing = opening[0] + "/" + opening[1:]
    found = re.compile(re.escape(closing), re.I).search(text, begin, begin + signs.LONGEST + len(closing))
    stop = found.start() if found else len(text)
    if stop - begin > signs.LONGEST:
        return Final("", "", start, stop, "tag") if found is None and text.count("\n", begin) < 3 else None
    inside = text[begin:stop].strip()
    if len(inside) > signs.BRIEF and re.fullmatch(r"<(?:final|result|solution)>", opening, re.I):
        return None  # it holds all of the work: what answers in it is found by itself
    box = next((f for f in finals(inside) if f.kind == "boxed"), None)
    said = box or next(finals(inside), None)
    answer = said.text if said else inside
    return Final(answer, answer, start, found.end() if found else stop, "tag") if answer else None


def _object(text: str) -> Final | None:
    """The answer of a JSON object that ends the text, whatever its other fields say; else None."""
    found = fields.answer_in(text)
    if found is None:
        return None
    start, key = found
    field = _field(text, key)
    return (
        None
        if field is None or len(field.text) > signs.BRIEF
        else Final(field.text, field.line, start, len(text), "field")
    )


def _field(text: str, start: int) -> Final | None:
    begin = text.index(":", start + 1) + 1
    near = text[begin : begin + signs.LONGEST]
    skipped = len(near) - len(near.lstrip())
    near = near.lstrip()
    raw = re.match(r"'([^'\n]*)'|\"([^\"\n]*)\"", near)
    value: object
    if raw and (raw[1] is not None or re.search(r"(?<!\\)\\(?![\\\"]|u[0-9a-fA-F]{4})", raw[2])):
        value, end = raw[1] or raw[2] or "", raw.end()  # "\frac{1}{2}" is no valid JSON, but clear
    else:
        try:
            value, end = json.JSONDecoder().raw_decode(near)
        except (ValueError, RecursionError):
            value, end = "", 0
    if isinstance(value, (dict, bool)) or value is None or not end:
        return None
    answer = (
        ", ".join(map(str, value)) if isinstance(value, list) else near[:end] if not isinstance(value, str) else value
    ).strip()
    rest = re.compile(r"[^{}\n]{0,80}\n?\s{0,8}\}(?:\s{0,8}```)?").match(text, begin + skipped + end)
    return Final(answer, answer, start, rest.end() if rest else begin + skipped + end, "field") if answer else None


def _fix(text: str, start: int) -> Final | None:
    """A value put right in passing: "it should be 6", "correction: 6", "actually, it is 6"."""
    found = re.compile(
        r"(?:should (?:be|have been)|correction[\s:,]+(?:(?:it|that) (?:is|should be)\s+)?|i mean(?:t)?[\s:,]+"
        r"|actually[\s,]+(?:it|that|the (?:answer|result|value))\s?(?:is|'s|should be|equals))\s*",
        re.I,
    ).match(text, start)
    if found is None or signs.DOUBT.search(text[max(0, start - 40) : start]):
        return None
    if not signs.FORMULA.match(text[found.end() : found.end() + 20]) and not re.compile(r"\(?[A-J]\)?(?![\w'])").match(
        text, found.end()
    ):
        return None
    if text[start : start + 6].lower() == "should" and not re.search(
        r"\b(?:it|that|this|answer|result|value|which|correct)\s*$", text[max(0, start - 30) : start], re.I
    ):
        return None
    return phrase_at(text, start, found.end(), "fix")


def _word(text: str, start: int) -> Final | None:
    """A place with the word answer, solution, option or choice."""
    word = re.compile(r"(?<![A-Za-z0-9])(?:answer|solutions?|option|choice)(?![A-Za-z0-9])", re.I).match(text, start)
    if word is None:
        return None
    before, after, name = text[max(0, start - signs.NEAR) : start], word.end(), word.group().lower()
    claim = signs.CLAIM.search(before)
    if claim and name != "solutions" and name != "option":
        return _claim(text, start - (len(before) - claim.start()), after)
    if name in ("option", "choice"):
        lead = re.search(r"\b(?:correct|right|best)\s+$", before, re.I)
        said = re.compile(r"\s+(?:is|would be|must be)\b", re.I).match(text, after)
        return phrase_at(text, start, said.end(), "said") if lead and said else None
    before = before if start > signs.NEAR else "\n" + before
    opening = signs.BEFORE.search(before)
    if opening is None or signs.DOUBT.search(before[: opening.start()]):
        return None
    near = text[after : after + signs.NEAR]
    if signs.ALONE.match(near) and re.search(r"(?:^|\n)[\s*_#>]*(?:the\s+)?(?:final\s+)?$", before, re.I):
        return phrase_at(text, start, after, "heading") if name != "solution" and name != "solutions" else None
    said = signs.SAYS.match(near)
    if said is None and name == "answer" and signs.DIRECT.match(near):
        return phrase_at(text, start, after, "said")
    if said is None:
        return None
    begin = after + said.end()
    if name != "answer" and not signs.FORMULA.match(text[begin : begin + 20]):
        return None  # "the solution is to multiply"
    return phrase_at(text, start, begin, "said")


def _claim(text: str, verb: int, after: int) -> Final | None:
    """ "... $5$ is the answer": what stands before the verb in its sentence."""
    near = text[max(0, verb - signs.NEAR) : verb]
    breaks = [m.end() for m in signs.SENTENCE.finditer(near)]
    phrase = near[breaks[-1] if breaks else 0 :]
    if verb > signs.NEAR and not breaks:
        phrase = near[-60:]
    at = boxes.last_box(text, verb)
    box = box_at(text, at) if at >= 0 else None
    if box is not None and box.text and not text[box.end : verb].strip("$ \n.\\)]*_"):
        return Final(box.text, box.text, box.start, after, "boxed")
    marks = list(signs.DOLLAR.finditer(near))
    if len(signs.DOLLAR.findall(phrase)) % 2 and marks:  # the break was inside a formula
        begin = max(0, verb - signs.LONGEST)
        before = list(signs.DOLLAR.finditer(text[begin : verb - len(near) + marks[-1].start()]))
        opening = begin + before[-1].start() if before else -1
        phrase = text[opening:verb] if opening >= 0 else phrase
    answer = signs.LEAD.sub("", phrase, count=1).strip(' \t*_`",:')
    behind = re.search(r".*\bthat\s+(?=\S)", answer, re.S)  # "..., confirming that 80 is the answer"
    if behind and signs.FORMULA.match(answer[behind.end() :]):
        answer = answer[behind.end() :]
    if not answer or (signs.POINTER.search(answer) and len(answer.split()) <= 3):
        return None
    return Final(answer, answer, verb - len(phrase), sentence_end(text, after), "claim")


def boxed(text: str) -> Final | None:
    """The last box of a text, as a known solution has it."""
    return next((f for f in finals(text) if f.kind == "boxed" and f.text), None)


def marked(gold: str) -> str | None:
    """What stands behind the last ``####`` of a known solution, or behind "A:" on its last line; None without these."""
    if "####" in gold:
        return gold.rpartition("####")[2].strip()
    line = re.search(r"\nA:\s*(\S[^\n]*)\s*\Z", gold)
    return line[1].strip() if line else None


def idle(found: Final) -> bool:
    """Whether a place only talks about an answer that was given before: "the answer is thus confirmed"."""
    return found.kind in ("said", "heading") and retractions.idle(found.text)


def vague(found: Final) -> bool:
    """Whether a place says that there is no answer, or that the one before is wrong."""
    return found.kind == "said" and retractions.vague(found.text)


def final(text: str) -> Final | None:
    """The last place of a text that names its answer; None where there is none or it is taken back afterwards."""
    found = next((f for f in finals(text) if not idle(f)), None)
    return None if found is None or vague(found) or retractions.retracted(text, found.end) else found


def learned(text: str, thoughts: Sequence[str] = THOUGHTS) -> str:
    """A right text as it is learned: to the end of its final answer's sentence; thoughts before it stay whole."""
    mine = read(text, thoughts).text
    found = next((f for f in finals(mine) if not idle(f)), None)
    if found is None:
        return text[: len(mine)].rstrip()
    rest = signs.CLOSE.match(mine, found.end)
    end = rest.end() if rest else found.end
    if found.kind == "boxed" and "\n" not in mine[found.end : end] and not re.search(r"[.!]", mine[found.end : end]):
        end = max(end, sentence_end(mine, end))
    return text[:end].rstrip()
