"""The terminal during a run: bars with ETA where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from star_cli.core.parts import Meter
from star_cli.report.columns import WIDE
from star_cli.run.observe import NoMeter, Outlook, Silent
from star_cli.stages.base import stage_class
from star_cli.store.ledger import Event

INTERVAL = 10.0  # seconds between plain progress lines


def console() -> Console:
    """The console everything is printed to; without a terminal lines are not folded."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal cannot show must not end a run
    out = Lasting(highlight=False, soft_wrap=True)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = WIDE  # rich would take 80, and leave out the first columns of wider tables
    return out


class Lasting(Console):
    """A console whose reader may go away (``star run | head``): what is printed from then on is lost, nothing else."""

    def on_broken_pipe(self) -> None:
        """Let everything that is written to standard output from now on vanish."""
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Terminal(Silent):
    """The observer that prints. ``mode``: bar, plain, none or auto (bar on a terminal, else plain)."""

    def __init__(self, mode: str = "auto", out: Console | None = None) -> None:
        self.out = out or console()
        self.mode = ("bar" if self.out.is_terminal else "plain") if mode == "auto" else mode
        self.place = ""  # the stage that is being looked up or built
        self.outlook: Outlook | None = None
        self.done: set[str] = set()

    def planned(self, outlook: Outlook) -> None:
        self.outlook = outlook
        if self.mode != "none":
            self.out.print(f"[dim]{_plain(foretold(outlook))}[/]")

    def _count(self, place: str) -> str:
        """How many stages are done, of how many: " 3/22"."""
        if self.outlook is None:
            return ""
        total = len({*self.outlook.places, *self.done, place})
        return f"{len(self.done | {place}):>{len(str(total))}}/{total}{'+' if self.outlook.open_end else ''}"

    def _after(self) -> float | None:
        """Seconds of the stages behind the one under way, where they are known."""
        if self.outlook is None or self.outlook.unknown or self.outlook.open_end:
            return None
        return self.outlook.remaining(self.done | {self.place})

    def meter(self, what: str, total: int) -> Meter:
        if self.mode == "none":
            return NoMeter()
        meter = Bar if self.mode == "bar" else Lines
        return meter(self.out, f"{self._count(self.place)} {self.place or what}".strip(), total, self._after())

    def say(self, text: str) -> None:
        if self.mode == "none":  # a script may be reading standard output
            print(text, file=sys.stderr, flush=True)
            return
        self.out.print(f"[yellow]{_plain(text)}[/]")

    def engine_starts(self, name: str, seconds: float | None) -> None:
        if self.mode != "none":
            about = f" (about {spoken(seconds)})" if seconds and seconds >= 1 else ""
            self.out.print(f"  [dim]{self.place}: starting the engine {_plain(name)}{about}[/]")

    def stage_started(self, round: int, name: str, key: str) -> None:
        self.place = f"round-{round}/{name}"

    def stage_done(self, event: Event) -> None:
        self.done.add(event.place)
        if self.mode == "none":
            return
        seconds = "found" if event.hit else f"{event.seconds:5.1f} s"
        count = f"{number} " if (number := self._count(event.place)) else ""
        self.out.print(
            f"  [dim]{count}round-{event.round}/[/]{event.name:<20} [dim]{event.key[:10]}[/]  {seconds:<8} "
            f"[dim]{_plain(outline(event))}[/]"
        )


class Bar:
    """A rich progress bar with ETA, tokens/s and running accuracy."""

    def __init__(self, out: Console, what: str, total: int, after: float | None = None) -> None:
        self._after, self._total = after, total
        self._progress = Progress(
            TextColumn("  {task.description:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=out,
            transient=True,
        )
        self._task = self._progress.add_task(what, total=total or None, note="")
        self._rates = Rates()
        self._progress.start()

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        self._rates.add(n, tokens, right, loss)
        note = str(self._rates)
        left = self._progress.tasks[0].time_remaining
        if self._after is not None and left is not None:
            note = f"run {spoken(left + self._after)}  {note}"
        self._progress.update(self._task, advance=n, note=note)

    def close(self) -> None:
        self._progress.stop()


class Lines:
    """A line now and then, for logs."""

    def __init__(self, out: Console, what: str, total: int, after: float | None = None) -> None:
        self.out, self.what, self.total, self.done, self.after = out, what, total, 0, after
        self.rates, self.started, self.last = Rates(), time.monotonic(), time.monotonic()

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        self.done += n
        self.rates.add(n, tokens, right, loss)
        now = time.monotonic()
        if now - self.last >= INTERVAL:
            self.last = now
            remaining = (self.total - self.done) * (now - self.started) / self.done if self.total and self.done else 0
            of = f"/{self.total}" if self.total else ""
            eta = f", eta {remaining:.0f} s" if self.total else ""
            eta += f", run {spoken(remaining + self.after)}" if self.total and self.after is not None else ""
            self.out.print(f"  {self.what}: {self.done}{of}{eta} {self.rates}")
            sys.stdout.flush()

    def close(self) -> None:
        return None


class Rates:
    """tokens/s, running accuracy and loss, as far as they are known."""

    def __init__(self) -> None:
        self.started, self.tokens, self.judged, self.right = time.monotonic(), 0, 0, 0
        self.loss: float | None = None

    def add(self, n: int, tokens: int, right: int | None, loss: float | None) -> None:
        self.tokens += tokens
        if right is not None:
            self.judged += n
            self.right += int(right)
        if loss is not None:
            self.loss = loss

    def __str__(self) -> str:
        parts = []
        if self.tokens:
            parts.append(f"{self.tokens / max(time.monotonic() - self.started, 1e-3):,.0f} tokens/s")
        if self.judged:
            parts.append(f"right {self.right / self.judged:.3f}")
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4f}")
        return "  ".join(parts)


def foretold(outlook: Outlook) -> str:
    """What lies before a run, in a line: "22 stages, 9 of them there; at most 3 min at this machine's own speeds"."""
    there = len(outlook.places) - len(outlook.seconds)
    more = " and more that depend on what is found" if outlook.open_end else ""
    text = f"{len(outlook.places)} stages{more}, {there} of them there"
    seconds = outlook.remaining(set())
    if not outlook.seconds:
        return text
    if outlook.unknown:
        known = f"; {spoken(seconds)} for those whose speed is known" if seconds >= 1 else ""
        return f"{text}{known}; how long the others take this machine has not measured yet"
    return f"{text}; at most {spoken(seconds)} at this machine's own speeds"


def spoken(seconds: float) -> str:
    """A duration in the unit that fits: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def outline(event: Event) -> str:
    """The few numbers of a stage that matter, for its line; nothing where its metrics are others than it writes now."""
    try:
        return stage_class(event.stage).summary(event.metrics)
    except (LookupError, TypeError, ValueError, AttributeError):
        return ""


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
