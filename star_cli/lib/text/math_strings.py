r"""MATH's own metric (Hendrycks et al. 2021): the last box of a text, equal to the known answer as normalised LaTeX.

``\dfrac12`` and ``\frac{1}{2}`` are one, ``0.5`` too, by a rule of its own; ``0.25`` and ``\frac{1}{4}`` are not.
"""

from __future__ import annotations

import re

from star_cli.lib.text.boxes import HEAD

FRACTION = re.compile(r"\\frac(?=[^{])\s*(\S)\s*(\{[^{}]*\}|\S)?")
PLAIN_FRACTION = re.compile(r"-?\d+/-?\d+")


def last_box(text: str) -> str | None:
    r"""What stands in the last ``\boxed{}`` or ``\fbox{}`` of a text; None without one, or where it never closes."""
    heads = list(HEAD.finditer(text))
    if not heads:
        return None
    start = heads[-1].end()
    if text[start : start + 1] != "{":  # \boxed 5
        rest = text[start:].split("$")[0].strip()
        return rest or None
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if not depth:
            return text[start + 1 : at]
    return None


def normal(answer: str) -> str:
    """A LaTeX answer in the published normal form."""
    text = answer.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = re.sub(r"\\[td]frac", r"\\frac", text)
    for dropped in ("\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "\\%", "%"):
        text = text.replace(dropped, "")
    if text.count("\\text{ ") == 1:  # a unit at the end
        text = text.partition("\\text{ ")[0]
    text = re.sub(r"(^|[ {])\.", r"\g<1>0.", text)
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        text = value
    text = re.sub(r"\\sqrt(?=[^{])\s*(\S)", r"\\sqrt{\1}", text).replace(" ", "")
    text = FRACTION.sub(_braced, text)
    if text == "0.5":
        text = "\\frac{1}{2}"
    if PLAIN_FRACTION.fullmatch(text):
        top, _, bottom = text.partition("/")
        text = f"\\frac{{{int(top)}}}{{{int(bottom)}}}" if (str(int(top)), str(int(bottom))) == (top, bottom) else text
    return text


def _braced(match: re.Match[str]) -> str:
    top, bottom = match[1], match[2]
    if bottom is None:
        return match.group()
    return f"\\frac{{{top}}}{bottom if bottom.startswith('{') else '{' + bottom + '}'}"


def equivalent(known: str, said: str) -> bool:
    """Whether two answers have one normal form."""
    return normal(known) == normal(said)
