"""One side of the sandbox: a warmed Python that forks one guest for each verdict.

Three processes. The *launcher* (started by sides.py) stays outside and removes the control group at the end. The
*zygote* is process 1 of namespaces of its own, made once; it is ready before any untrusted byte is read, and never
reads one. A *guest* lives in a fresh process namespace and a fresh mount namespace with an empty box; it builds the
rest of its walls, and only then receives, by itself, what it is to run. There is one guest at a time: the next one is
forked when the kernel has ended everything in the namespace of the last one.

On the control socket: the configuration, ``{"ready": layers}`` back; then, for each guest, ``end`` and ``ended`` back.
On the door: ``up`` when a guest's walls stand, then one message to it with the descriptors (wire, task, and the
verdict's pipe or the program's output). What goes wrong comes on either as ``{"error": ...}``.

Configuration: side (program or judge), mode (root, user or weak), uid, visible (directories), memory, disk (bytes), cpu
(seconds), processes, temporary (where a box without namespaces is made), without (layers left out, for tests).
"""

from __future__ import annotations

import _socket  # without the enumerations of socket: each fork would copy them
import fcntl
import gc
import json
import math  # noqa: F401  (loaded once, for programs; what few of them import is left to them, for the same reason)
import os
import re  # noqa: F401
import signal
import struct
import sys
import typing  # noqa: F401
from typing import Any, NoReturn

from star_cli.graders.sandbox import cgroups, judge_side, program_side, walls, wire
from star_cli.graders.sandbox.walls import LIMIT, OWN

OWN_MEMORY = 64 << 20  # bytes that a zygote itself may take in the control group
OWN_PROCESSES = 8
TURNS = 20  # until Python takes code for worth specialising
WIRE, TASK, LAST = GIVEN = 3, 4, 5  # a guest's file descriptors
NUMBERS = struct.Struct(f"{len(GIVEN)}i")
ROOM = _socket.CMSG_LEN(NUMBERS.size)


def main(control_number: int, door_number: int) -> NoReturn:
    """The launcher; never returns."""
    config = json.loads(os.read(control_number, 1 << 16))
    groups = cgroups.Groups()
    try:
        first_to_die()
        if "cgroup" not in config["without"]:
            groups.limit(2 * config["memory"] + config["disk"] + OWN_MEMORY, config["processes"] + OWN_PROCESSES)
        if config["mode"] == "user":
            walls.become_root_of_nothing()
        if config["mode"] != "weak":
            walls.unshare(walls.NEWPID)
        zygote = os.fork()
        if not zygote:
            Zygote(control_number, door_number, config, groups).serve()
        os.close(control_number)
        os.close(door_number)
        os.waitpid(zygote, 0)
    except Exception as e:
        report(control_number, e)
    finally:
        groups.remove()
        os._exit(0)


def first_to_die() -> None:
    """Where the machine runs out of memory, the kernel shall end a program before anything of star's."""
    try:
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write("1000")
    except OSError:
        pass  # not allowed here; the limits hold all the same


def report(number: int, error: BaseException) -> None:
    """Say on a socket what went wrong."""
    try:
        os.write(number, json.dumps({"error": f"{type(error).__name__}: {error}"[:2000]}).encode())
    except OSError:
        pass  # the worker is gone


