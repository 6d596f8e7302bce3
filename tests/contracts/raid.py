"""Hostile programs set on the sandbox, with decoys around it: what each came to, and what is left afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from hostile_programs import PROGRAMS

from star_cli.graders.sandbox import run as sandbox
from star_cli.graders.sandbox.cgroups import OWN

HIDDEN = ["assert f(1) == 4711", "assert f(2) == 4712"]
LIMITS = sandbox.Limits(seconds=4, memory=256 << 20, disk=16 << 20)
SECRET = "the decoy secret"
ABSTRACT = "\0star-decoy"
WRITABLE = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/")


@dataclass
class Raid:
    """``outcomes`` by program with the seconds it took, what of the decoys was ``harmed``, who was ``heard`` at the
    listeners, what was ``left`` behind.
    """

    outcomes: dict[str, tuple[sandbox.Outcome, float]]
    layers: dict[str, object] = field(default_factory=dict)
    harmed: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def raid(mode: str, names: list[str], without: tuple[str, ...] = ()) -> Raid:
    """Run hostile programs in star's sandbox; ``without`` names the layers that are left out."""

    def ask(program: str) -> sandbox.Outcome:
        return sandbox.test(program, HIDDEN, names=["f"], limits=LIMITS, mode=mode, without=without)

    before = left_behind()
    found = surrounded(ask, names)
    found.layers = sandbox._idle[-1][1].program.layers
    sandbox.close_idle()
    found.left = sorted(left_behind() - before)
    return found


def surrounded(ask: Callable[[str], sandbox.Outcome], names: list[str]) -> Raid:
    """Run hostile programs four at once through ``ask``, with decoys around them."""
    root = Path(tempfile.mkdtemp(prefix="star-decoy-"))
    os.chmod(root, 0o777)
    os.environ["STAR_DECOY_SECRET"] = SECRET
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        decoy, home, mark = _decoys(root)
        with _listeners(decoy / "socket") as (port, heard):
            words = {"decoy": decoy, "home": home, "mark": mark, "pid": sleeper.pid, "port": port}

            def run(name: str) -> tuple[str, sandbox.Outcome, float]:
                program = PROGRAMS[name]
                for word, value in words.items():
                    program = program.replace("{" + word + "}", str(value))
                started = time.monotonic()
                return name, ask(program), time.monotonic() - started

            with ThreadPoolExecutor(4) as threads:
                outcomes = {name: (outcome, seconds) for name, outcome, seconds in threads.map(run, names)}
            time.sleep(0.2)
        harmed = _harmed(decoy, home, mark)
        if sleeper.poll() is not None:
            harmed.append("a process outside")
    finally:
        sleeper.kill()
        sleeper.wait()
        os.environ.pop("STAR_DECOY_SECRET")
        shutil.rmtree(root)
    return Raid(outcomes, harmed=harmed, heard=sorted(set(heard)))


def _decoys(root: Path) -> tuple[Path, Path, Path]:
    decoy, home = root / "decoy", root / "home"
    decoy.mkdir()
    decoy.chmod(0o777)
    (decoy / "keep").write_text("kept")
    (decoy / "keep").chmod(0o666)
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text(SECRET)
    return decoy, home, root / "mark"


def _harmed(decoy: Path, home: Path, mark: Path) -> list[str]:
    harmed = []
    if sorted(p.name for p in decoy.iterdir()) != ["keep", "socket"] or (decoy / "keep").read_text() != "kept":
        harmed.append("the decoy's files")
    if (home / ".ssh" / "id").read_text() != SECRET:
        harmed.append("the decoy's home")
    harmed += [str(p) for p in (mark, *(Path(d) / "mark-of-star" for d in WRITABLE)) if p.exists()]
    return harmed


@contextlib.contextmanager
def _listeners(place: Path) -> Iterator[tuple[int, list[str]]]:
    """A port on loopback and the list of who came, there, at a socket in a file and at an abstract socket."""
    heard: list[str] = []
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        stream, datagram = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        named, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        stream.bind(("127.0.0.1", 0))
        datagram.bind(stream.getsockname())
        named.bind(str(place))
        os.chmod(place, 0o777)
        abstract.bind(f"{ABSTRACT}-{os.getpid()}" if _taken(ABSTRACT) else ABSTRACT)
        for end, kind in (
            (stream, "tcp"),
            (datagram, "udp"),
            (named, "a socket file"),
            (abstract, "an abstract socket"),
        ):
            stack.enter_context(end)
            end.settimeout(0.1)
            if kind != "udp":
                end.listen()
            thread = threading.Thread(target=_hear, args=(end, kind, heard, over))
            thread.start()
            stack.callback(thread.join)
            stack.callback(over.set)
        yield stream.getsockname()[1], heard


def _taken(name: str) -> bool:
    return any(line.endswith("@" + name[1:]) for line in Path("/proc/net/unix").read_text().splitlines())


def _hear(end: socket.socket, kind: str, heard: list[str], over: threading.Event) -> None:
    while not over.is_set():
        try:
            if kind == "udp":
                end.recv(64)
            else:
                end.accept()[0].close()
            heard.append(kind)
        except TimeoutError:
            continue


def left_behind() -> set[str]:
    """Traces of sandboxes: processes without a test above them, control groups, boxes, objects of IPC."""
    tests = {pid for pid, line in _commands().items() if "pytest" in line and pid != os.getpid()}
    found = set()
    for pid in _commands():
        try:
            inside = b"HOME=/box" in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if inside and _state(pid)[0] != "Z" and not tests & set(_ancestors(pid)):
            found.add(f"process {pid}")
    for place, _, _ in os.walk("/sys/fs/cgroup"):
        pid = place.rpartition(OWN)[2]
        if pid != place and not os.path.exists(f"/proc/{pid}"):
            found.add(place)
    boxes = (p for p in Path(tempfile.gettempdir()).glob("star-box-*") if p.exists() and p.stat().st_uid == os.getuid())
    for box in boxes:
        found.add(str(box))
    for kind in ("shm", "sem", "msg"):
        found |= {f"{kind} {line.split()[0]}" for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]}
    return found


def _commands() -> dict[int, str]:
    lines = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            lines[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    return lines


def _state(pid: int) -> tuple[str, int]:
    """(state, parent) of a process; one that is gone counts as a zombie of nobody."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return state, int(parent)
    except OSError:
        return "Z", 0


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = _state(pid)[1]
        yield pid
