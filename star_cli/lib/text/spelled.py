"""Numbers in words: "seventy-two", "three hundred and five", "two thirds"."""

from __future__ import annotations

import re
from fractions import Fraction

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
STOPS = frozenset(  # behind a number they make another one of it
    "of or and half third quarter more less point hundred thousand million billion trillion".split()
)
SCALES = {"dozen": 12, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def spelled(text: str) -> tuple[Fraction, str] | None:
    """(the number that a phrase begins with, the text behind it), up to the hundreds of thousands; None where it is
    none.
    """
    part = re.fullmatch(r"\W*(?:an?\s+)?(half|third|quarter|fourth|fifth|sixth|eighth|tenth)\W*", text.lower())
    if part:
        return Fraction(1, PARTS[part[1]]), ""
    text = re.sub(r"^(\W*)a (?=(?:hundred|thousand|million|billion|trillion)\b)", r"\1one ", text, flags=re.I)
    found = re.findall(r"[a-z]+", text.lower()[:120])
    start = next((i for i, w in enumerate(found) if w in ONES or w in TENS), None)
    if start is None or start > (1 if found[0] in ("the", "a", "exactly", "about") else 0):
        return None
    value, end, last = _read(found, start)
    if value is None or last == "and":
        return None
    if found[end : end + 1] and (scale := SCALES.get(found[end].rstrip("s"))):
        value, end, last = value * scale, end + 1, "scale"
    following = found[end] if end < len(found) else ""
    if following == "and" and (mixed := _mixed(found[end + 1 : end + 4])) is not None and last == "one":
        return Fraction(value) + mixed[0], _behind(text, end + 1 + mixed[1])
    if following.rstrip("s") in PARTS and last == "one" and value < 20:
        return Fraction(value, PARTS[following.rstrip("s")]), _behind(text, end + 1)
    if following in ONES or following in TENS or following in STOPS:
        return None
    return Fraction(value), _behind(text, end)


def _read(words: list[str], start: int) -> tuple[int | None, int, str]:
    """(the value of the number words from ``start``, where they end, the kind of the last one)."""
    total = small = 0
    end, last = start, ""
    for word in words[start:]:
        if word in ONES and last in ("", "hundred", "thousand", "tens", "and"):
            if last == "tens" and not 0 < ONES[word] < 10:
                return None, end, last
            small += ONES[word]
            last = "one"
        elif word in TENS and last in ("", "hundred", "thousand", "and"):
            small += TENS[word]
            last = "tens"
        elif word == "hundred" and last in ("one", "tens") and 0 < small < 100:
            small *= 100
            last = "hundred"
        elif word == "thousand" and last and last != "and" and not total:
            total, small, last = small * 1000, 0, "thousand"
        elif word == "and" and last in ("hundred", "thousand"):
            last = "and"
        else:
            break
        end += 1
    return total + small, end, last


def _mixed(words: list[str]) -> tuple[Fraction, int] | None:
    """(the part, how many words it takes) of "a half", "one third", "three quarters"; None for anything else."""
    count = 1 if words[:1] in (["a"], ["an"]) else ONES.get(words[0], 0) if words else 0
    part = words[1].rstrip("s") if len(words) > 1 else ""
    if not 0 < count < 10 or part not in PARTS or words[2:3] == ["of"]:
        return None
    return Fraction(count, PARTS[part]), 2


def _behind(text: str, count: int) -> str:
    """The text behind its first ``count`` words."""
    place = re.match(rf"(?:[^A-Za-z]*[A-Za-z]+){{{count}}}", text)
    return text[place.end() :] if place else ""
