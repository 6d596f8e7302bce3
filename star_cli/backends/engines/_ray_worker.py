"""What one actor of engine=ray does: it holds a session of another engine and takes and gives in small portions.

Nothing here imports Ray: the class is made an actor by its caller, and can be tried by itself.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from star_cli.backends.canary import distance, stale
from star_cli.backends.mkl import use_all_kernels
from star_cli.core.parts import Completion, Engine, ModelRef, Prompt, Request, Session
from star_cli.core.registry import part_of
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError

PORTION = 32  # requests first handed to an actor at once: few enough that a short stage is shared evenly
MOST = 256  # and later, doubled each time: a long stage is not held up by many small messages
ABSENT = "the weights are not on this machine"
Files = dict[str, bytes] | None  # the content of a model's directory, by name


@dataclass
class Answer:
    """What an actor says after a portion: finished completions, and how many more requests it wants.

    ``error`` is (what, hint) of a StarError; with ``died`` its engine is of no use any more.
    """

    completions: list[Completion] = field(default_factory=list)
    wants: int = 0
    error: tuple[str, str | None] | None = None
    died: bool = False


class Worker:
    """One actor. ``engine`` is the name of the engine it holds and its settings; ``threads`` what OMP_NUM_THREADS is in
    the process of the run, for equal sums.
    """

    def __init__(self, engine: dict[str, Any], threads: str | None) -> None:
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray sets it
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads
        self.engine: Engine = part_of("engine", engine, "engine.of")
        self.session: Session | None = None
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self._changed = threading.Condition()
        self._inbox: deque[Request] = deque()
        self._outbox: list[Completion] = []
        self._failure: Exception | None = None
        self._last = self._stopping = False
        self._portion = PORTION
        self._thread: threading.Thread | None = None

    def place(self) -> tuple[str, int]:
        """(machine, process id)."""
        return socket.gethostname(), os.getpid()

    # ---- weights --------------------------------------------------------------------------------------------------
    def open(
        self, model: ModelRef, runtime: Runtime, number: int, sizes: dict[str, int], files: Files = None
    ) -> str | None:
        """Start the session with these weights, unless it has them; why it cannot be trusted, or None.

        ABSENT where the model's directory is not on this machine with files of these ``sizes``; with ``files`` it is
        written here.
        """
        if self.session is not None and self.session.model.key == model.key:
            return None
        local = self._local(model, sizes, files)
        if local is None:
            return ABSENT
        self.close()
        use_all_kernels()
        self.session = self.engine.open(local, _runtime_here(runtime, number))
        off = distance(local, self._canary(local))
        return f"its canary is {off:.3f} nats a token from the trainer's" if off > 1.0 else None

    def swap(self, model: ModelRef, sizes: dict[str, int], files: Files = None) -> str | None:
        """Put other weights into the living session; why that failed (ABSENT as in ``open``), or None once proved."""
        session = self._living()
        if session.model.key == model.key:
            return None
        local = self._local(model, sizes, files)
        if local is None:
            return ABSENT
        before = self._canary(local)
        if not session.swap(local):
            return "it takes no weights of this form while it lives"
        return stale(local, before, self._canary(local))

    def _canary(self, model: ModelRef) -> list[float]:
        return self._living().score([(model.shown(c), c["completion"]) for c in model.canary]) if model.canary else []

    def _local(self, model: ModelRef, sizes: dict[str, int], files: Files) -> ModelRef | None:
        """The model as a directory of this machine; None where it is not here and no files came with it."""
        if files is None:
            return model if not sizes or file_sizes(model.path) == sizes else None
        self._copies = tempfile.TemporaryDirectory(prefix="star-weights-")
        for name, content in files.items():
            path = Path(self._copies.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return replace(model, path=self._copies.name)

    # ---- writing --------------------------------------------------------------------------------------------------
    def exchange(self, requests: Sequence[Request], last: bool) -> Answer:
        """Take requests (``last``: no more will come), give what is finished; waits until there is something to say."""
        with self._changed:
            self._inbox.extend(requests)
            self._last = last
            if self._inbox and not self._writing():
                self._portion = PORTION
                self._thread = threading.Thread(target=self._write, name="star-writes", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            self._changed.wait_for(self._has_news)
            done, self._outbox = self._outbox, []
            failure, self._failure = self._failure, None
        if isinstance(failure, EngineDied):  # what it was to write is asked of others; this one is opened anew
            self._inbox.clear()
            self.close()
        wants = 0 if last else max(0, self._portion - len(self._inbox))
        if wants:
            self._portion = min(MOST, 2 * self._portion)
        if failure is None:
            return Answer(done, wants)
        if not isinstance(failure, StarError):
            raise failure
        return Answer(done, 0, (failure.what, failure.hint), isinstance(failure, EngineDied))

    def stop(self) -> None:
        """Give up what is being written: the run has no more use for it."""
        with self._changed:
            self._inbox.clear()
            self._stopping = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()
        self._outbox, self._failure, self._stopping = [], None, False

    def _has_news(self) -> bool:
        hungry = not self._last and 2 * len(self._inbox) < self._portion  # before its engine has to wait
        return bool(self._outbox or self._failure or hungry or not self._writing())

    def _writing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _write(self) -> None:
        try:
            while self._inbox and not self._stopping:
                stream = self._living().stream(self._requests())
                for completion in stream:
                    with self._changed:
                        if self._stopping:
                            break
                        self._outbox.append(completion)
                        self._changed.notify_all()
                close = getattr(stream, "close", None)
                if close:
                    close()
        except Exception as e:
            self._failure = e
        finally:
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _requests(self) -> Iterator[Request]:
        """The inbox, waited for while more may come."""
        while True:
            with self._changed:
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._inbox or self._last or self._stopping)
                if self._stopping or not self._inbox:
                    return
                request = self._inbox.popleft()
            yield request

    # ---- the rest of a session ------------------------------------------------------------------------------------
    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """As ``Session.score``."""
        return self._living().score(items)

    def sleep(self) -> None:
        """As ``Session.sleep``."""
        self._living().sleep()

    def wake(self) -> None:
        """As ``Session.wake``."""
        self._living().wake()

    def close(self) -> None:
        """End the session; the actor lives on."""
        session, self.session = self.session, None
        if session:
            session.close()

    def _living(self) -> Session:
        if self.session is None:
            raise EngineDied("this actor was started anew and has no weights yet", hint="it must be opened first")
        return self.session


def _runtime_here(runtime: Runtime, number: int) -> Runtime:
    """The runtime with a log of this actor's own, beside the run's where that place exists on this machine."""
    if runtime.engine_log is None or not Path(runtime.engine_log).parent.is_dir():
        return replace(runtime, engine_log=None)
    return replace(runtime, engine_log=f"{runtime.engine_log}.actor-{number}")


def file_sizes(path: str) -> dict[str, int]:
    """Name and size of every file below a directory; empty where there is none."""
    here = Path(path)
    return {str(p.relative_to(here)): p.stat().st_size for p in sorted(here.rglob("*")) if p.is_file()}
