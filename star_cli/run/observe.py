"""Whoever watches a run: the terminal, a tracker, nobody, or several at once."""

from __future__ import annotations

from typing import Any, Protocol

from star_cli.core.parts import Meter
from star_cli.store.ledger import Event


class NoMeter:
    """A meter that shows nothing."""

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        return None

    def close(self) -> None:
        return None


class Silent:
    """The observer that sees nothing; the base of the others."""

    def meter(self, what: str, total: int) -> Meter:
        return NoMeter()

    def say(self, text: str) -> None:
        return None

    def stage_started(self, round: int, name: str, key: str) -> None:
        return None

    def stage_done(self, event: Event) -> None:
        return None

    def engine_starts(self, name: str) -> None:
        return None


class Several:
    """Several observers as one; the first one's meter is used."""

    def __init__(self, *observers: Any) -> None:
        self.observers = observers

    def meter(self, what: str, total: int) -> Meter:
        meter: Meter = self.observers[0].meter(what, total)
        return meter

    def say(self, text: str) -> None:
        for o in self.observers:
            o.say(text)

    def stage_started(self, round: int, name: str, key: str) -> None:
        for o in self.observers:
            o.stage_started(round, name, key)

    def stage_done(self, event: Event) -> None:
        for o in self.observers:
            o.stage_done(event)

    def engine_starts(self, name: str) -> None:
        for o in self.observers:
            o.engine_starts(name)


class Observer(Protocol):
    """Whoever watches a run: the terminal, wandb, nobody."""

    def meter(self, what: str, total: int) -> Meter: ...
    def say(self, text: str) -> None: ...
    def stage_started(self, round: int, name: str, key: str) -> None: ...
    def stage_done(self, event: Event) -> None: ...
    def engine_starts(self, name: str) -> None: ...
