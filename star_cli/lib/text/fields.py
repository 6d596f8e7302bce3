r"""The answer of a JSON object that a text ends with: ``{"reason": "3 * 5", "answer": "15"}``."""

from __future__ import annotations

import json
import re

LONGEST = 100_000  # characters of an object that is read
KEY = re.compile(
    r"(?:(?:final|correct|best|right|selected|predicted|chosen)[_ -]?)?(?:answer|choice|option|solution|result)"
    r"(?:[_ -]?(?:letter|choice|key|option|text|value|label))?",
    re.I,
)


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.S)


def answer_in(text: str) -> tuple[int, int] | None:
    """(where the last object of a text begins, where the name of its answer's field does); None where the text does
    not end with an object, or it has no such field.
    """
    body = text.rstrip().removesuffix("```").rstrip()
    if not body.endswith("}") or body.endswith("\\}"):
        return None
    lead = len(body) - len(body.lstrip())
    start = lead if body.startswith("{", lead) else max(body.rfind("\n{"), body.rfind("`{")) + 1
    if start < lead or len(body) - start > LONGEST or not body.startswith("{", start):
        return None
    raw = body[start:]
    for candidate in (
        raw,
        re.sub(
            r"(?<!\\)\\(?![\\\"]"
            r"|u[0-9a-fA-F]{4})",
            r"\\\\",
            raw,
        ),
    ):  # "\frac{1}{2}" is no valid JSON, but clear
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        names = [name for name in found if KEY.fullmatch(name)] if isinstance(found, dict) else []
        if not names:
            return None
        name = max(names, key=lambda n: ("answer" in n.lower(), -names.index(n)))
        place = _place(raw, name)
        return None if place is None else (start, start + place + 1)
    return None


def _place(raw: str, name: str) -> int | None:
    """Where the name of a field stands on the first level of an object."""
    depth = 0
    for token in TOKEN.finditer(raw):
        depth += (token.group() in "{[") - (token.group() in "}]")
        if depth == 1 and token.group() == f'"{name}"' and raw[token.end() :].lstrip()[:1] == ":":
            return token.start()
    return None
