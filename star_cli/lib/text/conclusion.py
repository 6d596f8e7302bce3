r"""What the last sentence of a text comes to, where no place names an answer.

"So the volume of $ABCD$ is 120." -> ``120``; "Therefore, Tom has 8 apples left." -> itself, which holds one number.
"""

from __future__ import annotations

import re

from star_cli.lib.text.extents import Final
from star_cli.lib.text.signs import DOLLAR, FORMULA, PICTURES
from star_cli.lib.text.spelled import spelled

REACH = 3000  # characters at the end of a text that are looked at
SENTENCE = 400  # characters of a sentence; a longer one concludes nothing
LED = (  # what begins a sentence that concludes
    r"(?:so|thus|hence|therefore|finally|in conclusion|to conclude|in summary|consequently|as a result|it follows that"
    r"|in total|in all|altogether|overall)(?!\w)|∴|⇒|\\?\$?\\(?:therefore|implies|Rightarrow)(?![A-Za-z])|=>"
)
LEAD = re.compile(
    rf"(?:\s|\*|_|#|>|-(?=\s+[A-Za-z*])|(?P<led>{LED})|(?:then|now|and|that is|final answer|it's|that's"
    r"|we (?:have|get|find|see|obtain|conclude|know)(?: that)?"
    r"|this (?:gives|means|yields|leaves)(?: us)?(?: with)?(?: that)?)(?!\w)|,|:)*",
    re.I,
)
VERB = re.compile(
    r"(?<![=<>])\b(?:is|are|equals?|becomes|must be|will be)\b(?:\s+(?:equal to|approximately|exactly|therefore"
    r"|then|thus))?[\s:]*"
    r"|(?<!\d)(?<!\d\s):[\s*_]+"
)
NAMED = re.compile(r"[*_]*(?=[^=\n]*[A-Za-z]{3})[A-Za-z][A-Za-z '*_]{2,40}=\s*(?=[^\s=])")  # Total cost = 9 * 2 = 18
DISPLAY = re.compile(r"(\$\$|\\\[)(?:(?!\1|\\\]).){1,1000}(?:\$\$|\\\])[.\s]*$", re.S)
BREAK = re.compile(r"\n|(?<!\d)[.!?]\s|[.!?]\s(?=[A-Z])|[.!?]?\$\s(?=[A-Z][a-z]*,?\s)")
SECOND = re.compile(  # another number, or another claim, in the sentence
    r",\s+(?:and|but|while|so|with|then|plus|or(?! (?:about|approximately|roughly|around"
    r"|equivalently)))\b[^=]*\d|\d.*\b(?:one|two|three|four|five|six|seven|eight|nine"
    r"|ten)\b(?! hundred| of (?:the|us|them))"
)
BOLD = re.compile(r"\*\*([^*\n]{0,80}\d[^*\n]{0,80})\*\*")  # Janet earns **$18** per day.
TURNED = re.compile(r"\b(?:not|no|never|cannot|if|step|case|part|question|at least|at most|than)\b|n't\b", re.I)
NUMBER_ALONE = re.compile(r"[*_]*[-−+]?\s?\\?[$€£]?\s?\d[\d,]*(?:\.\d+)?(?:\s?/\s?\d+)?\s?(?:\\?%)?[*_]*\.?")
FORMULA_ALONE = re.compile(r"[*_]*(?:\$[^$\n]+\$|\\\((?:(?!\\\)).)+\\\))[*_]*\.?")
HOPE = re.compile(
    r"(?:\(?\bi hope\b|\bhope (?:this|it|that)\b|\b(?:please )?let me know\b|\bthank you\b|\[?\bnote:)[^\n]{0,250}$",
    re.I,
)


def last_line(text: str) -> Final | None:
    """The last line of a text where it is nothing but a number or one formula ("**$18**", "$x = 5$"), else None."""
    body = text.rstrip()
    begin = body.rfind("\n") + 1
    line = body[begin:].strip().strip(PICTURES).strip()
    if not begin or len(line) > SENTENCE or not (NUMBER_ALONE.fullmatch(line) or FORMULA_ALONE.fullmatch(line)):
        return None
    answer = line.strip("*_").rstrip(".") if not line.startswith("$$") else line
    return Final(answer, answer, begin, len(body), "line")


def conclusion(text: str) -> Final | None:
    """The last sentence of a text, where it says what something is or concludes; else None.

    What is found is the part behind the verb ("So the volume is 120."), or the whole of a sentence that begins with
    "so", "therefore" and the like: it is for the caller to find exactly one answer in it.
    """
    tail = text[-REACH:].rstrip()
    body = tail
    while (cut := HOPE.search(body[-260:])) is not None:  # it becomes shorter each time
        body = body[: len(body) - len(body[-260:]) + cut.start()].rstrip()
    block = DISPLAY.search(body)
    first = block.start() if block else len(body.rstrip(" .!*_$\\)]}\"'"))
    breaks = [m.end() for m in BREAK.finditer(body[:first].rstrip() + " ") if m.end() < first]
    while breaks and len(DOLLAR.findall(body, breaks[-1])) % 2:  # a row break inside a formula
        breaks.pop()
    begin = breaks[-1] if breaks else 0
    sentence = body[begin:].strip()
    said = sentence and len(sentence) <= SENTENCE and not sentence.endswith("?")
    answer = _answer_of(sentence) if said else None
    offset = len(text) - len(text[-REACH:]) + begin
    if not answer or SECOND.search(answer) or "\\boxed" in answer:  # a box that counts was found before
        return None
    return Final(answer, answer, offset, offset + len(sentence), "sentence")


def _answer_of(sentence: str) -> str | None:
    lead = LEAD.match(sentence)
    assert lead is not None  # it matches nothing at all, too
    bare = sentence[lead.end() :]
    named = NAMED.match(bare)
    verb = next(reversed(list(VERB.finditer(bare))), None)
    if named:
        answer = bare[named.end() :]
    elif verb is not None and (
        FORMULA.match(bare[verb.end() :])
        or re.match(r"[A-Z(]", bare[verb.end() :])
        or spelled(bare[verb.end() :]) is not None
    ):
        answer = bare[verb.end() :]
    elif (bold := BOLD.findall(sentence)) and len(bold) == 1 and not TURNED.search(sentence):
        answer = bold[0]
    elif re.match(r"there (?:are|is|were|will be)\s+(?:exactly\s+)?\d", bare, re.I):
        answer = re.sub(r"^there \w+(?: be)?\s+(?:exactly\s+)?", "", bare, flags=re.I)
    elif lead["led"] or (re.search(r"[a-z]", lead.group(), re.I) and FORMULA.match(bare)):
        answer = bare
    else:
        return None
    return answer.strip().rstrip(".!").strip() or None
