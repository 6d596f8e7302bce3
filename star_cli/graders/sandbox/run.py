"""Running untrusted programs against tests they cannot see. What it does not protect against: docs/sandbox.md.

    ``test(program, tests)``  ->  Outcome("passed" | "failed" | "timeout" | "broken", why)

The program and the judge that holds the tests are two processes, each behind namespaces, filters and limits of its own
and connected by one socket that carries plain data. Both are forked from processes that are warm (sides.py, zygote.py).
A verdict is the judge's message with a secret the program never has.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from star_cli.errors import StarError
from star_cli.graders.sandbox.sides import Lost, Side

OUTPUT = 4096  # bytes of what the program prints that are kept
LOOK = 0.05  # seconds between two looks at what the guests take
KEPT = 8  # pairs of zygotes that wait for the next program


@dataclass(frozen=True)
class Limits:
    """What one program may take. ``seconds`` of wall time, bytes of memory and disk, processes at once."""

    seconds: float = 10.0
    memory: int = 512 << 20
    disk: int = 64 << 20
    processes: int = 32


@dataclass(frozen=True)
class Outcome:
    """How a program did: ``status`` is passed, failed, timeout or broken (the sandbox itself failed)."""

    status: str
    why: str = ""
    output: str = field(default="", compare=False)


def test(
    program: str,
    tests: list[str],
    *,
    names: list[str],
    given: str = "",
    limits: Limits | None = None,
    weak: bool = False,
    mode: str | None = None,
    without: tuple[str, ...] = (),
) -> Outcome:
    """Run ``program``, then ``tests`` (asserts) on what it defined as ``names``; ``given`` is trusted code for the
    tests. ``without`` leaves layers out (landlock, seccomp, cgroup): for tests of the others.
    """
    limits = limits or Limits()
    mode = mode or best_mode(weak)
    nonce = secrets.token_hex(16)
    task = {"tests": tests, "names": names, "given": given, "nonce": nonce}
    try:
        with _lent(mode, limits, without) as pair:
            body, output, late = pair.run(program, task, limits)
    except Lost as e:
        return Outcome("broken", str(e))
    if len(body) >= 4:
        verdict = json.loads(body[4:])
        if verdict.get("nonce") != nonce:
            return Outcome("broken", "the judge's message is not its own", output)
        return Outcome("passed" if verdict["passed"] else "failed", verdict["why"], output)
    if late:
        return Outcome("timeout", "the time limit ended it", output)
    return Outcome("broken", f"the judge gave no verdict {output[-300:]}", output)


class Pair:
    """A zygote for programs and one for judges. Raises Lost where they cannot be started."""

    def __init__(self, mode: str, limits: Limits, without: tuple[str, ...] = ()) -> None:
        config = {
            "mode": mode,
            "memory": limits.memory,
            "disk": limits.disk,
            "cpu": int(limits.seconds) + 1,
            "processes": limits.processes,
            "without": without,
        }
        self.program = Side({**config, "side": "program"})
        try:
            self.judge = Side({**config, "side": "judge"})
        except Lost:
            self.program.close()
            raise
        self.sides = (self.program, self.judge)
        self.fit = True  # for another program

    def run(self, program: str, task: dict[str, Any], limits: Limits) -> tuple[bytes, str, bool]:
        """(the judge's message, what the program printed, whether time ran out) of one program. Raises Lost."""
        deadline = time.monotonic() + limits.seconds
        self.fit = False
        wires = [end.detach() for end in socket.socketpair()]
        (verdict, result), (printed, output) = os.pipe(), os.pipe()
        theirs = [*wires, result, output]
        try:
            for side, wire, content, last in (
                (self.program, wires[0], program.encode("utf-8", "surrogatepass"), output),
                (self.judge, wires[1], json.dumps(task).encode(), result),
            ):
                theirs.append(_file(content))
                side.begin([wire, theirs[-1], last])
            while theirs:
                os.close(theirs.pop())
            heard = self._listen(verdict, printed, deadline, limits)
        finally:
            for number in (*theirs, verdict, printed):
                os.close(number)
        try:
            for side in self.sides:
                side.end()
            for side in self.sides:
                side.ended()
            self.fit = bool(heard[0])  # else one of the guests may never have taken its descriptors
        except Lost:
            if not heard[0]:  # a verdict that is there stands
                raise
        return heard

    def _listen(self, verdict: int, printed: int, deadline: float, limits: Limits) -> tuple[bytes, str, bool]:
        """What ``run`` returns; guests that take too much are ended. What is printed beyond a few kilobytes is thrown
        away.
        """
        body, output = b"", b""
        waiting = select.poll()
        for number in (verdict, printed):
            waiting.register(number, select.POLLIN)
        look = time.monotonic() + LOOK
        while True:
            now = time.monotonic()
            if now >= deadline:
                return body, output.decode("utf-8", "replace"), True
            if now >= look:
                self._end_the_greedy(limits)
                look = now + LOOK
            for number, _ in waiting.poll(math.ceil(1000 * (min(deadline, look) - now))):
                piece = os.read(number, 1 << 16)
                if number == verdict and not piece:
                    return body, output.decode("utf-8", "replace"), False
                if number == verdict:
                    body = (body + piece)[: 1 << 16]
                elif piece:
                    output = (output + piece)[:OUTPUT]
                else:
                    waiting.unregister(number)

    def _end_the_greedy(self, limits: Limits) -> None:
        """End a guest whose processes together take twice the memory of one, or are too many."""
        for side in self.sides:
            memory, processes = side.taken()
            if memory > 2 * limits.memory or processes > limits.processes + 2:
                side.end()

    def close(self) -> None:
        """End both zygotes."""
        for side in self.sides:
            side.close()


def _file(body: bytes) -> int:
    """A descriptor of a file in memory with this content, to be read from its beginning."""
    number = os.memfd_create("task")
    view = memoryview(body)
    while view:
        view = view[os.write(number, view) :]
    os.lseek(number, 0, os.SEEK_SET)
    return number


_Kind = tuple[int, str, Limits, tuple[str, ...]]
_idle: list[tuple[_Kind, Pair]] = []
_lock = threading.Lock()


@contextmanager
def _lent(mode: str, limits: Limits, without: tuple[str, ...]) -> Iterator[Pair]:
    """A pair of zygotes for one program: one that waits, or a new one. It waits for the next one afterwards."""
    kind: _Kind = (os.getpid(), mode, limits, without)
    with _lock:
        waiting = [entry for entry in _idle if entry[0] == kind]
        for entry in waiting[-1:]:
            _idle.remove(entry)
    pair = waiting[-1][1] if waiting else None
    if pair and not all(side.alive() for side in pair.sides):
        pair.close()  # somebody ended it while it waited
        pair = None
    pair = pair or Pair(mode, limits, without)
    try:
        yield pair
    finally:
        if not pair.fit:
            pair.close()
        else:
            with _lock:
                _idle.append((kind, pair))
                old = [_idle.pop(0)[1] for _ in range(len(_idle) - KEPT)]
            for one in old:
                one.close()


@atexit.register
def close_idle() -> None:
    """End the zygotes that wait for a next program."""
    with _lock:
        mine = [pair for (pid, *_), pair in _idle if pid == os.getpid()]
        _idle.clear()
    for pair in mine:
        pair.close()


@dataclass(frozen=True)
class Layers:
    """What there is of the sandbox on this machine. ``mode`` is root, user or weak (no namespaces), ``landlock`` its
    version (0: none), ``cgroup`` what a control group limits (memory, processes), ``why`` the error without namespaces.
    """

    mode: str
    landlock: int
    seccomp: bool
    cgroup: tuple[str, ...]
    why: str = ""


@cache
def layers() -> Layers:
    """Look, by starting the sandbox once."""
    whys = []
    for mode in (*(("root", "user") if os.getuid() == 0 else ("user",)), "weak"):
        try:
            pair = Pair(mode, Limits())
        except Lost as e:
            whys.append(str(e))
            continue
        present = pair.program.layers
        pair.close()
        why = whys[-1] if mode == "weak" else ""
        return Layers(mode, present["landlock"], present["seccomp"], tuple(present["cgroup"]), why)
    raise StarError(f"programs cannot be run on this machine: {whys[-1]}", hint="grader=code needs Linux 3.17 or newer")


@cache
def best_mode(weak: bool = False) -> str:
    """root (as root: namespaces and a user nobody is), user (unprivileged namespaces), or weak where that is
    allowed. Raises StarError where it is not.
    """
    mode = layers().mode
    if mode == "weak" and not weak:
        raise StarError(
            "programs cannot be isolated on this machine: the kernel allows no namespaces here",
            hint="allow unprivileged user namespaces (sysctl user.max_user_namespaces, and in a container "
            "--cap-add SYS_ADMIN), or set grader.weak=true and read docs/sandbox.md first",
        )
    if (
        mode == "weak"
        and test("import colorsys\nf = colorsys", ["assert f"], names=["f"], mode=mode).status != "passed"
    ):
        raise StarError(
            "programs cannot be run without namespaces here: as the user they are given, they cannot read Python's "
            f"library {os.path.dirname(os.__file__)}",
            hint="run star as an ordinary user, or with a Python that every user can read",
        )
    return mode
