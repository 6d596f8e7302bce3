"""A clock that ends a piece of work in this process: CPU seconds, in the main thread of a Unix system."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

TICK = 0.25  # CPU seconds between two looks at the deadline
_deadline: float | None = None  # CPU time of this process at which the work under way is overdue
_ticks = False


class Overdue(BaseException):
    """The time is up. No ``except Exception`` of a library holds it back."""


class limited:
    """A block that raises Overdue inside once it has taken ``seconds`` of this process's CPU time.

    A limit around this one stays in force alone. In other threads nothing is limited. Many short blocks are cheaper
    inside ``ticking``.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.armed, self.set = seconds, False, False

    def __enter__(self) -> None:
        global _deadline
        if _deadline is None and threading.current_thread() is threading.main_thread():
            self.armed, self.set = _arm(), True
            _deadline = time.process_time() + self.seconds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _deadline
        if self.set:
            _deadline = None
            if self.armed:
                _disarm()


@contextmanager
def ticking() -> Iterator[None]:
    """Keep the clock running over many limited blocks."""
    armed = threading.current_thread() is threading.main_thread() and _arm()
    try:
        yield
    finally:
        if armed:
            _disarm()


def _arm() -> bool:
    """Start the ticks; False where they run already."""
    global _ticks
    if _ticks:
        return False
    _ticks = True
    signal.signal(signal.SIGVTALRM, _look)
    signal.setitimer(signal.ITIMER_VIRTUAL, TICK, TICK)
    return True


def _disarm() -> None:
    global _ticks
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, signal.SIG_IGN)
    _ticks = False


def _look(number: int, frame: FrameType | None) -> None:
    if _deadline is not None and time.process_time() > _deadline:
        raise Overdue
