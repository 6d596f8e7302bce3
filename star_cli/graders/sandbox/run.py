"""Running untrusted programs against tests they cannot see. What it does not protect against: docs/sandbox.md.

    ``test(program, tests)``  ->  Outcome("passed" | "failed" | "timeout" | "broken", why)

The program and the judge that holds the tests are two processes (child.py), each behind namespaces and limits
of its
own and connected by one socket that carries plain data. A verdict is the judge's message with a secret the program
never has.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from star_cli.errors import StarError

CHILD = str(Path(__file__).with_name("child.py"))
OUTPUT = 4096  # bytes of what the program prints that are kept


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
) -> Outcome:
    """Run ``program``, then ``tests`` (asserts) on what it defined as ``names``; ``given`` is trusted code for the
    tests."""
    limits = limits or Limits()
    mode = mode or best_mode(weak)
    mine, theirs = socket.socketpair()
    verdict, result = os.pipe()
    nonce = secrets.token_hex(16)
    box = tempfile.mkdtemp(prefix="star-box-") if mode == "weak" else ""
    deadline = time.monotonic() + limits.seconds
    sides: list[subprocess.Popen[bytes]] = []
    try:
        judge = _start(
            {
                "side": "judge",
                "wire": mine.fileno(),
                "result": result,
                "nonce": nonce,
                "tests": tests,
                "names": names,
                "given": given,
            },
            limits,
            mode,
            box,
            (mine.fileno(), result),
            capture=False,
        )
        sides.append(judge)
        os.close(result)
        mine.close()
        runner = _start(
            {"side": "program", "wire": theirs.fileno(), "program": program},
            limits,
            mode,
            box,
            (theirs.fileno(),),
            capture=True,
        )
        sides.append(runner)
        theirs.close()
        body, output = _listen(verdict, runner, deadline)
    finally:
        for side in sides:
            _end(side)
        for end in (mine, theirs):
            end.close()
        os.close(verdict)
        if box:
            shutil.rmtree(box, ignore_errors=True)
    return _outcome(body, nonce, output, time.monotonic() >= deadline)


def _outcome(body: bytes, nonce: str, output: str, late: bool) -> Outcome:
    if len(body) >= 4:
        told = json.loads(body[4:])
        if told.get("nonce") != nonce:
            return Outcome("broken", "the judge's message is not its own", output)
        return Outcome("passed" if told["passed"] else "failed", told["why"], output)
    if late:
        return Outcome("timeout", "the time limit ended it", output)
    return Outcome("broken", f"the judge gave no verdict {output[-300:]}", output)


def _start(
    task: dict[str, Any], limits: Limits, mode: str, box: str, wires: tuple[int, ...], *, capture: bool
) -> subprocess.Popen[bytes]:
    """Launch one side; its configuration goes in through standard input."""
    home = box or "/box"
    stream = subprocess.PIPE if capture else subprocess.DEVNULL
    side = subprocess.Popen(
        [os.path.realpath(sys.executable), "-I", "-S", "-B", CHILD],
        stdin=subprocess.PIPE,
        stdout=stream,
        stderr=subprocess.STDOUT if capture else subprocess.DEVNULL,
        pass_fds=wires,
        start_new_session=True,
        cwd="/",
        env={"HOME": home, "TMPDIR": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    uid = free_uid(side.pid)
    if box and os.getuid() == 0:
        os.chmod(box, 0o777)
    task = {
        **task,
        "mode": mode,
        "box": home,
        "uid": uid,
        "visible": visible(),
        "memory": limits.memory,
        "disk": limits.disk,
        "processes": limits.processes,
        "cpu": int(limits.seconds) + 1,
    }
    body = json.dumps(task).encode()
    assert side.stdin
    try:
        side.stdin.write(struct.pack("<I", len(body)) + body)
        side.stdin.close()
    except BrokenPipeError:
        pass
    return side


def _listen(verdict: int, runner: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, str]:
    """(the judge's message, what the program printed); what is printed beyond a few kilobytes is thrown away."""
    assert runner.stdout
    body, output = b"", b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(verdict, selectors.EVENT_READ)
        waiting.register(runner.stdout, selectors.EVENT_READ)
        while verdict in {k.fd for k in waiting.get_map().values()}:
            left = deadline - time.monotonic()
            ready = waiting.select(left) if left > 0 else []
            if not ready:
                break
            for key, _ in ready:
                piece = os.read(key.fd, 1 << 16)
                if not piece:
                    waiting.unregister(key.fileobj)
                elif key.fd == verdict:
                    body = (body + piece)[: 1 << 16]
                else:
                    output = (output + piece)[:OUTPUT]
    return body, output.decode("utf-8", "replace")


def _end(side: subprocess.Popen[bytes]) -> None:
    """End one side with everything it started: the launcher ends its namespace, then itself."""
    side.send_signal(signal.SIGTERM)
    try:
        side.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(side.pid, signal.SIGKILL)
        side.wait()
    if side.stdout:
        side.stdout.close()


@cache
def visible() -> tuple[str, ...]:
    """The directories a program may read: the interpreter's and the system's libraries."""
    python = [os.path.dirname(os.path.realpath(os.__file__)), os.path.realpath(sys.base_prefix) + "/lib"]
    return tuple(dict.fromkeys(p for p in (*python, "/usr/lib", "/usr/lib64", "/lib", "/lib64") if os.path.exists(p)))


@cache
def _uids() -> int:
    """How many user ids there are in this user namespace."""
    with open("/proc/self/uid_map") as f:
        return max(int(line.split()[0]) + int(line.split()[2]) for line in f)


def free_uid(pid: int) -> int:
    """A user id nobody has, another one for each running program: the process limit counts by user."""
    return min(_uids() - 2, 2_000_000_000) - pid % 30_000


@cache
def best_mode(weak: bool = False) -> str:
    """root (as root: namespaces and a user nobody is), user (unprivileged namespaces), or weak where that is
    allowed."""
    for mode in ("root", "user") if os.getuid() == 0 else ("user",):
        if test("x = 1", ["assert x == 1"], names=["x"], mode=mode).status == "passed":
            return mode
    if weak:
        return "weak"
    raise StarError(
        "programs cannot be isolated on this machine: the kernel allows no namespaces here",
        hint="allow unprivileged user namespaces (sysctl user.max_user_namespaces, and in a container "
        "--cap-add SYS_ADMIN), or set grader.weak=true and read docs/sandbox.md first",
    )
