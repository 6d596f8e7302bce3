"""A control group around one worker's programs, where this process may make one: memory and number of processes.

The kernel then counts what no other limit counts (pipes, sockets, page tables) and refuses at once, where the watch of
run.py looks every 50 ms. Source: Linux Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

OWN = "star-sandbox-"
TURNS, WAIT = 50, 0.02  # to remove a group: how often, and seconds between
# What a group is given, by the file that exists in it; swap only where it is counted.
MEMORY = (("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), ("memory.max", "memory.swap.max"))
PROCESSES = "pids.max"


class Groups:
    """The groups of one worker's programs: none, one (version 2), or one for each controller (version 1).

    ``held`` names what they limit: ``memory``, ``processes``.
    """

    def __init__(self) -> None:
        self.made: list[str] = []
        self.held: list[str] = []
        self._doors: list[int] = []

    def limit(self, memory: int, processes: int) -> None:
        """Make them, where that is possible, with at most so many bytes and processes."""
        for parent in _parents():
            group = f"{parent}/{OWN}{os.getpid()}"
            try:
                _remove_left_behind(parent)
                os.mkdir(group)
                self.made.append(group)
                held = _limited(group, memory, processes)
                if held:
                    self._doors.append(os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
                    self.held += held
            except OSError:
                continue  # not allowed here

    def enter(self) -> None:
        """Move the calling process, with all that it will start, into the groups."""
        for door in self._doors:
            os.write(door, b"0")
            os.close(door)

    def remove(self) -> None:
        """Remove the groups. All processes in there must have ended; the kernel may note that a little later."""
        for group in self.made:
            for _ in range(TURNS):
                try:
                    os.rmdir(group)
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(WAIT)


def _remove_left_behind(parent: str) -> None:
    """Groups whose launcher was killed before it could remove them."""
    for name in os.listdir(parent):
        pid = name.removeprefix(OWN)
        if pid != name and (pid == str(os.getpid()) or not os.path.exists(f"/proc/{pid}")):
            try:
                os.rmdir(f"{parent}/{name}")
            except OSError:
                pass  # in use: another process namespace counts differently


def _limited(group: str, memory: int, processes: int) -> list[str]:
    held = []
    for amount, swap in MEMORY:
        if _write(f"{group}/{amount}", memory):
            _write(f"{group}/{swap}", 0 if swap == "memory.swap.max" else memory)
            held.append("memory")
    if _write(f"{group}/{PROCESSES}", processes):
        held.append("processes")
    return held


def _write(file: str, value: int) -> bool:
    try:
        with open(file, "r+") as f:  # never creates
            f.write(str(value))
        return True
    except OSError:
        return False


def _parents() -> Iterator[str]:
    """Where this process could make groups: below its own group (version 1), beside it (version 2, where a group with
    processes has no groups below).
    """
    try:
        with open("/proc/self/cgroup") as f:
            own = [line.rstrip("\n").split(":", 2) for line in f]
        with open("/proc/self/mountinfo") as f:
            mounts = [line.split() for line in f]
    except OSError:
        return
    for _, controllers, path in own:
        for fields in mounts:
            kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
            if controllers:
                fits = kind == "cgroup" and bool({"memory", "pids"} & set(controllers.split(",")) & set(options))
            else:
                fits = kind == "cgroup2"
            root, place = fields[3].rstrip("/"), fields[4]
            if fits and (path + "/").startswith(root + "/"):
                own_group = place + path[len(root) :].rstrip("/")
                yield own_group if controllers or own_group == place else os.path.dirname(own_group)
                break
