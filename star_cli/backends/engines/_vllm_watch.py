"""A watch over an engine in processes of its own: gone, stopped or stuck, it must not hold up the run for ever.

vLLM's own client waits without a limit: for a token of an engine that was killed in mid-generation, for the answer of
one that was stopped, for the start of one that is stuck.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

TICK = 0.25  # seconds between two looks
NAME = "EngineCore"  # what vLLM calls the process of an engine


class Watch:
    """Waits beside every call into the engine, and ends what is left of an engine that does not answer it.

    ``patience`` is in seconds (0: for ever). Only this process's own ticks count, so that a laptop's sleep or Ctrl-Z
    is nobody's silence. ``reason`` says why the engine was ended, None while it lives. An engine that lives in this
    process has nothing to watch.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.reason: str | None = None
        self._core: Any = None  # vLLM's client of the engine
        self._engines: list[Any] = []  # multiprocessing's processes
        self._family: set[Any] = set()  # psutil's, of the engines and their workers
        self._waiting, self._tokens = True, False  # for its start
        self._work, self._ticks = 0.0, 0  # processor seconds used up to the last sign of life; looks since then
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="engine-watch")
        self._thread.start()

    def started(self, core: Any) -> None:
        """Say that the engine has started; ``core`` is vLLM's client of it."""
        self._waiting, self._core = False, core
        self._look()
        if not self._engines:
            self._closed.set()

    @contextmanager
    def call(self, tokens: bool = False) -> Iterator[None]:
        """Around a call that waits for the engine.

        What shows that it works is a token where it writes ``tokens``, else that its processes use the processor.
        """
        self._ticks, self._tokens, self._waiting = 0, tokens, True
        try:
            yield
        finally:
            self._waiting = False

    def end(self) -> None:
        """Stop watching, and kill what is left of the engine."""
        self._closed.set()
        self._thread.join()
        self._look()
        self._kill()

    def killed(self) -> str | None:
        """Why the engine's process ended, where that was from outside: this watch, the kernel, somebody."""
        ends = [p.exitcode for p in self._engines if (p.exitcode or 0) < 0]
        return self.reason or (f"its process was ended by signal {-ends[0]}" if ends else None)

    def _run(self) -> None:
        while not self._closed.wait(TICK):
            if self._core is None:
                self._look()
            if not self._waiting:
                continue
            if self._core is not None and any(p.exitcode is not None for p in self._engines):
                self._strike(self.killed() or "its process is gone")
            elif not self._tokens and self._works():
                self._ticks = 0
            else:
                self._ticks += 1
                if self.patience and self._ticks * TICK > self.patience:
                    self._strike(f"{self.patience:g} s without {'a token' if self._tokens else 'a sign of life'}")

    def _look(self) -> None:
        """Take note of the engine's processes."""
        import psutil

        if self._core is None or not self._engines:
            living = (p for p in multiprocessing.active_children() if p.name.startswith(NAME))
            self._engines += [p for p in living if p not in self._engines]
        for engine in self._engines:
            with suppress(psutil.Error):
                process = psutil.Process(engine.pid)
                self._family |= {process, *process.children(recursive=True)}

    def _works(self) -> bool:
        """Whether the engine's processes used the processor since the last sign of life, or are yet to be started.

        Threads that only look around now and then use some, too: what counts is 0.1 s and a hundredth of the time.
        """
        import psutil

        used = 0.0
        for process in self._family:
            with suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        if self._family and used - self._work < 0.1 + 0.01 * self._ticks * TICK:
            return False
        self._work = used
        return True

    def _strike(self, reason: str) -> None:
        """End the engine and wake whoever waits for it."""
        from vllm.v1.engine.exceptions import EngineDeadError

        self.reason = reason
        self._closed.set()
        self._look()
        self._kill()
        if self._core is None:
            return  # vLLM's start looks at its processes itself
        self._core.resources.engine_dead = True
        for answer in list(self._core.utility_results.values()):
            if not answer.done():
                answer.set_exception(EngineDeadError())
        self._core.outputs_queue.put(EngineDeadError())

    def _kill(self) -> None:
        import psutil

        for process in self._family:
            with suppress(psutil.Error):
                process.kill()  # psutil looks that the number is still that process's
        for engine in self._engines:
            engine.join(5)
