r"""Where a text gives its final answer: the places that name one, the last one first.

``First \boxed{3}. Wait, the answer is $4$.`` -> ``$4$``. Every function takes time linear in the length of the text.
The rules stand in docs/grading.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from star_cli.lib.text import boxes, fields, retractions
from star_cli.lib.text.thoughts import THOUGHTS, read

LONGEST = 2000  # characters of an answer; a longer one is none
TRIES = 256  # places that are looked at, counted from the end of a text
READ = 16  # places that a grader reads, from the end
NEAR = 160  # characters around such a place that say what it is
BRIEF = 200  # characters of an answer in a tag that may hold a whole text

PLACES = {  # everything that can announce an answer, in small letters; what stands around it decides
    "####": "hash",
    "\\boxed": "boxed",
    "\\fbox": "boxed",
    "\\framebox": "boxed",
    "<answer>": "tag",
    "<final answer>": "tag",
    "<final_answer>": "tag",
    "<finalanswer>": "tag",
    "[answer]": "tag",
    "<final>": "tag",
    "<result>": "tag",
    "<solution>": "tag",
    "answer": "word",
    "solution": "word",
    "option": "word",
    "choice": "word",
    "a:": "line",
    "答案": "chinese",
    "should be": "fix",
    "should have been": "fix",
    "correction": "fix",
    "i mean": "fix",
    "actually": "fix",
}
BEFORE = re.compile(  # "the correct", "so the final", or the beginning of a line or sentence, and then the word
    r"(?:\b(?:the|my|our|final|correct|so|thus|hence|therefore),?\s+(?:[a-z]+\s+){0,2}?"
    r"|(?:^|[.!?>*#_\n:{])[\s*_#>]*(?:final\s+)?)$",
    re.I,
)
DENIED = re.compile(  # before a box: it is no answer
    r"(?:\b(?:not|never|cannot)|n't)\s*(?:be|equal(?: to)?)?\s*(?:[$*({\[\s]|\\[(\[])*$"
    r"|\b(?:suppose|supposing|assume|assuming)\s(?:[^.,;:!?\n]{0,40}\s)?(?:[$*({\[]|\\[(\[])*$"
    r"|\b(?:if|whether)\s(?:(?:it|this|that|the (?:correct |final )?answer) (?:is|was|were"
    r"|equals)\s)?(?:[$*({\[]|\\[(\[])*$",
    re.I,
)
ASKED = re.compile(r"(?:[\s$)\]*]|\\[)\]])*\?")
PICTURES = "✓✔✅✨❤\ufe0f➡🎉👉🎯👍😊🙂🚀⭐"
QUESTION = re.compile(
    r"(?:who|what|which|when|where|why|how|do|does|did|is|are|can|could|will|would|should|has|have)\b", re.I
)  # an answer may be a question
PROGRAM = re.compile(
    r"```(?:python|py|c|cpp|c\+\+|java|javascript|js|bash|sh|r|matlab|julia|sage)\n.*?(?:```"
    r"|\Z)",
    re.S | re.I,
)
POINTER = re.compile(  # "this is the answer"
    r"\b(?:this|that|which|it|what|here|there|who|one)$|^(?:(?:the|an?|my|our|this|correct|final)\s)*(?:answer"
    r"|solution)$",
    re.I,
)
DOLLAR = re.compile(r"(?<!\\)\$")
HANGING = re.compile(
    r"(?:so |thus |therefore,? )?(?:the |my |our )?(?:final )?answer(?: is)?\W*", re.I
)  # torn, or looping
LISTED = re.compile(r"A:[^\n]{0,200}\n[ \t*]*B[:.)]")  # options, not answers
DOUBT = re.compile(r"\b(?:if|whether|suppose|supposing|assume|assuming|unless|what|until)\s*(?:that\s*)?$", re.I)
SAYS = re.compile(  # after "answer": what leads to the value
    r"(?:[^.,;\n\d:=?!\\(]{0,40}?(?:\([^()\n\d]{0,30}\)\s*)?\b(?:is|are|equals"
    r"|(?:must|should|will|would|has to|have to|can only|could only)(?: \w+)? be|comes (?:out )?to(?: be)?"
    r"|turns out to be"
    r"|works out to(?: be)?)\b"
    r"|[\s*_]*(?:\([^()\n\d]{0,30}\)[\s*_]*)?(?:[:=：]|[-=]>|→|⇒))",
    re.I,
)
ALONE = re.compile(r"[ \t]*[*_]*[ \t]*\n")  # a heading: nothing but the word on its line
FORMULA = re.compile(r"[\s:*_]*(?:\$|\\[(\[a-zA-Z{]|[-+−±]?\s?[\d.(\[{]|[a-zA-Z]\s*(?:=|<|>|≤|≥|∈)|∅)")
DIRECT = re.compile(r"[ \t*_]*(?:\$(?![ \t]*\n)|\\\((?![ \t]*\n)|\\\[|\$\$|\\boxed)")  # Answer $9$
CLAIM = re.compile(
    r"\bis\s+(?:indeed\s+)?(?:the|our|my)\s+(?:(?:final|correct|right|required|desired|best|unique|only)\s+){0,2}$",
    re.I,
)
SENTENCE = re.compile(
    r"\n|(?<!\bRs)(?<!\bca)(?<!approx)(?<![ap]\.m)(?<!\b[ap])[.!?](?=[\s\"'*)\]$<]|$)|;\s|。|<(?=/|\|)"
)
HOUR = re.compile(r"\d\s?[ap]\.\s?m\.?", re.I)
HEAD = re.compile(  # "#### Step 2" is a heading of Markdown and no answer
    r"[ \t*_]*(?:\d+[.)][ \t]*)?(?:(?:(?:the )?(?:final )?(?:answer|result|solution)|step|part|case|conclusion"
    r"|notes?|explanation"
    r"|verification|summary|given|approach|analysis|check|method|calculations?|problem|question"
    r"|reasoning)(?=[ \t*]*(?:[\d:.]|$))"
    r"|(?:checking|understanding|finding|setting|calculating|determining|solving|verifying|analyzing|considering|applying|using|why"
    r"|how)\b)",
    re.I,
)
CLOSE = re.compile(  # what closes an answer: signs, delimiters, the end of an environment
    r"(?:\\end\{[a-z]+\*?\}|\\[)\]]|\\(?![A-Za-z])|[)\]}$*_`\"'.!,;: ]|\n(?=[ \t]*(?:\\\]|\$\$|\\end\{)))*"
)
LEAD = re.compile(
    r"(?:\s|\*|_|#|>|-(?=\s+[A-Za-z*])|(?:so|thus|hence|therefore|then|now|finally|and|in conclusion|to conclude"
    r"|in summary|consequently|that is|as a result|final answer|it follows that"
    r"|(?:out of|of|among|from) (?:all |these|the|those|above|given|listed|four|five|answer|possible|choices"
    r"|options|\s)+(?=,)"
    r"|we (?:have|get|find|see|obtain|conclude|know)(?: that)?|this (?:gives|means"
    r"|yields)(?: us)?(?: that)?)(?!\w)|,|:)*",
    re.I,
)


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


def finals(text: str) -> Iterator[Final]:
    """Every place of ``text`` where a final answer is given, the last one first; at most TRIES of each kind of place
    are looked at.
    """
    text = _prose(text)
    small = _small(text)
    limit = len(text)
    whole = _object(text)
    if whole is not None:
        limit = whole.start
        yield whole
    for start, kind in sorted(((p, k) for word, k in PLACES.items() for p in _last_of(small, word)), reverse=True):
        if start >= limit:
            continue  # inside an answer that was given already
        final = _final(text, start, kind)
        if final is not None:
            limit = final.start
            yield final


def _prose(text: str) -> str:
    """The text with newlines in place of its fenced programs, where "answer = 5" is no answer."""
    return PROGRAM.sub(lambda m: "\n" * len(m.group()), text) if "```" in text else text


def _small(text: str) -> str:
    """The text in small letters, every letter in its place."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _last_of(small: str, word: str) -> Iterator[int]:
    end = len(small)
    for _ in range(TRIES):
        end = small.rfind(word, 0, end)
        if end < 0:
            return
        yield end