class Zygote:
    """Process 1 of the namespaces of one side (without namespaces: the parent of its guests)."""

    def __init__(self, control: int, door: int, config: dict[str, Any], groups: cgroups.Groups) -> None:
        self.control, self.door = (fcntl.fcntl(n, fcntl.F_DUPFD_CLOEXEC, OWN) for n in (control, door))
        self.config, self.groups = config, groups
        self.visitors = _socket.socket(fileno=self.door)
        self.walls = walls.Walls(config)
        self.box = walls.BOX
        self.pids: walls.Pids | None = None  # without namespaces there are none
        self.first = self.guest = 0  # process 1 of the guest's namespace, and the guest

    def serve(self) -> NoReturn:
        """Make the walls that all guests share, then one guest after the other until the worker is gone."""
        try:
            self.prepare()
            while True:
                self.fork_guest()
                message = os.read(self.control, 16)  # "end", or nothing where the worker is gone
                self.finish()
                if not message:
                    break
                os.write(self.control, b"ended")
        except BaseException as e:
            report(self.control, e)
        finally:
            os._exit(0)

    def prepare(self) -> None:
        """Enclose this process, load what guests need, and say which layers there are."""
        walls.prctl(walls.PDEATHSIG, signal.SIGKILL)
        self.groups.enter()
        if self.config["mode"] == "weak":
            walls.prctl(walls.SUBREAPER, 1)
        else:
            self.pids = walls.Pids()
            walls.enclose(self.config["visible"])
        self.walls.prepare()
        walls.prctl(walls.DUMPABLE, 0)
        warm()
        layers = {
            "landlock": self.walls.landlock,
            "seccomp": self.walls.filter is not None,
            "cgroup": sorted(self.groups.held),
        }
        os.closerange(WIRE, OWN)
        os.write(self.control, json.dumps({"ready": layers}).encode())

    def fork_guest(self) -> None:
        """Start the next guest; it says at the door when its walls stand."""
        if self.pids:
            self.first = self.pids.begin()
        else:
            self.box = f"{self.config['temporary']}/star-box-{os.urandom(8).hex()}"
            os.mkdir(self.box, 0o700)
        self.guest = os.fork()
        if not self.guest:
            self.enter()

    def finish(self) -> None:
        """End the guest and everything that it started."""
        if self.pids:
            self.pids.end(self.first, self.guest)
        else:
            os.kill(self.guest, signal.SIGKILL)
            os.waitpid(self.guest, 0)
            sweep(self.config["uid"])
            # a directory may be deeper than Python's own way of removing it has file descriptors
            os.waitpid(os.posix_spawn("/bin/rm", ["rm", "-rf", self.box], {}), 0)

    def enter(self) -> NoReturn:
        """The guest: build the walls, say so, receive what to run, let go of the zygote's descriptors, and run it."""
        try:
            os.setsid()  # signals to its group reach nobody else
            if self.pids:
                self.pids.enter()
                self.walls.fresh_box()
            else:
                os.environ["HOME"] = os.environ["TMPDIR"] = self.box
                os.chmod(self.box, 0o777 if self.walls.was_root else 0o700)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # also where star was started in the background
            os.chdir(self.box)
            self.walls.confine(self.box)
            os.write(self.door, b"up")
            self.receive()
            os.closerange(OWN, LIMIT)
        except BaseException as e:
            report(self.door, e)
            os._exit(1)
        try:
            if self.config["side"] == "judge":
                judge_side.run(WIRE, LAST, json.loads(whole(TASK)))
            else:
                os.dup2(LAST, 1)
                os.dup2(LAST, 2)
                os.close(LAST)
                program_side.run(WIRE, whole(TASK).decode("utf-8", "surrogatepass"))
        finally:
            os._exit(0)

    def receive(self) -> None:
        """Wait for the descriptors; they become the numbers of GIVEN, which are free."""
        _, extra, _, _ = self.visitors.recvmsg(16, ROOM)
        if not extra:
            os._exit(0)  # the worker is gone
        numbers = NUMBERS.unpack(extra[0][2])
        if numbers != GIVEN:
            raise AssertionError(f"received the descriptors {numbers}, not {GIVEN}")


def whole(number: int) -> bytes:
    """All that a file descriptor holds; it is closed."""
    body = b""
    while piece := os.read(number, 1 << 14):
        body += piece
    os.close(number)
    return body


def warm() -> None:
    """Do what every guest will do, so often that Python has specialised its code; then tidy the memory, because each
    page that a guest writes to is copied for it.
    """
    names: dict[str, Any] = {}
    value = [None, True, 1, 0.5, "a", (1,), {"a": {1}}]
    for _ in range(TURNS):
        exec(compile("def f(x):\n    return [x]\n\nassert f(1) == [1]\n", "warm", "exec", dont_inherit=True), names)
        paper = os.memfd_create("warm")
        wire.send(paper, {"value": wire.pack(value, repr)})
        os.lseek(paper, 0, os.SEEK_SET)
        assert wire.unpack(json.loads(wire.receive(paper))["value"], repr) == value
        os.lseek(paper, 4, os.SEEK_SET)
        json.loads(whole(paper))
    for name in [n for n in sys.modules if n.split(".")[0] == "star_cli"]:
        del sys.modules[name]  # a program finds nothing of star's
    gc.collect()
    gc.freeze()
    walls.tidy_memory()


def sweep(uid: int) -> None:
    """Without a process namespace: end everything the program left, which all came back to this process as its
    children.
    """
    for _ in range(200):
        if os.getuid() == 0:
            killer = os.fork()
            if not killer:
                try:
                    os.setresuid(uid, uid, uid)
                    os.kill(-1, signal.SIGKILL)
                finally:
                    os._exit(0)
        else:
            with open(f"/proc/self/task/{os.getpid()}/children") as f:
                for pid in map(int, f.read().split()):
                    os.kill(pid, signal.SIGKILL)
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return
