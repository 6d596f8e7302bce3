"""What a number is, with its unit, however it is written in words or digits; and when two of them are equal.

"$1,234.50", "1.5 \\times 10^3", "3 1/2 hours", "−9", "50 %", "0.\\overline{36}" and "seventy-two" are numbers; "5 or 6",
"2x", "3x + 2y = 8" and "1,00" are not. Values are exact fractions. The rules stand in docs/grading.md.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from star_cli.lib.text.units import CURRENCY, NAMES, Unit, known, read_unit

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
    r"|(?:more|less|fewer|greater|larger|smaller|rather|other) than|between|sqrt|root|unless|except|at (?:least|most)|up to|over"
    r"|under|above|below|(?:option|choice|step|case|part|equation|question|problem|figure|base|log)(?=\s*$))\b|n't\b"
    r"|[<>≤≥≠±√(*/^÷+-]\s*$"
)
AFTER = re.compile(
    r"\s*(?:[-+*/^=<>±≠≤≥∞!]|(?:per|and) \d|and (?:a|one) (?:half|third|quarter)|(?:in )?base\b|(?:plus|minus|divided|multiplied|squared|cubed|or|to|(?:more|less|fewer|greater) than)\b|times (?:\d|[a-z]+teen|two|three"
    r"|four|five|six|seven|eight|nine|ten)\b|-?\s*[xyznπ](?![A-Za-z])|:\s*\d|[.,]\d)"
    r"|(?![mgshlLkKWVANJCFc])[A-Za-z](?![A-Za-z])"  # 7r, 5i: a letter that is no unit is a variable
)
SETTING = re.compile(
    r"\s[^\d=]*\b(?:in|per|for|after|every|from|at|when|if|on|because|since|as|with|within|each|during)\b[^=]*"
)
SOFT = re.compile(r"(?:,\s+(?=[a-z])|\s(?:because|since|which|so|where|as|given)\b).*", re.S)
SECOND = re.compile(r"(?:[,;]|\band\b)\s*[A-Za-z]\w*\s*$")  # x = 1, y: before the next "="
FORMULA = re.compile(  # a side of an equation that is more than a name or arithmetic: 3x + 2y, x^2, a - b
    r"\d\s*(?![mgshlLkK]\b)[A-Za-z](?![A-Za-z])|(?<![A-Za-z])[A-Za-z]\s*(?:[-+*/^]\s*[\dA-Za-z(]|[²³])"
    r"|[\d)]\s*[-+*/]\s*[A-Za-z](?![A-Za-z])"
)
DENIED = re.compile(r"\b(?:wrong|incorrect|mistaken)\b", re.I)
HOURS = re.compile(r"\s*([ap])\.?\s?m\b", re.I)
ONES = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
TENS = {w: 10 * i for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
PARTS = {w: i for i, w in enumerate("third fourth fifth sixth seventh eighth ninth tenth".split(), 3)}
PARTS |= {"half": 2, "halve": 2, "quarter": 4}
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
        return any(same(v, self.percent, gold.values[0], gold.percent) for v in self.values)


def same(value: Fraction, percent: bool, gold: Fraction, gold_percent: bool) -> bool:
    """Equal values; ``%`` is a factor (50 % for 1/2) or a unit (50 % for 50), but 0.5 % is never 1/2."""
    if percent == gold_percent:
        return value == gold
    if percent:
        return value / 100 == gold or (value == gold and (abs(gold) >= 1 or not gold))
    return value == gold / 100 or (value == gold and abs(gold) >= 1)


class Unclear(Exception):
    """Two different numbers are given, or one that cannot be read."""


def read_number(phrase: str) -> Number | None:
    """The one number a phrase gives as an answer; None where there is none, Unclear where there are several."""
    phrase = phrase[: LONGEST + 1]
    if len(phrase) > LONGEST or DENIED.search(phrase):
        raise Unclear
    money = _money(phrase)
    clean = plain(phrase)
    sides = [s for s in re.split(r"=|≈", clean) if s.strip()]
    if len(sides) > 1:  # a calculation: its result stands at the end, sometimes at the beginning
        if any(SECOND.search(s) for s in sides[1:-1]) or any(FORMULA.search(s) for s in sides):
            raise Unclear
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
    for text in (side, re.sub(r"(?<=[\w%])\s*\((?![^()]*\b(?:or|and|not)\b)[^()]*\)\s*$", "", side), SOFT.sub("", side)):
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


def words(text: str) -> Number | None:
    """A number in words, up to the hundreds of thousands: "seventy-two clips", "three hundred and five"."""
    part = re.fullmatch(r"\W*(?:an?\s+)?(half|third|quarter|fourth|fifth|sixth|eighth|tenth)\W*", text.lower())
    if part:
        return Number((Fraction(1, PARTS[part[1]]),), False)
    found = re.findall(r"[a-z]+", text.lower()[:120])
    start = next((i for i, w in enumerate(found) if w in ONES or w in TENS), None)
    if start is None or start > (1 if found[0] in ("the", "a", "exactly", "about") else 0):
        return None
    total = small = 0
    end = start
    last = ""
    for word in found[start:]:
        if word in ONES and last not in ("one", "ten") and (not last or last in ("hundred", "thousand", "tens", "and")):
            if last == "tens" and not 0 < ONES[word] < 10:
                return None
            small += ONES[word]
            last = "one"
        elif word in TENS and last in ("", "hundred", "thousand", "and"):
            small += TENS[word]
            last = "tens"
        elif word == "hundred" and last == "one" and 0 < small < 10:
            small *= 100
            last = "hundred"
        elif word == "thousand" and last and last != "and" and not total:
            total, small = small * 1000, 0
            last = "thousand"
        elif word == "and" and last in ("hundred", "thousand"):
            last = "and"
        else:
            break
        end += 1
    rest = found[end : end + 1]
    if rest and rest[0].rstrip("s") in PARTS and last == "one" and not total and small < 20:
        place = re.match(rf"(?:[^A-Za-z]*[A-Za-z]+){{{end + 1}}}", text)
        return Number(
            (Fraction(small, PARTS[rest[0].rstrip("s")]),), False, _unit(text[place.end() :]) if place else None
        )
    if last == "and" or (
        rest
        and rest[0]
        in {*ONES, *TENS, "of", "or", "and", "half", "third", "quarter", "more", "less", "point"} | set(SCALE)
    ):
        return None
    place = re.match(rf"(?:[^A-Za-z]*[A-Za-z]+){{{end}}}", text)
    return Number((Fraction(total + small),), False, _unit(text[place.end() :]) if place else None)


SEPARATOR = re.compile(  # what LaTeX and typography put between groups of three digits
    r"(?<=\d)\s?(?:\{\s*,\s*\}|,\s*\\!|\\text\s*\{\s*,\s*\}|\{\\,\}|,?\\[,!;: ]|~|[_'’\u00a0\u2009\u202f])\s*(?=\d{3}(?!\d))"
)
REPEATING = re.compile(
    r"(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*(?:\{\s*(\d+)\s*\}|(\d))(?:(\d*)\\dot\s*(?:\{\s*(\d)\s*\}|(\d)))?|\((\d+)\)(?![\d(]))"
)
DOTS = re.compile(r"(\d*)\.(\d+)\s*(?:\.\.\.|…|\\(?:l|c)?dots(?![A-Za-z]))")


def grouped(text: str) -> str:
    """A text whose digits LaTeX groups by three, with the groups joined: ``1{,}234``, ``11,\\! 111`` and ``1\\,234``."""
    return SEPARATOR.sub("", text)


def repeating(text: str, form: str = " {} ") -> str:
    r"""A text with its repeating decimals as fractions: ``0.\overline{36}`` -> `` 4/11 ``, ``0.1666...`` -> `` 1/6 ``."""

    def bar(m: re.Match[str]) -> str:
        period = (m[3] or m[4] or m[8] or "") + (m[5] or "") + (m[6] or m[7] or "")
        return form.format(_fraction(m[1] or "0", m[2], period))

    def dots(m: re.Match[str]) -> str:
        digits = m[2]
        for size in (1, 2, 3, 6):
            period = digits[-size:]
            times = 3 if size == 1 else 2
            if len(digits) >= size * times and digits.endswith(period * times):
                return form.format(_fraction(m[1] or "0", digits[: -size * times], period))
        return " § " if len(digits) > 3 else m.group()  # 1.41421...: how it goes on is not said

    return DOTS.sub(dots, REPEATING.sub(bar, text))


def _fraction(whole: str, fixed: str, period: str) -> str:
    if len(whole) + len(fixed) + len(period) > LARGEST // 4:
        return "§"
    nines = 10 ** len(period) - 1
    value = Fraction(whole + "." + (fixed or "0")) + Fraction(int(period), nines * 10 ** len(fixed))
    return f"{value.numerator}/{value.denominator}"


def plain(text: str) -> str:
    """The phrase with LaTeX, Markdown, currency signs and exotic characters in their plainest form."""
    text = re.sub(r"<<[^<>]*>>", "", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + unicodedata.normalize("NFKC", m.group()), text)
    text = grouped(text)
    text = unicodedata.normalize("NFKC", re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)).replace("⁄", "/")
    text = re.sub("[\u2212\u2010-\u2013\ufe63]", "-", text).replace("\u2014", "; ")
    text = repeating(text.replace("{,}", ","))
    text = re.sub(r"\{\s*\{([^{}]*)\}\s*\}", r"{\1}", re.sub(r"\{\s*\{([^{}]*)\}\s*\}", r"{\1}", text))
    text = re.sub(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm|operatorname|textnormal)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" \1/\2 ", text)
    text = re.sub(r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)", r" \1/\2 ", text)
    text = re.sub(r"\^\s*\{?\s*(?:\\circ|\\degree|°)\s*\}?|°|\\degree", " degrees ", text)
    text = re.sub(r"\\leq?(?![a-z])|<=", "≤", re.sub(r"\\geq?(?![a-z])|>=|=>", "≥", text))
    text = re.sub(r"\\neq?(?![a-z])|!=", "≠", text)
    text = re.sub(r"\b[Nn]egative\s+(?=\d)", "-", text)
    text = re.sub(r"\\(?:times|cdot)|×|·", "*", text).replace("\\approx", "≈").replace("\\div", "÷")
    text = re.sub(r"\\(?:left|right|displaystyle|quad|qquad|[,!;:()\[\] ])", " ", text)
    text = re.sub(r"\\([%$#&])", r"\1", text).replace("~", " ")
    text = re.sub(r"\\[A-Za-z]+|\\", "§", text)
    text = re.sub(r"(?<=\d)\s*\*\*\s*(?=\d)", "^", text).replace("**", "")
    text = re.sub(r"(?<![\d)\s])\*|\*(?!\s*[\d(-])|`|^[_\s]+|[_\s]+$", "", text)
    text = re.sub(rf"(?<=[-+])\s*[{CURRENCY}]\s*|[{CURRENCY}](?=\s*[-+])", "", text)
    text = re.sub(rf"[{CURRENCY}]", " ", text)
    text = re.sub(r"(?<=[A-Za-z])\^\s*\{?-?\d+\}?|\b(?:cm|km|mm|m|ft|in)\d\b", "", text)
    text = re.sub(r"[{}]", "", text) if "^" not in text else text
    return re.sub(r"(?<!\d)\.(?!\d)|(?<=\d)\.(?=\D|$)|\s+", " ", text).strip(" :,?")


PAIR = re.compile(r"\s*(?:,|and\b)?\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\.?")


def compound(text: str) -> Number | None:
    """A quantity in two or more units of one kind, from large to small: "2 hours 30 minutes", "5 ft 6 in"; else None."""
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