def _final(text: str, start: int, kind: str) -> Final | None:
    if kind == "boxed":
        return _box(text, start) if re.compile(r"\\[a-z]+(?![a-zA-Z])").match(text, start) else None
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
        return _phrase(text, start, lead.end(), "said") if lead else None
    quoted = re.compile(r"(?:final[_ ]?)?answer[\"']\s{0,9}:", re.I).match(text, start)
    return _field(text, start) if quoted and text[start - 1] in "\"'_ lL" else _word(text, start)


def _box(text: str, start: int) -> Final | None:
    found = boxes.joined(text, start)
    if found is None or DENIED.search(text[max(0, start - 60) : start]) or ASKED.match(text, found[2], found[2] + 9):
        return None
    content, begin, end = found
    unit = boxes.unit_behind(text, end) if boxes.PLAIN.fullmatch(content) else None
    if unit is not None:
        content, end = content + unit[0], unit[1]
    return Final(content, content, begin, end, "boxed")


def _line(text: str, start: int) -> Final | None:
    """A line that begins with "A:", as the answers of few-shot prompts do."""
    begin = max(0, start - 10)
    lead = re.compile(r"(?:\A|\n)[ \t*]{0,9}\Z").search(text[begin:start] if begin else "\n" + text[:start])
    after = text[start + 2 : start + 3]
    if not lead or text[start] != "A" or LISTED.match(text, start) or not (after in " \t*$\\(-" or after.isdigit()):
        return None
    return _phrase(text, start, start + 2, "line") if after else None


