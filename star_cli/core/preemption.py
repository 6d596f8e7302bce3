"""Ending in time when a scheduler asks for it: SIGTERM and SIGUSR1 stop a run at the next moment that loses nothing.

A training first finishes its step and writes a checkpoint. What does not end within the grace is ended: all that a run
writes survives that, too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from star_cli.errors import Preempted

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: run it again


@dataclass
class State:
    """Which signal came, how long everything may take after it, and whether a training is to finish its step first."""

    signal: str | None = None
    grace: float = 60.0
    finishing: bool = False


state = State()


@contextmanager
def heeded() -> Iterator[None]:
    """Heed both signals in this block, unless somebody else does already (submitit has handlers of its own)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    free = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    alarm = signal.getsignal(signal.SIGALRM)
    for number in free:
        signal.signal(number, _on_signal)
    if free and alarm is signal.SIG_DFL:
        signal.signal(signal.SIGALRM, _stop)
    try:
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)
        if free and alarm is signal.SIG_DFL:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)


def is_asked() -> bool:
    """Whether this process was asked to end."""
    return state.signal is not None


def stop_if_asked() -> None:
    """Raise Preempted where this process was asked to end: called between two pieces of work."""
    if state.signal:
        raise Preempted(state.signal)


@contextmanager
def finishing_steps() -> Iterator[None]:
    """Let a training in this block see the signal itself (``is_asked``) for half of the grace."""
    before, state.finishing = state.finishing, True
    try:
        yield
    finally:
        state.finishing = before


def _on_signal(number: int, frame: FrameType | None) -> None:
    if state.signal:
        return
    state.signal = signal.Signals(number).name
    last = threading.Timer(state.grace, _leave)
    last.daemon = True
    last.start()
    if state.finishing:
        signal.setitimer(signal.ITIMER_REAL, state.grace / 2)
    else:
        raise Preempted(state.signal)


def _stop(number: int, frame: FrameType | None) -> None:
    stop_if_asked()


def _leave() -> None:
    print(f"\nstar: still busy {state.grace:g} s after {state.signal}; leaving at once", file=sys.stderr, flush=True)
    os._exit(EXIT_CODE)
