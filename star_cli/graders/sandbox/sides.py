"""The worker's handle on one side of the sandbox: a zygote (zygote.py) that forks one guest at a time."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import star_cli

START = 60.0  # seconds a zygote may take to be ready
WALLS = 20.0  # seconds until a guest's walls must stand
END = 5.0  # seconds until a guest must be gone
PYTHON = "import sys; sys.path.append(sys.argv.pop(1)); from star_cli.graders.sandbox.zygote import main; "
PYTHON += "sys.path.pop(); main(*map(int, sys.argv[1:]))"
ERROR = b'{"error"'


class Lost(Exception):
    """A zygote is gone, or could not do what it was asked."""


class Side:
    """One zygote. Raises Lost where it does not start, or any method finds it gone."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.ending = False
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door, door = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = Path(star_cli.__file__).parent.parent
        numbers = (control.fileno(), door.fileno())
        with control, door:
            self.process = subprocess.Popen(
                [os.path.realpath(sys.executable), "-PsSB", "-c", PYTHON, str(package), *map(str, numbers)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=numbers,
                start_new_session=True,
                cwd="/",
                env={
                    "HOME": "/box",
                    "TMPDIR": "/box",
                    "PATH": "/usr/bin:/bin",
                    "LANG": "C.UTF-8",
                    "LD_BIND_NOW": "1",  # else every guest would look up the same symbols again
                    "PYTHONHASHSEED": "0",  # a program that iterates over a set gives the same result again
                },
            )
        full = {
            **config,
            "uid": free_uid(self.process.pid),
            "visible": visible(),
            "temporary": tempfile.gettempdir(),
        }
        try:
            self._tell(self.control, json.dumps(full).encode())
            self.layers: dict[str, Any] = json.loads(self._answer(self.control, START))["ready"]
        except Lost as e:
            self.close()
            assert self.process.stderr
            last = self.process.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            raise Lost("; ".join([str(e), *last])) from None
        finally:
            if self.process.stderr:
                self.process.stderr.close()

    def begin(self, descriptors: list[int]) -> None:
        """Hand these descriptors to a guest whose walls stand."""
        self.ending = False
        self._answer(self.door, WALLS)
        self._tell(self.door, b"run", descriptors)

    def end(self) -> None:
        """Ask for the guest's end, if that was not yet done."""
        if not self.ending:
            self._tell(self.control, b"end")
        self.ending = True

    def ended(self) -> None:
        """Return when nothing is left of the guest."""
        self._answer(self.control, END)

    def alive(self) -> bool:
        """Whether the zygote is still there."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the zygote and everything below it."""
        for end in (self.control, self.door):
            try:
                end.shutdown(socket.SHUT_RDWR)  # it sees that and ends, whoever else may hold the socket after a fork
            except OSError:
                pass  # it has ended
            end.close()
        try:
            self.process.wait(END)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @staticmethod
    def _tell(end: socket.socket, message: bytes, descriptors: list[int] | None = None) -> None:
        try:
            if descriptors:
                socket.send_fds(end, [message], descriptors)
            else:
                end.send(message)
        except OSError as e:
            raise Lost(f"the sandbox's process is gone: {e}") from None

    @staticmethod
    def _answer(end: socket.socket, seconds: float) -> bytes:
        end.settimeout(seconds)
        try:
            answer = end.recv(1 << 12)
        except TimeoutError:
            raise Lost(f"the sandbox did not answer within {seconds:g} s") from None
        except OSError as e:
            raise Lost(f"the sandbox's process is gone: {e}") from None
        if not answer:
            raise Lost("the sandbox's process is gone")
        if answer.startswith(ERROR):
            raise Lost(json.loads(answer)["error"])
        return answer

    def taken(self) -> tuple[int, int]:
        """(bytes of memory, number) of the guest's processes."""
        total, count = 0, 0
        todo = [guest for zygote in _children(self.process.pid) for guest in _children(zygote)]
        while todo:
            pid, count = todo.pop(), count + 1
            todo += _children(pid)
            try:
                with open(f"/proc/{pid}/statm") as f:
                    total += int(f.read().split()[1]) * resource.getpagesize()
            except (OSError, IndexError):
                continue
        return total, count


def _children(pid: int) -> list[int]:
    """Process ids, also of those that a thread of ``pid`` started."""
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as f:
                children += map(int, f.read().split())
    except OSError:
        pass  # it has just ended
    return children


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
    """A user id nobody has, another one for each zygote: the process limit counts by user."""
    return min(_uids() - 2, 2_000_000_000) - pid % 30_000
