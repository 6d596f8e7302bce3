"""No hostile program passes, harms a decoy, or leaves anything behind; honest programs pass."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from hostile_programs import PROGRAMS  # noqa: E402

from star_cli.errors import StarError  # noqa: E402
from star_cli.graders.sandbox import run as sandbox  # noqa: E402

HIDDEN = ["assert f(1) == 4711", "assert f(2) == 4712"]
LIMITS = sandbox.Limits(seconds=4, memory=256 << 20, disk=16 << 20)


def processes() -> dict[int, str]:
    """Everything alive whose command line or user shows that it came out of a sandbox."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
            parents = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if "sandbox_child" in line and state[0] != "Z" and b"HOME=/box" in parents:
            found[int(pid)] = line
    return found


@pytest.fixture(scope="module")
def raid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    try:
        mode = sandbox.best_mode()
    except StarError as e:
        pytest.skip(e.what)
    root = Path(tempfile.mkdtemp(prefix="star-decoy-"))
    os.chmod(root, 0o777)
    decoy, home, mark = root / "decoy", root / "home", root / "mark"
    decoy.mkdir(mode=0o777)
    (decoy / "keep").write_text("kept")
    (decoy / "keep").chmod(0o666)
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("the decoy secret")
    os.environ["STAR_DECOY_SECRET"] = "the decoy secret"
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    heard: list[str] = []
    with socket.socket() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        server.settimeout(0.2)
        datagrams.settimeout(0.2)

        def run(name: str) -> tuple[str, sandbox.Outcome, float]:
            program = PROGRAMS[name]
            for word, value in (("decoy", decoy), ("home", home), ("mark", mark), ("pid", sleeper.pid), ("port", port)):
                program = program.replace("{" + word + "}", str(value))
            started = time.monotonic()
            done = sandbox.test(program.replace("{{", "{").replace("}}", "}"), HIDDEN, names=["f"], limits=LIMITS)
            return name, done, time.monotonic() - started

        with ThreadPoolExecutor(4) as threads:
            outcomes = {name: (done, seconds) for name, done, seconds in threads.map(run, PROGRAMS)}
        for listener, hear in ((server, server.accept), (datagrams, lambda: datagrams.recv(64))):
            try:
                hear()  # type: ignore[operator]
                heard.append(str(listener.type))
            except TimeoutError:
                pass
    alive = sleeper.poll() is None
    time.sleep(0.2)
    yield {
        "outcomes": outcomes,
        "decoy": decoy,
        "home": home,
        "mark": mark,
        "alive": alive,
        "heard": heard,
        "mode": mode,
        "left": processes(),
    }
    sleeper.kill()
    sleeper.wait()
    os.environ.pop("STAR_DECOY_SECRET")
    subprocess.run(["rm", "-rf", str(root)], check=True)


def test_there_are_enough_hostile_programs_and_all_are_python() -> None:
    assert len(PROGRAMS) >= 60
    for name, program in PROGRAMS.items():
        compile(
            program.replace("{pid}", "1").replace("{port}", "1").replace("{{", "{").replace("}}", "}"), name, "exec"
        )


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_hostile_program_never_passes(raid: dict[str, Any], name: str) -> None:
    done, seconds = raid["outcomes"][name]
    assert done.status in ("failed", "timeout"), done
    assert seconds < LIMITS.seconds + 3, f"it took {seconds:.1f} s"
    assert len(done.output) <= sandbox.OUTPUT and "decoy secret" not in done.output + done.why


def test_nothing_is_harmed_and_nothing_is_left(raid: dict[str, Any]) -> None:
    assert (
        sorted(p.name for p in raid["decoy"].iterdir()) == ["keep"] and (raid["decoy"] / "keep").read_text() == "kept"
    )
    assert (raid["home"] / ".ssh" / "id").read_text() == "the decoy secret"
    assert raid["alive"], "a program ended a process outside"
    assert not raid["mark"].exists(), "a program wrote outside"
    assert raid["heard"] == [], "a program reached the network"
    assert raid["left"] == {}, "processes outlived their sandbox"


def test_honest_programs_pass_with_every_kind_of_value() -> None:
    program = """
import math, collections
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
def add(a, b): return a + b
def grow(xs): xs.append(1)
def total(pairs): return sum(p.a + p.b for p in pairs)
def lazy(n): return (i * i for i in range(n))
def fail(): raise ValueError('no')
def same(x): return x
def count(s): return collections.Counter(s)
"""
    tests = [
        "assert add(1, 2) == 3 and add('a', 'b') == 'ab' and add([1], [2.5]) == [1, 2.5]",
        "assert total([Pair(1, 2), Pair(3, 4)]) == 10",
        "assert list(lazy(4)) == [0, 1, 4, 9]",
        "xs = [0]\ngrow(xs)\nassert xs == [0, 1]",
        "try:\n    fail()\n    assert False, 'raised nothing'\nexcept ValueError as e:\n    assert str(e) == 'no'",
        "for v in (None, True, 10**400, -1.5, float('inf'), 2j, 'é\\ud800', b'x', (1, (2,)), "
        "{1: {2}}, frozenset({3}), range(3)):\n"
        "    assert same(v) == v and type(same(v)) is type(v)",
        "assert same(float('nan')) != 0 and count('aab') == {'a': 2, 'b': 1} and same(int) is int",
        "assert math.isclose(add(0.1, 0.2), 0.3)",
    ]
    names = ["Pair", "add", "grow", "total", "lazy", "fail", "same", "count", "math"]
    done = sandbox.test(program, tests, names=names)
    assert done == sandbox.Outcome("passed")


def test_the_program_cannot_bring_names_the_tests_did_not_ask_for() -> None:
    done = sandbox.test(
        "def f(x): return [x]\ndef sorted(x): return [4711]", ["assert sorted(f(1)) == [4711]"], names=["f"]
    )
    assert done.status == "failed"


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n.startswith("forge")][::4])
def test_a_verdict_cannot_be_forged_even_without_namespaces(name: str) -> None:
    done = sandbox.test(PROGRAMS[name], HIDDEN, names=["f"], limits=LIMITS, mode="weak")
    assert done.status in ("failed", "timeout"), done
