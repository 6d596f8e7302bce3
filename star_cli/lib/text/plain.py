r"""A phrase in its plainest form, for reading numbers: LaTeX, Markdown, currency signs and exotic characters put aside.

``$1{,}234.50$``, ``3½``, ``−9`` and ``0.\overline{36}`` become "1234.50", "3 1/2", "-9" and "4/11".
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from star_cli.lib.text.units import CURRENCY

LONGEST = 100  # digits of a repeating decimal
SEPARATOR = re.compile(  # what LaTeX and typography put between groups of three digits
    r"(?<=\d)\s?(?:\{\s*,\s*\}|,\s*\\!|\\text\s*\{\s*,\s*\}|\{\\,\}|,?\\[,!;: ]|~"
    r"|[_'’\u00a0\u2009\u202f])\s*(?=\d{3}(?!\d))"
)
REPEATING = re.compile(
    r"(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*(?:\{\s*(\d+)\s*\}|(\d))(?:(\d*)\\dot\s*(?:\{\s*(\d)\s*\}|(\d)))?|\((\d+)\)(?![\d(]))"
)
POWER = re.compile(
    r"\b((?:centi|milli|kilo)?met(?:er|re)s?|cm|km|mm|m|ft|feet|in|inch(?:es)?|yd|mi|miles?)\s?\^\s*\{?\s*([23])\b\}?"
    r"|\b(cm|km|mm|m|ft)([23])\b"
)
NEGATIVE = re.compile(r"\b(?:[Nn]egative|[Mm]inus)\s+(?=\d)")
TIMES = re.compile(r"(?<=\d)\s*[xX]\s*(?=[$€£]?\d)")  # 9 x 2
HOUR = re.compile(r"(?<=\d):00(?=\s*[ap]\.?\s?m\b)", re.I)
MONEY = re.compile(rf"[{CURRENCY}]")
MONEY_SIGNED = re.compile(rf"(?<=[-+])\s*[{CURRENCY}]\s*|[{CURRENCY}](?=\s*[-+])")
POINTS = re.compile(r"(?<!\d)\.(?!\d)|(?<=\d)\.(?=\D|$)|\s+")
SWITCH = re.compile(
    r"\\(?:color|textcolor|colorbox)\s*\{[^{}]*\}"
    r"|\\(?:bf|rm|it|sf|tt|bfseries|itshape|normalsize|centering|tiny|small|large|Large|LARGE|huge|Huge)(?![A-Za-z])(?!\s*\{)"
)
TWICE = re.compile(r"\\\\[A-Za-z{}%$!,;]")
ONCE = re.compile(r"(?<!\\)\\[A-Za-z{}%$!,;]")
DOTS = re.compile(r"(\d*)\.(\d+)\s*(?:\.\.\.|…|\\(?:l|c)?dots(?![A-Za-z]))")


def grouped(text: str) -> str:
    """A text whose digits LaTeX groups by three, with the groups joined: ``1{,}234``, ``11,\\! 111`` and
    ``1\\,234``.
    """
    return SEPARATOR.sub("", text)


def repeating(text: str, form: str = " {} ") -> str:
    r"""A text with its repeating decimals as fractions: ``0.\overline{36}`` -> `` 4/11 ``, ``0.1666...`` -> `` 1/6
    ``.
    """

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
        return " § "  # 1.41421...: how it goes on is not said

    return DOTS.sub(dots, REPEATING.sub(bar, text))


def _fraction(whole: str, fixed: str, period: str) -> str:
    if len(whole) + len(fixed) + len(period) > LONGEST:
        return "§"
    nines = 10 ** len(period) - 1
    value = Fraction(whole + "." + (fixed or "0")) + Fraction(int(period), nines * 10 ** len(fixed))
    return f"{value.numerator}/{value.denominator}"


def unescaped(text: str) -> str:
    r"""A text with ``\\frac`` as ``\frac``, where every command is escaped twice, as JSON writes it."""
    twice = TWICE.search(text) if "\\\\" in text else None
    return text.replace("\\\\", "\\") if twice and not ONCE.search(text) else text


def uncoloured(text: str) -> str:
    """A text without colours and switches of the font."""
    return SWITCH.sub(" ", text) if "\\" in text else text


def _power(m: re.Match[str]) -> str:
    """cm^2 as "square cm"."""
    return f"{'square' if (m[2] or m[4]) == '2' else 'cubic'} {m[1] or m[3]}"


@lru_cache(maxsize=1024)
def plain(text: str) -> str:
    """The phrase with LaTeX, Markdown, currency signs and exotic characters in their plainest form."""
    text = uncoloured(unescaped(re.sub(r"<<[^<>]*>>", "", text) if "<<" in text else text))
    exotic = not text.isascii()
    if exotic:
        text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + unicodedata.normalize("NFKC", m.group()), text)
    text = grouped(text)
    if exotic:
        text = unicodedata.normalize("NFKC", re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)).replace("⁄", "/")
        text = re.sub("[\u2212\u2010-\u2013\ufe63]", "-", text).replace("\u2014", "; ")
    text = repeating(text.replace("{,}", ","))
    if exotic or "\\" in text or "{" in text:
        text = _without_commands(text)
    if re.search("[<>!]=|=>", text):
        text = text.replace("<=", "≤").replace(">=", "≥").replace("=>", "≥").replace("!=", "≠")
    if NEGATIVE.search(text) and not re.search(r"\d\s+minus", text):
        text = NEGATIVE.sub("-", text)
    text = TIMES.sub("*", text)
    text = HOUR.sub("", text)
    text = text.replace("~", " ")
    if re.search(r"[*`_]", text):
        text = re.sub(r"(?<=\d)\s*\*\*\s*(?=\d)", "^", text).replace("**", "")
        text = re.sub(r"(?<![\d)\s])\*|\*(?!\s*[\d(-])|`|^[_\s]+|[_\s]+$", "", text)
    text = MONEY.sub(" ", MONEY_SIGNED.sub("", text))
    text = POWER.sub(_power, text)
    text = re.sub(r"(?<=[A-Za-z])\^\s*\{?-?\d+\}?|\b(?:cm|km|mm|m|ft|in)\d\b", "", text)
    text = re.sub(r"[{}]", "", text) if "^" not in text else text
    return POINTS.sub(" ", text).strip(" :,?")


def _without_commands(text: str) -> str:
    """LaTeX and its signs in plain characters; a command that is not understood becomes §."""
    text = re.sub(r"\{\s*\{([^{}]*)\}\s*\}", r"{\1}", re.sub(r"\{\s*\{([^{}]*)\}\s*\}", r"{\1}", text))
    text = re.sub(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm|operatorname|textnormal)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" \1/\2 ", text)
    text = re.sub(r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)", r" \1/\2 ", text)
    text = re.sub(r"\^\s*\{?\s*(?:\\circ|\\degree|°)\s*\}?|°|\\degree", " degrees ", text)
    text = re.sub(r"\\leq?(?![a-z])", "≤", re.sub(r"\\geq?(?![a-z])", "≥", text))
    text = re.sub(r"\\neq?(?![a-z])", "≠", text)
    text = re.sub(r"\\(?:times|cdot)|×|·", "*", text).replace("\\approx", "≈").replace("\\div", "÷")
    text = re.sub(r"\\(?:left|right|displaystyle|quad|qquad|[,!;:()\[\] ])", " ", text)
    text = re.sub(r"\\([%$#&])", r"\1", text)
    return re.sub(r"\\[A-Za-z]+|\\", "§", text)
