"""Units of measurement: what a unit's words stand for, and when two units measure the same thing.

"cm", "centimetres", "km/h", "miles per hour", "square feet", "ft^2" and "dollars" are units; "apples" is a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

# dimension: {name: (factor to the first of its dimension, other spellings)}; a plural -s is understood
TABLE: dict[str, dict[str, tuple[str, str]]] = {
    "length": {
        "m": ("1", "meter metre"),
        "cm": ("1/100", "centimeter centimetre"),
        "mm": ("1/1000", "millimeter millimetre"),
        "km": ("1000", "kilometer kilometre"),
        "in": ("254/10000", "inch inches"),
        "ft": ("3048/10000", "foot feet"),
        "yd": ("9144/10000", "yard"),
        "mi": ("1609344/1000", "mile"),
    },
    "mass": {
        "g": ("1", "gram gm"),
        "kg": ("1000", "kilogram kilo"),
        "mg": ("1/1000", "milligram"),
        "lb": ("45359237/100000", "pound lbs"),
        "oz": ("45359237/1600000", "ounce"),
        "ton": ("907184740/1000", ""),
        "tonne": ("1000000", ""),
    },
    "time": {
        "s": ("1", "sec second"),
        "ms": ("1/1000", "millisecond"),
        "min": ("60", "minute"),
        "h": ("3600", "hr hour"),
        "day": ("86400", ""),
        "week": ("604800", "wk"),
        "month": ("0", ""),
        "year": ("0", "yr"),
    },
    "volume": {
        "L": ("1", "l liter litre"),
        "mL": ("1/1000", "ml milliliter millilitre"),
        "gal": ("0", "gallon"),
        "quart": ("0", "qt"),
        "pint": ("0", ""),
        "cup": ("0", ""),
    },
    "angle": {
        "degree": ("1", "deg °"),
        "radian": ("0", "rad"),
    },
    "temperature": {"°C": ("0", "celsius"), "°F": ("0", "fahrenheit"), "K": ("0", "kelvin")},
    "dollar": {"$": ("1", "dollar usd buck"), "cent": ("1/100", "¢")},
    "euro": {"€": ("1", "euro eur")},
    "pound": {"£": ("1", "gbp")},
    "rupee": {"₹": ("1", "rupee rs inr")},
    "yen": {"¥": ("1", "yen yuan")},
    "power": {"W": ("1", "watt"), "kW": ("1000", "kw kilowatt")},
    "energy": {"J": ("1", "joule"), "kJ": ("1000", "kj kilojoule"), "cal": ("0", "calorie"), "kcal": ("0", "")},
    "force": {"N": ("1", "newton")},
    "pressure": {"Pa": ("1", "pascal"), "kPa": ("1000", "kpa")},
    "frequency": {"Hz": ("1", "hertz hz"), "rpm": ("0", "")},
    "voltage": {"V": ("1", "volt")},
    "current": {"A": ("1", "amp ampere")},
    "resistance": {"Ω": ("1", "ohm")},
    "amount": {"mol": ("1", "mole")},
    "data": {"MB": ("1", "mb megabyte"), "GB": ("0", "gb gigabyte")},
    "count": {"unit": ("1", "")},
}
COMPOUND = {"mph": ("mile", "hour"), "kmh": ("km", "hour"), "kph": ("km", "hour"), "kmph": ("km", "hour")}
CURRENCY = "$€£¥₹"
PREFIXES = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
WORD = re.compile(r"°\s?[CF]\b|[°$€£¥₹¢]|[A-Za-zΩ]+|\^\s*\{?\s*(-?\d+)\s*\}?|/|\bper\b|[*·]|\S")


def _names() -> dict[str, tuple[str, Fraction]]:
    names: dict[str, tuple[str, Fraction]] = {}
    for dimension, units in TABLE.items():
        for short, (factor, others) in units.items():
            kind = dimension if factor != "0" else f"{dimension}/{short}"  # 0: never converted
            value = Fraction(factor) if factor != "0" else Fraction(1)
            for name in (short, *others.split()):
                names[name] = (kind, value)
                if len(name) > 2:
                    names.setdefault(f"{name}s", (kind, value))
    return names


NAMES = _names()
LONG = {name for name in NAMES if len(name) > 1}  # a single letter is a unit only where it cannot be a variable


@dataclass(frozen=True)
class Unit:
    """Powers of dimensions, sorted, and the factor to their base units; ``words`` where the unit is no known one."""

    powers: tuple[tuple[str, int], ...] = ()
    factor: Fraction = Fraction(1)
    words: frozenset[str] = frozenset()

    def agrees(self, other: Unit) -> bool:
        """Whether both measure the same thing: the same dimensions, or one word in common."""
        if self.words or other.words:
            return bool(self.words & other.words)
        return self.powers == other.powers


def known(word: str) -> tuple[str, Fraction] | None:
    """(dimension, factor) of one word, a plural or a capital letter aside."""
    if word in NAMES:
        return NAMES[word]
    low = word.lower()
    if low in NAMES and len(low) > 2:
        return NAMES[low]
    return None


def read_unit(text: str) -> Unit | None:
    """The unit that a text is, such as "square cm", "km/h", "m^2", "dollars per hour"; None where it is no text at all.

    Words that are no unit make a unit that agrees with any other that shares a word with it.
    """
    text = text.strip(" .,;:!()")
    if not text:
        return None
    powers: dict[str, int] = {}
    factor = Fraction(1)
    sign, power = 1, 1
    last: tuple[str, Fraction] | None = None
    unknown = False
    for m in WORD.finditer(text):
        piece = m.group().replace(" ", "")
        if piece in ("/", "per"):
            sign = -1
        elif piece in ("*", "·"):
            continue
        elif m[1] is not None:
            if last is None:
                unknown = True
                break
            extra = int(m[1]) if len(m[1]) < 3 else 99
            powers[last[0]] += sign * (extra - 1)
            factor *= last[1] ** (sign * (extra - 1)) if abs(extra) < 10 else 1
        elif piece.lower() in PREFIXES:
            power = PREFIXES[piece.lower()]
        elif piece.lower() in COMPOUND:
            for name, s in zip(COMPOUND[piece.lower()], (1, -1), strict=True):
                kind, value = NAMES[name]
                powers[kind] = powers.get(kind, 0) + s
                factor *= value**s
        else:
            last = known(piece)
            if last is None:
                unknown = True
                break
            powers[last[0]] = powers.get(last[0], 0) + sign * power
            factor *= last[1] ** (sign * power)
            power = 1
    if unknown:
        first = _leading(text)
        return first if first is not None else _words(text)
    return Unit(tuple(sorted((d, n) for d, n in powers.items() if n)), factor)


def _leading(text: str) -> Unit | None:
    """The known unit that words begin with: "centimeters long", "hours ago"."""
    words = text.split()
    for n in range(min(4, len(words) - 1), 0, -1):
        head = " ".join(words[:n])
        if all(known(w) or w in PREFIXES or w in ("/", "per") or w.lower() in COMPOUND for w in words[:n]):
            return read_unit(head)
    return None


def _words(text: str) -> Unit:
    words = re.findall(r"[a-z]{3,}", text.lower())
    return Unit(words=frozenset(_singular(w) for w in words) or frozenset([text.lower()]))


PEOPLE = {"people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "geese": "goose"}


def _singular(word: str) -> str:
    if word in PEOPLE:
        return PEOPLE[word]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
