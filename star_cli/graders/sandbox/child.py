"""The inside of the sandbox: run by path in a fresh interpreter (``-I -S``), standard library only.

Two of these run for one verdict, each in namespaces of its own. The *program* side executes untrusted text and answers
calls with plain data. The *judge* side holds the tests, which the program never sees, and compares what came back.
"""

import builtins
import collections
import ctypes
import datetime
import decimal
import fractions
import importlib
import itertools
import json
import os
import resource
import signal
import socket
import struct
import sys
import types
from typing import Any

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PDEATHSIG, DUMPABLE, SUBREAPER, NO_NEW_PRIVS = 1, 4, 36, 38
LARGEST = 16 << 20  # bytes of one message
LIBC = ctypes.CDLL(None, use_errno=True)
TRUSTED = (
    "math",
    "cmath",
    "re",
    "sys",
    "string",
    "itertools",
    "collections",
    "heapq",
    "bisect",
    "datetime",
    "copy",
    "statistics",
)


def sys_call(result: Any, what: Any) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


# ---- walls ----------------------------------------------------------------------------------------------------------
def mount(source: Any, target: Any, kind: Any, flags: Any, data: Any = None) -> None:
    sys_call(
        LIBC.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {target}",
    )


def rooms(c: Any) -> None:
    """A new root: interpreter and libraries read-only, one small writable directory, no /proc, no /home, no /tmp of
    others."""
    mount("none", "/", None, REC | PRIVATE)
    sources = {
        p: os.open(p, os.O_PATH) for p in (*c["visible"], "/dev/null", "/dev/zero", "/dev/urandom") if os.path.exists(p)
    }
    new = "/tmp"
    mount("tmpfs", new, "tmpfs", NOSUID | NODEV, "size=1m,mode=755")
    for path, number in sources.items():
        if os.path.islink(path):
            os.makedirs(new + os.path.dirname(path), 0o755, exist_ok=True)
            os.symlink(os.readlink(path), new + path)
            continue
        os.makedirs(new + os.path.dirname(path), 0o755, exist_ok=True)
        if path.startswith("/dev/"):
            os.close(os.open(new + path, os.O_CREAT | os.O_WRONLY, 0o666))
        else:
            os.makedirs(new + path, 0o755, exist_ok=True)
        mount(f"/proc/self/fd/{number}", new + path, None, BIND | (0 if path.startswith("/dev/") else REC))
        if not path.startswith("/dev/"):
            kept = os.statvfs(new + path).f_flag & 0x400F  # flags a user namespace may not clear
            mount("none", new + path, None, BIND | REMOUNT | RDONLY | NOSUID | NODEV | kept)
        os.close(number)
    os.mkdir(new + "/box", 0o777)
    mount("tmpfs", new + "/box", "tmpfs", NOSUID | NODEV, f"size={c['disk']},nr_inodes=4096,mode=1777")
    os.mkdir(new + "/.old")
    sys_call(LIBC.pivot_root(new.encode(), (new + "/.old").encode()), "pivot_root")
    os.chdir("/")
    sys_call(LIBC.umount2(b"/.old", 2), "umount")
    os.rmdir("/.old")
    mount("none", "/", None, BIND | REMOUNT | RDONLY | NOSUID | NODEV)
    os.chdir("/box")


def powerless(c: Any) -> None:
    """Another user without capabilities, who cannot win any back; then the limits."""
    if c["mode"] == "root" or (c["mode"] == "weak" and os.getuid() == 0):
        os.setgroups([])
        os.setresgid(c["uid"], c["uid"], c["uid"])
        os.setresuid(c["uid"], c["uid"], c["uid"])
    elif c["mode"] == "user":
        head, none = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", 0, 0, 0, 0, 0, 0)
        sys_call(LIBC.capset(head, none), "capset")
    LIBC.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    for name, value in (
        ("AS", c["memory"]),
        ("CPU", c["cpu"]),
        ("FSIZE", c["disk"] // 4),
        ("NOFILE", 64),
        ("CORE", 0),
        ("NPROC", c["processes"]),
    ):
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))


