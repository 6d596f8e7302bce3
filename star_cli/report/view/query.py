"""Which samples to look at: filters that can be combined, and their spelling in a URL and in SQL.

/samples/demo/round-2/evaluate?outcome=wrong&reason=TRUNCATED&group=digits%3D3&sort=tokens&desc=1
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_type_hints
from urllib.parse import urlencode

from star_cli.core.records import REASONS
from star_cli.errors import StarError, unknown

OUTCOMES = ("right", "wrong", "undecided", "not graded")
CHANGES = ("solved", "forgotten", "still right", "still wrong")
SORTS = {
    "": "place",
    "tokens": "tokens",
    "characters": "characters",
    "logprob": "logprob",
    "score": "score",
    "wrong_steps": "wrong_steps",
    "problem": "problem_id",
    "reason": "reason",
}
LABELS = ("any", "disputed", "confirmed")
CHOICES = ("best", "majority")
PAGE = 50  # rows of a page


@dataclass(frozen=True)
class SampleQuery:
    """What to show of a set. Nothing set means everything, in the order of the file.

    ``yes`` and ``no`` are the values of ``hinted`` and ``kept``. ``steps``: right answers with a wrong step. ``leak``:
    rationales that give away that the answer was shown. ``group`` is NAME=VALUE as the task groups its problems.
    ``min`` and ``max`` are tokens. ``text`` must occur in the rationale, the question, the problem's id or an answer.
    ``label``: samples that a person labelled (disputed: other than the grader). ``against`` is the key of other
    verdicts on the same rationales, which must differ. ``versus`` is the place of another set and ``change`` what
    became of a problem since. ``choice``: the samples that a way to pick one a problem picks. ``at`` counts from 0.
    """

    outcome: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    truncated: bool = False
    hinted: str = ""
    kept: str = ""
    steps: bool = False
    leak: bool = False
    group: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None
    text: str = ""
    label: str = ""
    against: str = ""
    versus: str = ""
    change: str = ""
    choice: str = ""
    sort: str = ""
    desc: bool = False
    page: int = 1
    at: int = 0

    def __post_init__(self) -> None:
        _check("outcome", self.outcome, OUTCOMES)
        _check("reason", self.reason, REASONS)
        _check("hinted", [self.hinted], ("", "yes", "no"))
        _check("kept", [self.kept], ("", "yes", "no"))
        _check("label", [self.label], ("", *LABELS))
        _check("change", [self.change], ("", *CHANGES))
        _check("choice", [self.choice], ("", *CHOICES))
        _check("sort", [self.sort], SORTS)
        for name, least in (("page", 1), ("at", 0)):
            if getattr(self, name) < least:
                raise StarError(f"{name}={getattr(self, name)} is less than {least}")
        for group in self.group:
            if "=" not in group:
                raise StarError(f"group={group!r} is no NAME=VALUE", hint="for example group=digits=3")

    @classmethod
    def of(cls, items: Iterable[tuple[str, str]]) -> SampleQuery:
        """The query of a URL's parameters; an unknown name or value is a StarError."""
        kinds = get_type_hints(cls)
        values: dict[str, Any] = {}
        for name, text in items:
            if name not in kinds:
                raise unknown("filter", name, kinds)
            if text == "":  # a form sends its empty fields, too
                continue
            if kinds[name] == tuple[str, ...]:
                values[name] = (*values.get(name, ()), *([text] if text not in values.get(name, ()) else []))
            elif kinds[name] is bool:
                values[name] = text not in ("0", "no", "false")
            elif kinds[name] is str:
                values[name] = text
            else:
                values[name] = _number(name, text)
        return cls(**values)

    def but(self, **changes: Any) -> SampleQuery:
        """The query with some fields changed; on its first page unless ``page`` or ``at`` is among them."""
        return dataclasses.replace(self, **{"page": 1, "at": 0, **changes})

    def url(self) -> str:
        """The parameters of a URL, without what is as it is by itself; "" where nothing is set."""
        items: list[tuple[str, str]] = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if isinstance(value, tuple):
                items += [(field.name, one) for one in value]
            else:
                items.append((field.name, "1" if value is True else str(value)))
        return urlencode(items)

    @property
    def active(self) -> list[tuple[str, str, SampleQuery]]:
        """(name, value, the query without it) of every filter that is set."""
        without_change = {"versus": {"change": ""}, "change": {}}
        parts: list[tuple[str, str, SampleQuery]] = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("sort", "desc", "page", "at", "versus") or value == field.default:
                continue
            if isinstance(value, tuple):
                for one in value:
                    rest = tuple(other for other in value if other != one)
                    parts.append((field.name, one, self.but(**{field.name: rest})))
            else:
                gone = {field.name: field.default, **without_change.get(field.name, {})}
                parts.append((field.name, "yes" if value is True else str(value), self.but(**gone)))
        return parts


def _check(name: str, values: Iterable[str], choices: Iterable[str]) -> None:
    for value in values:
        if value not in choices:
            raise unknown(name, value, [c for c in choices if c])


def _number(name: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise StarError(f"{name}={text!r} is no whole number") from None
    if abs(number) > 1 << 40:
        raise StarError(f"{name}={text!r} is too large")
    return number
