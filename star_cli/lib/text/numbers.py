"""What a number is, with its unit, however it is written in words or digits; and when two of them are equal.

"$1,234.50", "1.5 \\times 10^3", "3 1/2 hours", "−9", "50 %", "0.\\overline{36}" and "seventy-two" are numbers;
"5 or 6", "2x", "3x + 2y = 8" and "1,00" are not. Values are exact fractions. The rules stand in docs/grading.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from star_cli.lib.text.plain import plain
from star_cli.lib.text.spelled import spelled
from star_cli.lib.text.units import NAMES, Unit, known, read_unit

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
    r"\b(?:not|cannot|never|half|twice|double|triple|third|quarter|sum|product|difference|plus|minus|times|divided|multiplied"
    r"|(?:more|less|fewer|greater|larger|smaller|rather|other) than|between|sqrt|root|unless|except|at (?:least"
    r"|most)|up to|over"
    r"|under|above|below|(?:option|choice|step|case|part|equation|question|problem|figure|base|log)(?=\s*$))\b|n't\b"
    r"|[<>≤≥≠±√(*/^÷+-]\s*$"
)
AFTER = re.compile(
    r"\s*(?:[-+*/^=<>±≠≤≥∞!]|(?:per|and) \d|and (?:a|one) (?:half|third|quarter)|(?:in )?base\b|(?:plus|minus"
    r"|divided|multiplied|squared|cubed|or|to|(?:more|less|fewer|greater) than)\b|times (?:\d|[a-z]+teen|two|three"
    r"|four|five|six|seven|eight|nine|ten)\b|-?\s*[xyznπ](?![A-Za-z])|:\s*\d|[.,]\d)"
    r"|(?![mgshlLkKMWVANJCFc])[A-Za-z](?![A-Za-z])"  # 7r, 5i: a letter that is no unit is a variable
    r"|(?:st|nd|rd|th)\b|[^.,]*\bbelow\b"
)
SETTING = re.compile(
    r"\s[^\d=]*\b(?:in|per|for|after|every|from|at|when|if|on|because|since|as|with|within|each|during)\b[^=]*"
)
SOFT = re.compile(r"(?:,\s+(?=[a-z])|\s(?:because|since|which|so|where|as|given)\b).*", re.S)
ATTAINED = re.compile(r",?\s(?:attained|achieved|reached|occurring|with equality)\s(?:at|when|if|for|by)\b.*", re.S)
REASON = re.compile(r",?\s(?:because|since|as|which)\b.*", re.S)
BARE = re.compile(r"\s*-?\d+(?:\.\d+)?\s*")
SECOND = re.compile(r"(?:[,;]|\band\b)\s*[A-Za-z]\w*\s*$")  # x = 1, y: before the next "="
FORMULA = re.compile(  # a side of an equation that is more than a name or arithmetic: 3x + 2y, x^2, a - b
    r"\d\s*(?![mgshlLkK]\b)[A-Za-z](?![A-Za-z])|(?<![A-Za-z])[A-Za-z]\s*(?:[-+*/^]\s*[\dA-Za-z(]|[²³])"
    r"|[\d)]\s*[-+*/]\s*[A-Za-z](?![A-Za-z])"
)
DENIED = re.compile(r"\b(?:wrong|incorrect|mistaken)\b", re.I)
HOURS = re.compile(r"\s*([ap])\.?\s?m\b", re.I)
LARGEST = 400  # decimal exponents beyond it are nobody's answer, and expanding them would fill the memory
LONGEST = 2000  # characters of a phrase that is read


@dataclass(frozen=True)
class Number:
    """A number as it was written: its readings (dozens have two), whether it is a percentage, and its unit."""

    values: tuple[Fraction, ...]
    percent: bool = False
    unit: Unit | None = None

    def equals(self, gold: Number) -> bool:
        """Equal to the known number. A unit that both name must agree, and is converted."""
        if self.unit and gold.unit and not (self.percent or gold.percent):
            if not self.unit.agrees(gold.unit):
                return False
            return any(v * self.unit.factor == gold.values[0] * gold.unit.factor for v in self.values)
        if self.percent != gold.percent and (self.unit or gold.unit):
            return False  # per cent is no dollar
        return any(same(v, self.percent, gold.values[0], gold.percent) for v in self.values)

    def in_terms_of(self, gold: Number) -> str:
        """The value as an exact fraction in the unit of the known number, and in per cent where that is; its value
        beside that does not matter.

        "$72.00" and "72 clips" are "72", "300 minutes" where hours are asked for is "5", "50%" where a number below 1
        is known is "1/2". A unit that measures something else stays: "5 km".
        """
        value = self.values[0]
        if self.unit and gold.unit and not (self.percent or gold.percent):
            if not self.unit.agrees(gold.unit):
                kind = " ".join(sorted(self.unit.words) or (f"{name}^{n}" for name, n in self.unit.powers))
                return f"{value * self.unit.factor} {kind}"
            return str(value * self.unit.factor / gold.unit.factor)
        if self.percent and not gold.percent and abs(gold.values[0]) < 1:
            return str(value / 100)
        if gold.percent and not self.percent and abs(value) < 1:
            return str(value * 100)
        return str(value)


def same(value: Fraction, percent: bool, gold: Fraction, gold_percent: bool) -> bool:
    """Equal values; ``%`` is a factor (50 % for 1/2) or a unit (50 % for 50), but 0.5 % is never 1/2."""
    if percent == gold_percent:
        return value == gold
    if percent:
        return value / 100 == gold or (value == gold and (abs(gold) > 1 or not gold))
    return value == gold / 100 or (value == gold and abs(gold) >= 1)


class Unclear(Exception):
    """Two different numbers are given, or one that cannot be read."""


def read_number(phrase: str) -> Number | None:
    """The one number a phrase gives as an answer; None where there is none, Unclear where there are several."""
    phrase = phrase[: LONGEST + 1]
    if len(phrase) > LONGEST or DENIED.search(phrase):
        raise Unclear
    phrase = ATTAINED.sub("", phrase)
    money = _money(phrase)
    clean = plain(re.sub(r"(?<=\d)\s?M\b(?=\W*$)", " million", phrase) if money else phrase)
    if (parts := compound(clean)) is not None:
        return parts
    if doubled := re.fullmatch(r"([A-Za-z -]+?)\s*\(\s*([\d,.]+)\s*([A-Za-z ]*)\)", clean):  # fifteen (15)
        worded, written = _spelled(doubled[1]), _side(f"{doubled[2]} {doubled[3]}", money)
        if worded is not None and written is not None and worded.values == written.values:
            return written
    sides = [s for s in re.split(r"=|≈", clean) if s.strip()]
    if len(sides) > 1 and (head := REASON.sub("", clean)) and "=" not in head and re.search(r"\d", head):
        return _side(head, money)  # 17, because 20 - 3 = 17: the reason does not count
    if len(sides) > 1:  # a calculation: its result stands at the end, sometimes at the beginning
        if any(SECOND.search(s) for s in sides[1:-1]) or any(FORMULA.search(s) for s in sides):
            raise Unclear
        if BARE.fullmatch(sides[0]) and BARE.fullmatch(sides[-1]) and _side(sides[0]) != _side(sides[-1]):
            raise Unclear  # 2 = 3
        last = _side(sides[-1], money)
        if last is not None:
            return last
        numbers = [n for n in (_or_none(s, money) for s in sides) if n is not None]
        return numbers[0] if len(numbers) == 1 else None
    return _side(clean, money)


def _money(phrase: str) -> Unit | None:
    """The currency before or after a number; a lone $ is a dollar, a pair of them LaTeX."""
    found = re.search(r"\\\$|[€£¥₹]", phrase)
    if found:
        return read_unit(found.group()[-1])
    return read_unit("$") if phrase.count("$") == 1 and re.search(r"\$\s*[-\d.]|\d\s*\$", phrase) else None


def _or_none(side: str, money: Unit | None) -> Number | None:
    try:
        return _side(side, money)
    except Unclear:
        return None


def _side(side: str, money: Unit | None = None) -> Number | None:
    if "§" in side:  # a LaTeX command that is not understood, such as a root
        raise Unclear
    for text in (
        side,
        re.sub(r"(?<=[\w%])\s*\((?![^()]*\b(?:or|and|not)\b)[^()]*\)\s*$", "", side),
        SOFT.sub("", side),
    ):
        found = [m for m in NUMBER.finditer(text) if not _inside_word(text, m)]
        if not found:
            return _spelled(text) if text is side else None
        if any(re.match(r"[.,]?\d", text[m.end() :]) for m in found):
            raise Unclear  # thousands separators that do not fit, a torn number, a time
        first, rest = found[0], text[found[0].end() :]
        before = text[: first.start()]
        if TURNS.search(before.lower()) and not re.fullmatch(r"\s*\(\s*", before):
            return None
        if first["sign"] and re.search(r"(?:\b[A-Za-z]|[)\]}])\s*$", before):
            return None  # x - 5
        if len(found) == 1 and not AFTER.match(rest):
            return _value(first, money or _unit(rest))
        if len(found) > 1 and not AFTER.match(rest) and re.fullmatch(SETTING, rest) and not re.search(r"\bor\b", rest):
            return _value(first, money or _unit(rest))
    values = {_value(m) for m in found}
    between = [text[a.end() : b.start()].strip() for a, b in zip(found, found[1:], strict=False)]
    if len(values) == 1 and len(found) > 1 and not AFTER.match(rest) and all(between):
        return values.pop()
    if found and all(re.fullmatch(r"[-+*/^x÷() ]*", b) for b in between) and (between or AFTER.match(rest)):
        return None  # a calculation without its result
    raise Unclear


def _spelled(text: str) -> Number | None:
    negative = re.match(r"\s*(?:(?:minus|negative)\s+|-\s*)(?=[a-z])", text, re.I)
    found = spelled(text[negative.end() :] if negative else text)
    if found is not None and negative:
        return Number((-found[0],), False, _unit(found[1]))
    return None if found is None else Number((found[0],), False, _unit(found[1]))


def _inside_word(text: str, m: re.Match[str]) -> bool:
    return m.start() > 0 and (text[m.start() - 1].isalpha() or text[m.start() - 1] in "^_")


def _unit(rest: str) -> Unit | None:
    """The known unit that the words after a number begin with; a.m. and p.m. are units of a time."""
    hours = HOURS.match(rest)
    if hours:
        return Unit(words=frozenset([f"{hours[1].lower()}.m."]))
    head = re.match(r"[\s-]*((?:(?:square|cubic|sq|cu)\s+)?[A-Za-z°]+(?:\s*(?:/|\bper\b)\s*[A-Za-z]+)?)", rest)
    if head is None:
        return None
    words = head[1].replace("/", " / ").split()
    if not all(known(w) or w in ("/", "per", "square", "cubic", "sq", "cu", "mph") for w in words):
        words = words[:1]
    return read_unit(" ".join(words)) if words[0] in NAMES or known(words[0]) or len(words) > 1 else None


def _value(m: re.Match[str], unit: Unit | None = None) -> Number:
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
    return Number(values, bool(m["percent"]), unit)


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


PAIR = re.compile(r"\s*(?:,|and\b)?\s*(\d+(?:\.\d+)?)[\s-]*([A-Za-z]+)\.?")


def compound(text: str) -> Number | None:
    """A quantity in two or more units of one kind, from large to small: "2 hours 30 minutes", "5 ft 6 in"; else
    None.
    """
    at, parts = 0, []
    text = plain(text)
    while at < len(text) and (m := PAIR.match(text, at)):
        unit = read_unit(m[2])
        if unit is None or unit.words or len(unit.powers) != 1 or unit.powers[0][1] != 1 or "/" in unit.powers[0][0]:
            return None
        parts.append((Fraction(m[1]), unit))
        at = m.end()
    if at < len(text) or len(parts) < 2:
        return None
    first = parts[0][1]
    for (_, large), (_, small) in zip(parts, parts[1:], strict=False):
        if small.powers != large.powers or small.factor >= large.factor:
            return None
    return Number((sum((v * u.factor for v, u in parts), Fraction(0)) / first.factor,), False, first)


def last_number(text: str) -> tuple[str, Number] | None:
    """The last number of a text and the characters it was read from; None where there is none."""
    end = max((text.rfind(d) for d in "0123456789"), default=-1) + 1
    clean = plain(text[max(0, end - 200) : end + 40])
    found = [m for m in NUMBER.finditer(clean) if not _inside_word(clean, m)]
    return (found[-1].group().strip(), _value(found[-1])) if found else None
