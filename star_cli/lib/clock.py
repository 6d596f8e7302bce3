"""A clock that ends a piece of work in this process: CPU seconds, in the main thread of a Unix system."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Overdue(BaseException):
    """The time is up. No ``except Exception`` of a library holds it back."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Overdue inside the block once it has taken ``seconds`` of this process's CPU time.

    A clock that runs already (of a block around this one) stays in force. Other threads have no clock.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_VIRTUAL)[0]:
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _ring(number: int, frame: FrameType | None) -> None:
    raise Overdue