def main() -> None:
    c = json.loads(receive(0))
    LIBC.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
    if c["mode"] == "weak":
        LIBC.prctl(SUBREAPER, 1, 0, 0, 0)
        child = os.fork()
        if not child:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.chdir(c["box"])
            powerless(c)
            play(c)
        watch(child, c)
        sweep(c)
        os._exit(0)
    kinds = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
    uid, gid = os.getuid(), os.getgid()
    sys_call(LIBC.unshare(kinds | (NEWUSER if c["mode"] == "user" else 0)), "unshare")
    if c["mode"] == "user":
        for name, text in (("setgroups", "deny"), ("uid_map", f"65534 {uid} 1"), ("gid_map", f"65534 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
    life, lifeline = os.pipe()
    first = os.fork()
    if not first:
        os.close(lifeline)
        LIBC.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.set_blocking(life, False)
        try:
            os.read(life, 1)
            os._exit(9)  # the launcher is gone already
        except BlockingIOError:
            os.close(life)
        init(c)
    watch(first, c)
    os._exit(0)


def init(c: Any) -> None:
    """Process 1 of its namespace: when it ends, the kernel ends everything else in there."""
    rooms(c)
    powerless(c)
    LIBC.prctl(DUMPABLE, 0, 0, 0, 0)
    child = os.fork()
    if not child:
        LIBC.prctl(DUMPABLE, 1, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        play(c)
    for number in range(3, 64):
        try:
            os.close(number)
        except OSError:
            pass
    while os.wait()[0] != child:
        pass
    os._exit(0)


def watch(child: Any, c: Any) -> None:
    """Wait for the child; end it when told to, or when all its processes together take too much memory."""
    while True:
        got = signal.sigtimedwait([signal.SIGCHLD, signal.SIGTERM], 0.05)
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        memory, processes = taken(child)
        told = got is not None and got.si_signo == signal.SIGTERM
        if told or memory > 2 * c["memory"] or processes > c["processes"] + 2:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return


def taken(root: Any) -> tuple[int, int]:
    """(bytes of memory, number) of a process and all below it."""
    total, count, todo = 0, 0, [root]
    while todo:
        pid, count = todo.pop(), count + 1
        try:
            with open(f"/proc/{pid}/statm") as f:
                total += int(f.read().split()[1]) * resource.getpagesize()
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                todo += map(int, f.read().split())
        except (OSError, IndexError):
            continue
    return total, count


def sweep(c: Any) -> None:
    """Without a process namespace: end everything the program left, which all came back to this process as its
    children."""
    for _ in range(200):
        if os.getuid() == 0:
            killer = os.fork()
            if not killer:
                os.setresuid(c["uid"], c["uid"], c["uid"])
                os.kill(-1, signal.SIGKILL)
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


# ---- the wire: length and JSON, both ways --------------------------------------------------------
def receive(number: Any) -> bytes:
    size = struct.unpack("<I", exactly(number, 4))[0]
    if size > LARGEST:
        raise EOFError("message too long")
    return exactly(number, size)


def exactly(number: Any, size: Any) -> bytes:
    found = b""
    while len(found) < size:
        piece = os.read(number, size - len(found))
        if not piece:
            raise EOFError("the other side is gone")
        found += piece
    return found


def send(number: Any, value: Any) -> None:
    body = json.dumps(value).encode()
    if len(body) > LARGEST:
        raise ValueError("the value is too large")
    view = memoryview(struct.pack("<I", len(body)) + body)
    while view:
        view = view[os.write(number, view) :]


SIMPLE: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": collections.deque}
SPELLED: dict[str, Any] = {"Decimal": decimal.Decimal, "Fraction": fractions.Fraction}
KINDS: list[Any] = [bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, type(None)]
PLAIN: dict[str, Any] = {k.__name__: k for k in KINDS}
DATED: dict[str, Any] = {"datetime": datetime.datetime, "date": datetime.date, "time": datetime.time}


def pack(value: Any, other: Any, depth: Any = 0) -> Any:
    """A value as JSON; what is no plain data goes through ``other``."""
    if depth > 150:
        raise ValueError("the value is nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return ["i", hex(int(value))]
    if isinstance(value, float):
        return ["f", float(value).hex()]
    if isinstance(value, complex):
        return ["c", value.real.hex(), value.imag.hex()]
    if isinstance(value, str):
        return ["s", str(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["b", type(value).__name__ == "bytearray", value.hex()]
    for name, kind in SIMPLE.items():
        if isinstance(value, kind):
            return [name, [pack(v, other, depth + 1) for v in value]]
    if isinstance(value, dict):
        return ["dict", [[pack(k, other, depth + 1), pack(v, other, depth + 1)] for k, v in value.items()]]
    if isinstance(value, range):
        return ["range", [value.start, value.stop, value.step]]
    for name, kind in SPELLED.items():
        if type(value) is kind:
            return [name, str(value)]
    for name, kind in DATED.items():
        if type(value) is kind:
            return [name, value.isoformat()]
    if isinstance(value, type) and value in KINDS:
        return ["type", value.__name__]
    return other(value)


def unpack(told: Any, other: Any) -> Any:
    """The value of ``pack``; only plain types can come out, and what ``other`` makes of references."""
    if told is None or isinstance(told, bool):
        return told
    kind = told[0]
    if kind == "i":
        return int(told[1], 16)
    if kind == "f":
        return float.fromhex(told[1])
    if kind == "c":
        return complex(float.fromhex(told[1]), float.fromhex(told[2]))
    if kind == "s":
        return str(told[1])
    if kind == "b":
        return (bytearray if told[1] else bytes).fromhex(told[2])
    if kind in SIMPLE:
        return SIMPLE[kind](unpack(v, other) for v in told[1])
    if kind == "dict":
        return {unpack(k, other): unpack(v, other) for k, v in told[1]}
    if kind == "range":
        return range(*told[1])
    if kind in SPELLED:
        return SPELLED[kind](told[1])
    if kind in DATED:
        return DATED[kind].fromisoformat(told[1])
    if kind == "type":
        return PLAIN[told[1]]
    return other(told)


def play(c: Any) -> None:
    """One of the two sides; never returns."""
    try:
        (program if c["side"] == "program" else judge)(c)
    finally:
        os._exit(0)


# ---- the program's side: nothing in here is trusted once the program runs ------------------------
def program(c: Any) -> None:
    wire = c["wire"]
    objects: list[Any] = []

    def keep(value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        objects.append(value)
        return ["object", len(objects) - 1]

    def find(told: Any) -> Any:
        return objects[told[1]] if told[0] == "object" else None

    module = types.ModuleType("solution")
    sys.modules["solution"], sys.argv = module, ["solution.py"]
    sys.setrecursionlimit(5000)
    exec(compile(c["program"], "solution.py", "exec", dont_inherit=True), module.__dict__)

    def act(verb: Any, target: Any, args: Any) -> Any:
        if verb == "name":
            return getattr(module, target)
        thing = objects[target]
        if verb == "call":
            return thing(*args[0], **args[1])
        if verb == "get":
            return getattr(thing, args)
        if verb == "set":
            return setattr(thing, *args)
        if verb == "iter":
            return list(itertools.islice(iter(thing), 1_000_000))
        if verb == "next":
            return next(thing)
        if verb == "len":
            return len(thing)
        if verb == "item":
            return thing[args]
        return str(thing)

    send(wire, {"ready": True})
    while True:
        told = json.loads(receive(wire))
        args = unpack(told["args"], find)
        try:
            value = act(told["verb"], told["target"], args)
            changed = [pack(a, keep) for a in args[0]] if told["verb"] == "call" else None
            reply = {"value": pack(value, keep), "changed": changed}
        except Exception as e:
            reply = {"raised": [k.__name__ for k in type(e).__mro__], "text": str(e)[:300]}
        send(wire, reply)


# ---- the judge's side: trusted code, untrusted data ----------------------------------------------
class Gone(BaseException):
    """The program ended, or sent something that is no message; a test cannot catch it."""


class Remote:
    """Something of the program's that is no plain data. It can be called and read, and equals only itself."""

    __slots__ = ("_star",)

    def __init__(self, link: Any, number: Any) -> None:
        object.__setattr__(self, "_star", (link, number))

    def _ask(self, verb: Any, args: Any = None) -> Any:
        link, number = object.__getattribute__(self, "_star")
        return link.ask(verb, number, args)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Remote._ask(self, "call", [list(args), kwargs])

    def __getattr__(self, name: Any) -> Any:
        return Remote._ask(self, "get", name)

    def __setattr__(self, name: Any, value: Any) -> None:
        Remote._ask(self, "set", [name, value])

    def __iter__(self) -> Any:
        return iter(Remote._ask(self, "iter"))

    def __next__(self) -> Any:
        return Remote._ask(self, "next")

    def __len__(self) -> int:
        return int(Remote._ask(self, "len"))

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, place: Any) -> Any:
        return Remote._ask(self, "item", place)

    def __str__(self) -> str:
        return str(Remote._ask(self, "str"))


class Link:
    """The judge's end of the wire."""

    def __init__(self, wire: Any) -> None:
        self.wire = wire
        self.message()

    def message(self) -> Any:
        try:
            told = json.loads(receive(self.wire))
            if not isinstance(told, dict):
                raise ValueError
            return told
        except (OSError, EOFError, ValueError, RecursionError, struct.error) as e:
            raise Gone(str(e)) from None

    def ask(self, verb: Any, target: Any, args: Any) -> Any:
        send(self.wire, {"verb": verb, "target": target, "args": pack(args, self.refer)})
        told = self.message()
        try:
            if "raised" in told:
                raise Raised(exception_of(told))
            value = self.read(told["value"])
            if verb == "call":
                for mine, now in zip(args[0], told["changed"], strict=False):
                    self.change(mine, self.read(now))
            return value
        except Raised as e:
            raise e.args[0] from None
        except (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError, ArithmeticError) as e:
            raise Gone(f"no message: {e}") from None

    def read(self, told: Any) -> Any:
        return unpack(told, self.follow)

    def refer(self, value: Any) -> Any:
        if isinstance(value, Remote):
            return ["object", object.__getattribute__(value, "_star")[1]]
        raise TypeError(f"a test passes a {type(value).__name__} to the program, which cannot be sent")

    def follow(self, told: Any) -> Any:
        if told[0] == "object":
            return Remote(self, int(told[1]))
        if told[0] == "module" and told[1] in TRUSTED:
            return importlib.import_module(told[1])
        raise ValueError("an unknown reference")

    @staticmethod
    def change(mine: Any, now: Any) -> None:
        """What a call did to a list or dictionary it was given."""
        if type(mine) is not type(now):
            return
        if isinstance(mine, (list, bytearray)):
            mine[:] = now
        elif isinstance(mine, (dict, set)):
            mine.clear()
            mine.update(now)


class Raised(BaseException):
    """Carries an exception of the program's past the checks of the wire."""


def exception_of(told: Any) -> Any:
    for name in list(told["raised"])[:20]:
        kind = getattr(builtins, str(name), None)
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not StopIteration:
            try:
                return kind(str(told.get("text")))
            except TypeError:
                return RuntimeError(str(told.get("text")))
        if name == "StopIteration":
            return StopIteration()
    return RuntimeError(str(told.get("text")))


def judge(c: Any) -> None:
    result: dict[str, Any] = {"nonce": c["nonce"], "passed": False, "why": "", "run": 0}
    sys.stdout = sys.stderr = open(os.devnull, "w")
    names: dict[str, Any] = {"__name__": "tests"}
    try:
        link = Link(c["wire"])
        exec(compile(c["given"], "given", "exec", dont_inherit=True), names)
        for name in c["names"]:
            try:
                names[name] = link.ask("name", name, None)
            except AttributeError:
                pass
        for test in c["tests"]:
            exec(compile(test, "test", "exec", dont_inherit=True), names)
            result["run"] += 1
        result["passed"] = result["run"] == len(c["tests"]) > 0
    except Gone as e:
        result["why"] = f"the program ended before its tests did ({e})"
    except BaseException as e:
        result["why"] = f"{type(e).__name__}: {e}"[:300]
    send(c["result"], result)


if __name__ == "__main__":
    socket.setdefaulttimeout(None)
    main()
