"""The one error a user meets: a sentence that names the value, what was expected and the next step."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import (
    TYPE_CHECKING,
)

if TYPE_CHECKING:
    pass


class StarError(Exception):
    """Something the user can mend. ``what`` names the value and the expectation, ``hint`` the next step."""

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  next: {self.hint}" if self.hint else self.what


class EngineDied(StarError):
    """The engine stopped answering. Samples that were already yielded are safe; the caller may open a new one."""


class Preempted(KeyboardInterrupt):
    """A scheduler asked the process to end (the name of its signal). The same command goes on afterwards."""


class NotBuilt(StarError):
    """A plan asked for the content of an artifact that has not been built yet."""


def unknown(kind: str, value: str, choices: Iterable[str], hint: str | None = None) -> StarError:
    """A StarError for a name that does not exist, with all the choices and the nearest one."""
    names = sorted(choices)
    near = get_close_matches(value, names, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return StarError(f"unknown {kind} {value!r}.{guess} Choices: {', '.join(names) or '(none)'}", hint=hint)


def need(condition: bool, what: str, hint: str | None = None) -> None:
    """Raise a StarError unless a setting makes sense."""
    if not condition:
        raise StarError(what, hint=hint)