def _hash(text: str, start: int) -> Final | None:
    after = start + 4
    if text[start - 1 : start] == "#" or text[after : after + 1] == "#":
        return None
    stop = text.find("\n", after)
    stop = len(text) if stop < 0 else stop
    rest = text[after:stop]
    head = HEAD.match(rest[:NEAR])
    if head and (not re.search(r"[:=]\s*\S", rest[:NEAR]) or not re.match(r"[ \t*_]*(?:final|the|answer)", rest, re.I)):
        return None  # "#### Final Answer" itself is found by its word
    return None if head else _phrase(text, start, after, "hash", stop)


def _tag(text: str, start: int) -> Final | None:
    opening = text[start : text.index("]" if text[start] == "[" else ">", start) + 1]
    begin = start + len(opening)
    closing = opening[0] + "/" + opening[1:]
    found = re.compile(re.escape(closing), re.I).search(text, begin, begin + LONGEST + len(closing))
    stop = found.start() if found else len(text)
    if stop - begin > LONGEST:
        return Final("", "", start, stop, "tag") if found is None and text.count("\n", begin) < 3 else None
    inside = text[begin:stop].strip()
    if len(inside) > BRIEF and re.fullmatch(r"<(?:final|result|solution)>", opening, re.I):
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
        None if field is None or len(field.text) > BRIEF else Final(field.text, field.line, start, len(text), "field")
    )


def _field(text: str, start: int) -> Final | None:
    begin = text.index(":", start + 1) + 1
    near = text[begin : begin + LONGEST]
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
    if found is None or DOUBT.search(text[max(0, start - 40) : start]):
        return None
    if not FORMULA.match(text[found.end() : found.end() + 20]) and not re.compile(r"\(?[A-J]\)?(?![\w'])").match(
        text, found.end()
    ):
        return None
    if text[start : start + 6].lower() == "should" and not re.search(
        r"\b(?:it|that|this|answer|result|value|which|correct)\s*$", text[max(0, start - 30) : start], re.I
    ):
        return None
    return _phrase(text, start, found.end(), "fix")


