"""Whoever watches a run: the terminal, a tracker, nobody, or several at once; and what is shown of runs, handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from star_cli.core.parts import Meter
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Event
from star_cli.store.runs import Run


@dataclass(frozen=True)
class Outlook:
    """What lies before a run: the ``places`` (round-1/filter) of its stages in order, and of those that must be built
    the ``seconds`` they take at most by what such work took before. ``unknown``: of some that is not known yet;
    ``open_end``: more stages follow, which depend on what is found.
    """

    places: list[str]
    seconds: dict[str, float]
    unknown: bool = False
    open_end: bool = False

    def remaining(self, done: set[str]) -> float:
        """Seconds of the stages that are not done."""
        return sum(seconds for place, seconds in self.seconds.items() if place not in done)


class Observer(Protocol):
    """Whoever watches a run: the terminal, a tracker, nobody."""

    def planned(self, outlook: Outlook) -> None:
        """What lies before the run is known."""

    def meter(self, what: str, total: int) -> Meter:
        """A progress display of ``total`` items (0: unknown)."""

    def say(self, text: str) -> None:
        """A sentence for the user, while work goes on."""

    def stage_started(self, round: int, name: str, key: str) -> None:
        """A stage is looked up, and built where it is missing."""

    def stage_done(self, event: Event) -> None:
        """A stage was built or found."""

    def engine_starts(self, name: str, seconds: float | None) -> None:
        """An engine is being started, which takes a while: about ``seconds`` where that was measured before."""

    def finish(self, status: str) -> None:
        """The run ended: finished, failed or interrupted."""


class NoMeter:
    """A meter that shows nothing."""

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        return None

    def close(self) -> None:
        return None


class Silent:
    """The observer that sees nothing; the base of the others."""

    def planned(self, outlook: Outlook) -> None:
        return None

    def meter(self, what: str, total: int) -> Meter:
        return NoMeter()

    def say(self, text: str) -> None:
        return None

    def stage_started(self, round: int, name: str, key: str) -> None:
        return None

    def stage_done(self, event: Event) -> None:
        return None

    def engine_starts(self, name: str, seconds: float | None) -> None:
        return None

    def finish(self, status: str) -> None:
        return None


class Meters:
    """Several meters as one."""

    def __init__(self, meters: list[Meter]) -> None:
        self.meters = meters

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        for m in self.meters:
            m.step(n, tokens=tokens, right=right, loss=loss)

    def close(self) -> None:
        for m in self.meters:
            m.close()


class Several:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers

    def planned(self, outlook: Outlook) -> None:
        for o in self.observers:
            o.planned(outlook)

    def meter(self, what: str, total: int) -> Meter:
        return Meters([o.meter(what, total) for o in self.observers])

    def say(self, text: str) -> None:
        for o in self.observers:
            o.say(text)

    def stage_started(self, round: int, name: str, key: str) -> None:
        for o in self.observers:
            o.stage_started(round, name, key)

    def stage_done(self, event: Event) -> None:
        for o in self.observers:
            o.stage_done(event)

    def engine_starts(self, name: str, seconds: float | None) -> None:
        for o in self.observers:
            o.engine_starts(name, seconds)

    def finish(self, status: str) -> None:
        for o in self.observers:
            o.finish(status)


@dataclass(frozen=True)
class Display:
    """What a person sees of runs. The default shows nothing; report/display.py has the terminal's."""

    observer: Callable[[str], Observer] = lambda progress: Silent()  # for a runtime.progress
    forecast: Callable[[Any, Run], None] = lambda lab, run: None  # with forecast=true, before the first round
    finished: Callable[[Run, Observer], None] = lambda run, observer: None
    swept: Callable[[str, list[Run], Store], None] = lambda name, arms, store: None  # at the end of a sweep
