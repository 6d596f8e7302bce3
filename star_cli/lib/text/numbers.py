"""Reading the one number that a phrase gives as an answer, however it is written. Standard library only.

"$1,234.50", "1.5 \\times 10^3", "3 1/2 hours", "−9", "50 %" and "seventy-two" are numbers; "5 or 6", "2x" and "1,00"
are not.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?!,?\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)|\d{1,3}(?: \d{3})+(?![ ]?\d)|\d+)(?:\.\d+)?"
    r"|\.\d+"
)
NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]%])[-+]\s*)?(?P<whole>{DIGITS})"
    rf"(?:\s*/\s*(?P<den>{DIGITS})|\s+(?P<over>\d+)\s*/\s*(?P<under>\d+))?"
    r"(?:\s*[*x]\s*10\s*\^\s*[{(]?\s*(?P<ten>[-+]?\d+)\s*[)}]?|[eE](?P<e>[-+]?\d+)(?!\w)|\^\s*[{(]?\s*(?P<power>[-+]?\d+)[)}]?)?"
    r"(?P<percent>\s*(?:%|percent\b|per cent\b|pct\b))?"
    r"(?:\s*-?(?P<scale>hundred|thousand|million|billion|trillion|dozen)s?\b|(?P<k>[kK])\b)?"
)
SCALE = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
TURNS = re.compile(  # words before a number that make it something else than the answer
    r"\b(?:not|never|half|twice|double|triple|third|quarter|sum|product|difference|plus|minus|times|divided|multiplied"
    r"|(?:more|less|fewer|greater|larger|smaller|rather|other) than|between|sqrt|root|unless|except)\b|n't\b"
    r"|[<>≤≥≠±√(*/^÷+-]\s*$"
)
AFTER = re.compile(
    r"\s*(?:[-+*/^=<>±]|(?:plus|minus|divided|multiplied|squared|cubed|or|to)\b|times (?:\d|[a-z]+teen|two|three"
    r"|four|five|six|seven|eight|nine|ten)\b|-?\s*[xyznπ](?![A-Za-z])|:\s*\d|[.,]\d)"
)
SETTING = re.compile(
    r"\s[^\d=]*\b(?:in|per|for|after|every|from|at|when|if|on|because|since|as|with|within|each|during)\b[^=]*"
)
SOFT = re.compile(r"(?:,\s+(?=[a-z])|\s(?:because|since|which|so|where|as|given)\b).*", re.S)
ONES = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
TENS = {w: 10 * i for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
LARGEST = 400  # decimal exponents beyond it are nobody's answer, and expanding them would fill the memory


@dataclass(frozen=True)
class Number:
    """A number as it was written: its readings (dozens have two), and whether it is a percentage."""

    values: tuple[Fraction, ...]
    percent: bool

    def equals(self, gold: Number) -> bool:
        """Equal to the known number; ``%`` is a unit (50 % for 50) or a factor (50 % for 1/2), but 0.5 % is never
        1/2."""
        return any(_same(v, self.percent, gold.values[0], gold.percent) for v in self.values)


def _same(value: Fraction, percent: bool, gold: Fraction, gold_percent: bool) -> bool:
    if percent == gold_percent:
        return value == gold
    if percent:
        return value == gold if abs(gold) >= 1 or not gold else value / 100 == gold
    return value == gold / 100 or (value == gold and abs(gold) >= 1)


class Unclear(Exception):
    """Two different numbers are given, or one that cannot be read."""


def read_number(phrase: str) -> Number | None:
    """The one number a phrase gives as an answer; None where there is none, Unclear where there are several."""
    clean = plain(phrase)
    sides = [s for s in re.split(r"=|≈", clean) if s.strip()]
    if len(sides) > 1:  # a calculation: its result stands at the end, sometimes at the beginning
        last = _side(sides[-1])
        if last is not None:
            return last
        numbers = [n for n in map(_or_none, sides) if n is not None]
        return numbers[0] if len(numbers) == 1 else None
    return _side(clean)


def _or_none(side: str) -> Number | None:
    try:
        return _side(side)
    except Unclear:
        return None


def _side(side: str) -> Number | None:
    if "§" in side:  # a LaTeX command that is not understood, such as a root
        raise Unclear
    for text in (side, re.sub(r"(?<=[\w%])\s*\([^()]*\)\s*$", "", side), SOFT.sub("", side)):
        found = [m for m in NUMBER.finditer(text) if not _inside_word(text, m)]
        if not found:
            return words(text) if text is side else None
        if any(re.match(r"[.,]?\d", text[m.end() :]) for m in found):
            raise Unclear  # thousands separators that do not fit, a torn number, a time
        first, rest = found[0], text[found[0].end() :]
        before = text[: first.start()]
        if TURNS.search(before.lower()) and not re.fullmatch(r"\s*\(\s*", before):
            return None
        if first["sign"] and re.search(r"(?:\b[A-Za-z]|[)\]}])\s*$", before):
            return None  # x - 5
        if len(found) == 1 and not AFTER.match(rest):
            return _value(first)
        if len(found) > 1 and not AFTER.match(rest) and re.fullmatch(SETTING, rest) and not re.search(r"\bor\b", rest):
            return _value(first)
    values = {_value(m) for m in found}
    if len(values) == 1 and len(found) > 1 and not AFTER.match(rest):
        return values.pop()
    between = [text[a.end() : b.start()].strip() for a, b in zip(found, found[1:], strict=False)]
    if found and all(re.fullmatch(r"[-+*/^x÷() ]*", b) for b in between) and (between or AFTER.match(rest)):
        return None  # a calculation without its result
    raise Unclear


def _inside_word(text: str, m: re.Match[str]) -> bool:
    return m.start() > 0 and (text[m.start() - 1].isalpha() or text[m.start() - 1] in "^_")


def _value(m: re.Match[str]) -> Number:
    value = _decimal(m["whole"])
    if m["den"] or m["under"]:
        under = _decimal(m["den"] or m["under"])
        if not under:
            raise Unclear
        value = value / under if m["den"] else value + _decimal(m["over"]) / under
    if m["ten"] or m["e"]:
        value *= Fraction(10) ** _exponent(m["ten"] or m["e"])
    if m["power"]:
        if value == 0 or max(abs(value.numerator), value.denominator) > 10**6:
            raise Unclear
        value **= _exponent(m["power"], 64)
    if (m["sign"] or "").strip() == "-":
        value = -value
    scale = SCALE.get(m["scale"] or "", 1000 if m["k"] else 1)
    values = (value * scale, value) if scale == 12 else (value * scale,)
    return Number(values, bool(m["percent"]))


def _decimal(digits: str) -> Fraction:
    digits = re.sub(r"[, ]", "", digits)
    if len(digits) > LARGEST:
        raise Unclear
    return Fraction(digits if digits[0] != "." else "0" + digits)


def _exponent(digits: str, largest: int = LARGEST) -> int:
    value = int(digits) if len(digits) < 6 else largest + 1
    if abs(value) > largest:
        raise Unclear
    return value


def words(text: str) -> Number | None:
    """A number in words, up to ninety-nine: "seventy-two clips"."""
    found = re.match(r"\W*(?:(?P<tens>[a-z]+)[ -])?(?P<ones>[a-z]+)\b(?! of\b| or\b| and\b)", text.lower())
    if found is None:
        return None
    tens, ones = found["tens"], found["ones"]
    if tens in TENS and 0 < ONES.get(ones, 0) < 10:
        return Number((Fraction(TENS[tens] + ONES[ones]),), False)
    one = re.match(
        r"\W*([a-z]+)\b(?! of\b| or\b| and\b|[ -](?:hundred|thousand|million|dozen|half|third|quarter|more|less))",
        text.lower(),
    )
    word = one[1] if one else ""
    value = ONES.get(word, TENS.get(word))
    return None if value is None else Number((Fraction(value),), False)


def plain(text: str) -> str:
    """The phrase with LaTeX, Markdown, currency signs and exotic characters in their plainest form."""
    text = re.sub(r"<<[^<>]*>>", "", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + unicodedata.normalize("NFKC", m.group()), text)
    text = unicodedata.normalize("NFKC", re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)).replace("⁄", "/")
    text = re.sub("[\u2212\u2010-\u2013\ufe63]", "-", text).replace("\u2014", "; ")
    text = re.sub(r"(?<=\d)(?:\\[,!;: ]\s?|\{,\}|\{\\,\}|[_'’])(?=\d{3})", "", text.replace("{,}", ","))
    while re.search(r"\{\s*\{[^{}]*\}\s*\}", text):
        text = re.sub(r"\{\s*\{([^{}]*)\}\s*\}", r"{\1}", text)
    text = re.sub(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm|operatorname)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" \1/\2 ", text)
    text = re.sub(r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)", r" \1/\2 ", text)
    text = re.sub(r"\^\s*\{?\s*(?:\\circ|\\degree|°)\s*\}?|°|\\degree", " degrees ", text)
    text = re.sub(r"\\(?:times|cdot)|×|·", "*", text).replace("\\approx", "≈").replace("\\div", "÷")
    text = re.sub(r"\\(?:left|right|displaystyle|quad|qquad|[,!;:()\[\] ])", " ", text)
    text = re.sub(r"\\([%$#&])", r"\1", text).replace("~", " ")
    text = re.sub(r"\\[A-Za-z]+|\\", "§", text)
    text = re.sub(r"(?<=\d)\s*\*\*\s*(?=\d)", "^", text).replace("**", "")
    text = re.sub(r"(?<![\d)\s])\*|\*(?!\s*[\d(-])|`|^[_\s]+|[_\s]+$", "", text)
    text = re.sub(r"(?<=[-+])\s*[$€£¥₹]\s*|[$€£¥₹](?=\s*[-+])", "", text)
    text = re.sub(r"[$€£¥₹]", " ", text)
    text = re.sub(r"(?<=[A-Za-z])\^\s*\{?-?\d+\}?|\b(?:cm|km|mm|m|ft|in)\d\b", "", text)
    text = re.sub(r"[{}]", "", text) if "^" not in text else text
    return re.sub(r"(?<!\d)\.(?!\d)|(?<=\d)\.(?=\D|$)|\s+", " ", text).strip(" :,!?")


def last_number(text: str) -> tuple[str, Number] | None:
    """The last number of a text and the characters it was read from; None where there is none."""
    clean = plain(text)
    found = [m for m in NUMBER.finditer(clean) if not _inside_word(clean, m)]
    return (found[-1].group().strip(), _value(found[-1])) if found else None
