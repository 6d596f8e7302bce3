"""Worker processes for graders that can hang or explode: a hard wall limit per item, order and ids kept.

Each worker is a fresh interpreter (``python -m star_cli.stages.grading.pool``) driven by one thread. Items go to it in
small batches, its verdicts come back one by one; the item whose verdict is overdue is a TIMEOUT, the one at which it
died a GRADER_ERROR. Either way the worker is replaced, and the rest of its batch is judged by the new one.
"""

from __future__ import annotations

import os
import pickle
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import IO, Any, TypeVar

import msgspec

from star_cli.core import preemption
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.lib.clock import Overdue, limited

BATCH = 8  # items a worker is given at once
START = 120.0  # seconds a worker may take to load its grader
MEMORY = 4 << 30  # bytes of address space of a worker
LONGEST = 1_000_000  # characters of a text that is judged
UNREAD = "not read: the text has "
T = TypeVar("T", bound=tuple[Any, ...])
_verdict = msgspec.json.Decoder(Verdict)


def graded(
    grader: Grader,
    items: Iterable[tuple[Problem, Rationale]],
    workers: int = 0,
    memory: int = MEMORY,
    known: Callable[[Problem, Rationale], Verdict | None] = lambda problem, rationale: None,
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Every item with its verdict, in order. At most a few batches a worker are held in memory; 0 workers: all cores.

    What ``known`` has a verdict on is not judged again.
    """
    pool = Pool(grader, workers, memory)
    room = 4 * BATCH * pool.count
    waiting: deque[Job] = deque()
    batch: list[Job] = []
    size = 1  # the first items show how long one takes
    try:
        for problem, rationale in items:
            job = Job(problem, rationale)
            waiting.append(job)
            verdict = known(problem, rationale)
            if verdict is not None:
                job.settle(verdict)
            else:
                batch.append(job)
            if len(batch) >= size:
                pool.put(batch)
                batch, size = [], min(BATCH, size + 1)
            while waiting and (waiting[0].done.is_set() or len(waiting) >= room):
                if batch and not waiting[0].done.is_set():
                    pool.put(batch)
                    batch = []
                yield waiting.popleft().result()
        if batch:
            pool.put(batch)
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.close()


class Pool:
    """Workers that judge with one grader; each starts with its first batch. ``nice`` is how far they stand back."""

    def __init__(self, grader: Grader, workers: int = 0, memory: int = MEMORY, nice: int = 0) -> None:
        self.count = workers or os.cpu_count() or 1
        self._todo: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._drivers = [_Driver(grader, self._todo, self._stop, memory, nice) for _ in range(self.count)]

    def put(self, batch: list[Job]) -> None:
        """Hand jobs to the next free worker; it settles them one by one."""
        self._todo.put(batch)

    def close(self) -> None:
        """End the workers at once, whatever they are at; jobs that are not settled stay so."""
        self._stop.set()
        for _ in self._drivers:
            self._todo.put(None)
        for driver in self._drivers:
            driver.end()


class Job:
    """One item and, once it is there, its verdict or what went wrong in the pool; then ``settled`` is called."""

    def __init__(
        self, problem: Problem, rationale: Rationale, settled: Callable[[Job], None] = lambda job: None
    ) -> None:
        self.problem, self.rationale, self.settled = problem, rationale, settled
        self.verdict: Verdict | None = None
        self.fault: Exception | None = None
        self.done = threading.Event()

    def settle(self, verdict: Verdict | None, fault: Exception | None = None) -> None:
        self.verdict, self.fault = verdict, fault
        self.settled(self)
        self.done.set()

    def fail(self, reason: str, answer: str) -> None:
        self.settle(
            Verdict(
                problem_id=self.problem.id, sample=self.rationale.sample, correct=False, answer=answer, reason=reason
            )
        )

    def result(self) -> tuple[Problem, Rationale, Verdict]:
        self.done.wait()
        if self.fault is not None:
            raise self.fault
        assert self.verdict is not None
        return self.problem, self.rationale, self.verdict


class _Driver(threading.Thread):
    """One worker process and the thread that feeds it."""

    def __init__(self, grader: Grader, todo: Any, stop: threading.Event, memory: int, nice: int) -> None:
        super().__init__(daemon=True)
        self.grader, self.todo, self.stop, self.memory, self.nice = grader, todo, stop, memory, nice
        self.wall = grader.wall
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def run(self) -> None:
        while True:
            batch = self.todo.get()
            if batch is None or self.stop.is_set():
                self.kill()
                return
            try:
                self.work(batch)
            except Exception as e:
                self.kill()  # what it still answers belongs to this batch
                for job in batch:
                    if not job.done.is_set():
                        job.settle(None, e)

    def work(self, batch: list[Job]) -> None:
        left = deque(batch)
        while left and not self.stop.is_set():
            worker = self.process or self.launch()
            if self.stop.is_set():
                break
            assert worker.stdin and worker.stdout
            try:
                send(worker.stdin, pickle.dumps([(j.problem, j.rationale) for j in left]))
                while left:
                    answer = receive(worker.stdout, time.monotonic() + self.wall)
                    left.popleft().settle(_verdict.decode(answer))
            except TimeoutError:
                self.kill()
                left.popleft().fail("TIMEOUT", f"no verdict within {self.wall:g} s")
            except (EOFError, BrokenPipeError):
                left.popleft().fail("GRADER_ERROR", f"the grader's process died{self.kill()}")

    def launch(self) -> subprocess.Popen[bytes]:
        """A worker that has loaded its grader."""
        quiet = {k: v for k, v in os.environ.items() if not k.startswith(("STAR_", "WANDB"))}
        self.process = worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "star_cli.stages.grading.pool"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**quiet, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert worker.stdin and worker.stdout and worker.stderr
        try:
            send(worker.stdin, pickle.dumps((sys.path, self.grader, self.memory, self.nice)))
            receive(worker.stdout, time.monotonic() + START)
        except (EOFError, BrokenPipeError, TimeoutError):
            with worker.stderr:
                lines = worker.stderr.read().decode("utf-8", "replace").strip().splitlines() if self.kill() else []
            raise StarError(
                f"a grading process did not start: {lines[-1] if lines else 'no message'}",
                hint="star grade with one line shows whether the grader works here",
            ) from None
        threading.Thread(target=_drain, args=(worker.stderr,), daemon=True).start()
        return worker

    def kill(self) -> str:
        """End the worker and everything it started; how it died, for messages."""
        worker, self.process = self.process, None
        if worker is None:
            return ""
        assert worker.stdout
        try:
            code: int | None = worker.wait(
                0.5 if select.select([worker.stdout], [], [], 0)[0] else 0
            )  # its pipe is closed: it is ending
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(worker.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            try:
                if pipe:
                    pipe.close()
            except BrokenPipeError:
                pass
        return "" if code is None else f" by signal {-code}" if code < 0 else f" with exit code {code}"

    def end(self) -> None:
        """Called by the pool when it is done or given up."""
        worker = self.process
        if worker is not None and self.is_alive():
            try:
                os.killpg(worker.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.join()


def send(pipe: IO[bytes], body: bytes) -> None:
    """Write one frame."""
    pipe.write(struct.pack("<Q", len(body)) + body)
    pipe.flush()


def receive(pipe: IO[bytes], deadline: float | None = None) -> bytes:
    """Read one frame. Raises TimeoutError after ``deadline`` (monotonic seconds) and EOFError at the end."""
    head = _exactly(pipe, 8, deadline)
    return _exactly(pipe, struct.unpack("<Q", head)[0], deadline)


def _exactly(pipe: IO[bytes], size: int, deadline: float | None) -> bytes:
    content = bytearray()
    number = pipe.fileno()
    while len(content) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([number], [], [], left)[0]:
                raise TimeoutError
        piece = os.read(number, min(size - len(content), 1 << 20))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)


def _drain(pipe: IO[bytes]) -> None:
    with pipe:
        while pipe.read(1 << 16):
            pass
    pipe.close()


def main() -> None:
    """A worker: load the grader, then answer batches until the pipe closes. Whatever is printed goes to stderr."""
    import ctypes
    import resource

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not even a hanging worker outlives its parent
    for number in preemption.SIGNALS:  # a scheduler signals every process of a job: the run itself ends this one
        signal.signal(number, lambda *_: None)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.path[:], grader, memory, nice = pickle.loads(receive(source))
    os.nice(nice)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    send(answers, b"ready")
    encode = msgspec.json.Encoder().encode
    while True:
        try:
            batch = pickle.loads(receive(source))
        except EOFError:
            return
        for problem, rationale in batch:
            try:
                verdict = judge(grader, problem, rationale)
            except StarError as e:
                verdict = _failed(problem, rationale, str(e))
            send(answers, encode(verdict))


def judge(grader: Grader, problem: Problem, rationale: Rationale) -> Verdict:
    """The grader's verdict; a grader that raises is a GRADER_ERROR, and says so.

    A text above LONGEST characters is not read: NO_ANSWER. A grader that judges in this process has ``wall`` CPU
    seconds, then it is a TIMEOUT; one in a worker process is killed by the pool.
    """
    if len(rationale.text) > LONGEST:
        return _without(
            problem, rationale, "NO_ANSWER", f"{UNREAD}{len(rationale.text):,} characters, more than {LONGEST:,}"
        )
    try:
        with nullcontext() if grader.isolated else limited(grader.wall):
            return grader.grade(problem, rationale)
    except Overdue:
        return _without(problem, rationale, "TIMEOUT", f"no verdict within {grader.wall:g} s")
    except StarError:
        raise
    except Exception as e:
        return _failed(problem, rationale, f"{type(e).__name__}: {e}"[:300])


def _failed(problem: Problem, rationale: Rationale, why: str) -> Verdict:
    return _without(problem, rationale, "GRADER_ERROR", why)


def _without(problem: Problem, rationale: Rationale, reason: str, why: str) -> Verdict:
    """A verdict that no grader gave."""
    return Verdict(problem_id=problem.id, sample=rationale.sample, correct=False, answer=why, reason=reason)


if __name__ == "__main__":
    main()