def _word(text: str, start: int) -> Final | None:
    """A place with the word answer, solution, option or choice."""
    word = re.compile(r"(?<![A-Za-z0-9])(?:answer|solutions?|option|choice)(?![A-Za-z0-9])", re.I).match(text, start)
    if word is None:
        return None
    before, after, name = text[max(0, start - NEAR) : start], word.end(), word.group().lower()
    claim = CLAIM.search(before)
    if claim and name != "solutions" and name != "option":
        return _claim(text, start - (len(before) - claim.start()), after)
    if name in ("option", "choice"):
        lead = re.search(r"\b(?:correct|right|best)\s+$", before, re.I)
        said = re.compile(r"\s+(?:is|would be|must be)\b", re.I).match(text, after)
        return _phrase(text, start, said.end(), "said") if lead and said else None
    before = before if start > NEAR else "\n" + before
    opening = BEFORE.search(before)
    if opening is None or DOUBT.search(before[: opening.start()]):
        return None
    near = text[after : after + NEAR]
    if ALONE.match(near) and re.search(r"(?:^|\n)[\s*_#>]*(?:the\s+)?(?:final\s+)?$", before, re.I):
        return _phrase(text, start, after, "heading") if name != "solution" and name != "solutions" else None
    said = SAYS.match(near)
    if said is None and name == "answer" and DIRECT.match(near):
        return _phrase(text, start, after, "said")
    if said is None:
        return None
    begin = after + said.end()
    if name != "answer" and not FORMULA.match(text[begin : begin + 20]):
        return None  # "the solution is to multiply"
    return _phrase(text, start, begin, "said")


def _claim(text: str, verb: int, after: int) -> Final | None:
    """ "... $5$ is the answer": what stands before the verb in its sentence."""
    near = text[max(0, verb - NEAR) : verb]
    breaks = [m.end() for m in SENTENCE.finditer(near)]
    phrase = near[breaks[-1] if breaks else 0 :]
    if verb > NEAR and not breaks:
        phrase = near[-60:]
    at = boxes.last_box(text, verb)
    box = _box(text, at) if at >= 0 else None
    if box is not None and box.text and not text[box.end : verb].strip("$ \n.\\)]*_"):
        return Final(box.text, box.text, box.start, after, "boxed")
    marks = list(DOLLAR.finditer(near))
    if len(DOLLAR.findall(phrase)) % 2 and marks:  # the break was inside a formula
        begin = max(0, verb - LONGEST)
        before = list(DOLLAR.finditer(text[begin : verb - len(near) + marks[-1].start()]))
        opening = begin + before[-1].start() if before else -1
        phrase = text[opening:verb] if opening >= 0 else phrase
    answer = LEAD.sub("", phrase, count=1).strip(' \t*_`",:')
    behind = re.search(r".*\bthat\s+(?=\S)", answer, re.S)  # "..., confirming that 80 is the answer"
    if behind and FORMULA.match(answer[behind.end() :]):
        answer = answer[behind.end() :]
    if not answer or (POINTER.search(answer) and len(answer.split()) <= 3):
        return None
    return Final(answer, answer, verb - len(phrase), _sentence_end(text, after), "claim")


def _sentence_end(text: str, start: int, most: int = NEAR) -> int:
    """Where the sentence after ``start`` ends, its mark included; ``start`` where it is longer than ``most``."""
    found = SENTENCE.search(text, start, start + most)
    if found is None:
        return len(text) if len(text) - start <= most else start
    return found.start() + (found.group() in ".!?")


def _phrase(text: str, start: int, begin: int, kind: str, stop: int | None = None) -> Final | None:
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
        box = _box(text, inner.start())
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
    rest = CLOSE.match(mine, found.end)
    end = rest.end() if rest else found.end
    if found.kind == "boxed" and "\n" not in mine[found.end : end] and not re.search(r"[.!]", mine[found.end : end]):
        end = max(end, _sentence_end(mine, end))
    return text[:end].rstrip()
