"""Namespaces, a root of its own, another user and limits: the walls around a program (Linux alone).

What is the same for every program of a worker is made once, by ``enclose``; ``fresh_box`` and ``confine`` are for one
verdict.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import struct
from typing import Any

from star_cli.graders.sandbox import landlock, seccomp

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2  # umount2
CLONE_VM, CLONE_FILES = 0x100, 0x400
STACK = 1 << 16  # bytes
DEFAULT, IGNORE = 0, 1  # of a signal
PDEATHSIG, DUMPABLE, SUBREAPER, NO_NEW_PRIVS = 1, 4, 36, 38  # prctl
NOBODY = 65534
BOX = "/box"
OWN, LIMIT = 32, 64  # the zygote's own descriptors lie between; a guest closes them
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
CAPABILITIES, NO_CAPABILITY = struct.pack("Ii", 0x20080522, 0), bytes(24)
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise OSError where a call of the C library failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def prctl(option: int, value: int) -> None:
    check(LIBC.prctl(option, value, 0, 0, 0), f"prctl {option}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [t.encode() if t is not None else None for t in (source, target, kind)]
    check(LIBC.mount(*texts, ctypes.c_ulong(flags), data.encode() if data else None), f"mount {target}")


def unshare(kinds: int) -> None:
    check(LIBC.unshare(kinds), "unshare")


def tidy_memory() -> None:
    """Let the C library join and sort its free pieces now, once, and not in every guest at its first large request."""
    LIBC.malloc.restype, LIBC.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    LIBC.free(LIBC.malloc(ctypes.c_size_t(1 << 15)))


def become_root_of_nothing() -> None:
    """A user namespace in which the calling user may mount and has no right outside."""
    uid, gid = os.getuid(), os.getgid()
    unshare(NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)


def enclose(visible: list[str]) -> None:
    """Leave the machine's network, host name, IPC and file system: the new root holds the ``visible`` directories
    read-only, three devices and an empty directory for the box. No /proc, no /home, no /tmp, no shell.
    """
    unshare(NEWNS | NEWUTS | NEWIPC | NEWNET)
    mount("none", "/", None, REC | PRIVATE)
    sources = {p: os.open(p, os.O_PATH) for p in (*visible, *DEVICES) if os.path.exists(p)}
    new = "/tmp"
    mount("tmpfs", new, "tmpfs", NOSUID | NODEV, "size=1m,mode=755")
    for path, number in sources.items():
        os.makedirs(new + os.path.dirname(path), 0o755, exist_ok=True)
        if os.path.islink(path):
            os.symlink(os.readlink(path), new + path)
        elif path in DEVICES:
            os.close(os.open(new + path, os.O_CREAT | os.O_WRONLY, 0o666))
            mount(f"/proc/self/fd/{number}", new + path, None, BIND)
        else:
            os.makedirs(new + path, 0o755, exist_ok=True)
            mount(f"/proc/self/fd/{number}", new + path, None, BIND | REC)
            kept = os.statvfs(new + path).f_flag & 0x400F  # flags a user namespace may not clear
            mount("none", new + path, None, BIND | REMOUNT | RDONLY | NOSUID | NODEV | kept)
        os.close(number)
    os.mkdir(new + BOX, 0o755)
    os.mkdir(new + "/.old")
    check(LIBC.pivot_root(new.encode(), (new + "/.old").encode()), "pivot_root")
    os.chdir("/")
    check(LIBC.umount2(b"/.old", DETACH), "umount")
    os.rmdir("/.old")
    mount("none", "/", None, BIND | REMOUNT | RDONLY | NOSUID | NODEV)


class Pids:
    """Fresh process namespaces, one after the other, for children of the process that makes this."""

    def __init__(self) -> None:
        number = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self.own = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, OWN)
        os.close(number)
        self.stack = mmap.mmap(-1, STACK)
        self.top = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(self.stack)) + STACK)
        self.pause = ctypes.cast(LIBC.pause, ctypes.c_void_p)
        self.flags = CLONE_VM | CLONE_FILES | signal.SIGCHLD
        LIBC.signal.argtypes, LIBC.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        LIBC.signal(signal.SIGCHLD, IGNORE)
        self.interrupt = ctypes.c_void_p(LIBC.signal(signal.SIGINT, DEFAULT))

    def begin(self) -> int:
        """Start process 1 of a fresh namespace, in which the caller's next forks will be; its process id. When it is
        killed, the kernel ends all others in there.

        It does nothing but wait in the C library's pause(), on a stack of its own in the caller's memory: a fork would
        cost a millisecond. The kernel keeps signals from inside away from a process 1 that handles none, and buries
        what is orphaned, because SIGCHLD is ignored.
        """
        if LIBC.setns(self.own, NEWPID) or LIBC.unshare(NEWPID):
            check(-1, "a process namespace")
        first = int(LIBC.clone(self.pause, self.top, self.flags, None))
        if first < 0:
            check(first, "clone")
        return first

    def enter(self) -> None:
        """In the guest: signals as they are in any other Python."""
        LIBC.signal(signal.SIGCHLD, DEFAULT)
        LIBC.signal(signal.SIGINT, self.interrupt)

    def end(self, first: int, guest: int) -> None:
        """Kill process 1 and wait until it and the guest are gone. The guest comes first: process 1 waits for all
        others in there, and one that has asked to be traced must be buried by this process.
        """
        os.kill(first, signal.SIGKILL)
        for pid in (guest, first):
            while LIBC.waitpid(pid, None, 0) > 0:  # it also returns for a traced process that stops
                pass


class Walls:
    """The box, user, limits and filters of the guests of one zygote. ``config``: see zygote.py.

    ``prepare`` does once, in the zygote, what guests inherit and the zygote can live with; the guest does the rest.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.mode, self.uid, self.cpu = config["mode"], config["uid"], config["cpu"]
        without = config["without"]
        self.landlock = 0 if "landlock" in without else landlock.version(LIBC)
        self.filter = seccomp.Filter() if "seccomp" not in without and seccomp.available() else None
        self.was_root = os.getuid() == 0
        self.visible = config["visible"]
        self.limits = [
            (resource.RLIMIT_AS, config["memory"]),
            (resource.RLIMIT_FSIZE, config["disk"] // 4),
            (resource.RLIMIT_NOFILE, 64),
            (resource.RLIMIT_CORE, 0),
        ]
        self.processes = config["processes"]
        self.tmpfs = f"size={config['disk']},nr_inodes=4096,mode=1777".encode()
        self.tmpfs_flags = ctypes.c_ulong(NOSUID | NODEV | NOEXEC)
        self.rules = -1

    def prepare(self) -> None:
        """No new privileges, the limits, no group but one that nobody has, and the rules where they are the same for
        every guest: there, mounts say what is read-only.
        """
        prctl(NO_NEW_PRIVS, 1)
        if self.landlock and self.mode != "weak":
            number = landlock.rules(LIBC, self.landlock, [], ["/"])
            self.rules = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, OWN)
            os.close(number)
        for name, value in self.limits:
            resource.setrlimit(name, (value, value))
        if self.mode != "user" and self.was_root:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)

    def fresh_box(self) -> None:
        """An empty writable directory that only this process and its children see; it is gone with the last one."""
        if LIBC.unshare(NEWNS) or LIBC.mount(b"tmpfs", BOX.encode(), b"tmpfs", self.tmpfs_flags, self.tmpfs):
            check(-1, "a box")

    def confine(self, box: str) -> None:
        """Give up every right but those of the box, for good: Landlock, the user, capabilities, seccomp."""
        if self.landlock and self.mode == "weak":  # the paths need not be readable for the user that is to come
            readable = [p for p in (*self.visible, *DEVICES) if os.path.exists(p)]
            rules = landlock.rules(LIBC, self.landlock, readable, [box, "/dev/null"])
            landlock.restrict(LIBC, rules)
            os.close(rules)
        elif self.landlock:
            landlock.restrict(LIBC, self.rules)
        if self.mode == "user":
            check(LIBC.capset(CAPABILITIES, NO_CAPABILITY), "capset")
        elif self.was_root:
            os.setresuid(self.uid, self.uid, self.uid)
        if self.mode == "weak":
            prctl(PDEATHSIG, signal.SIGKILL)  # no process namespace ends it with the zygote
        resource.setrlimit(resource.RLIMIT_CPU, (self.cpu, self.cpu))
        resource.setrlimit(resource.RLIMIT_NPROC, (self.processes, self.processes))
        if self.filter:
            self.filter.install(LIBC)
