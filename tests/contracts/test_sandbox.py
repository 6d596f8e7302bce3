"""No hostile program passes, harms a decoy, or leaves anything behind; honest programs pass."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from honest_programs import HONEST  # noqa: E402
from hostile_programs import PROGRAMS  # noqa: E402
from raid import HIDDEN, LIMITS, SECRET, Raid, raid  # noqa: E402

from star_cli.errors import StarError  # noqa: E402
from star_cli.graders.sandbox import run as sandbox  # noqa: E402

LAYERS = ("landlock", "seccomp", "cgroup")


@pytest.fixture(scope="module")
def raided() -> Raid:
    try:
        return raid(sandbox.best_mode(), list(PROGRAMS))
    except StarError as e:
        pytest.skip(e.what)


def test_there_are_enough_hostile_programs_and_all_are_python() -> None:
    assert len(PROGRAMS) >= 150
    for name, program in PROGRAMS.items():
        compile(program.replace("{pid}", "1").replace("{port}", "1"), name, "exec")


def held(raided: Raid, name: str) -> None:
    outcome, seconds = raided.outcomes[name]
    assert outcome.status in ("failed", "timeout"), outcome
    assert seconds < LIMITS.seconds + 3, f"it took {seconds:.1f} s"
    assert len(outcome.output) <= sandbox.OUTPUT and SECRET not in outcome.output + outcome.why


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_hostile_program_never_passes(raided: Raid, name: str) -> None:
    held(raided, name)


def unharmed(raided: Raid) -> None:
    assert raided.harmed == [] and raided.heard == [] and raided.left == []


def test_nothing_is_harmed_and_nothing_is_left(raided: Raid) -> None:
    unharmed(raided)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are those of x86-64")
@pytest.mark.parametrize("name", [n for n in PROGRAMS if n.startswith("call: ")])
def test_the_kernel_refuses_what_a_program_has_no_use_for(raided: Raid, name: str) -> None:
    if not raided.layers["seccomp"]:
        pytest.skip("no filter of system calls on this machine")
    assert "GOT" not in raided.outcomes[name][0].output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "without"),
    [("root", (layer,)) for layer in LAYERS] + [("root", LAYERS)] + [("user", ()), ("user", LAYERS)],
)
def test_the_other_walls_hold_where_one_is_missing(mode: str, without: tuple[str, ...]) -> None:
    if mode == "root" and os.getuid() != 0:
        pytest.skip("not root")
    try:
        sandbox.best_mode()
    except StarError as e:
        pytest.skip(e.what)
    again = raid(mode, list(PROGRAMS), without)
    for name in PROGRAMS:
        held(again, name)
    unharmed(again)


@pytest.mark.slow
def test_the_same_holds_for_an_ordinary_user(tmp_path: Path) -> None:
    if os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("not root, or no unshare and setpriv to become somebody else")
    tests = ["tests/contracts/test_sandbox.py", "tests/contracts/test_sandbox_neighbours.py"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--basetemp=/tmp/star-user-{os.getpid()}",
        *tests,
    ]
    done = subprocess.run(
        as_ordinary_user(command), cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=500
    )
    shutil.rmtree(f"/tmp/star-user-{os.getpid()}", ignore_errors=True)
    assert done.returncode == 0 and " passed" in done.stdout and "skipped" not in done.stdout, done.stdout[-3000:]


def as_ordinary_user(command: list[str]) -> list[str]:
    """The command as user 4711 without rights, who can read Python even where that lies in root's home."""
    prefix = os.path.realpath(sys.base_prefix)
    closed = next((p for p in reversed([*Path(prefix).parents, Path(prefix)]) if not os.stat(p).st_mode & 1), None)
    lines = ["set -e", "mount --make-rprivate /"]
    if closed:
        lines += [
            f"mount --bind {prefix} /mnt",
            f"mount -t tmpfs -o mode=755 none {closed}",
            f"mkdir -p {prefix}",
            f"mount --move /mnt {prefix}",
        ]
    lines.append(f"exec setpriv --reuid 4711 --regid 4711 --clear-groups env HOME=/tmp {shlex.join(command)}")
    return ["unshare", "--mount", "sh", "-c", "\n".join(lines)]


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


@pytest.mark.parametrize("name", list(HONEST))
def test_an_honest_program_finds_what_it_needs(name: str) -> None:
    assert sandbox.test(HONEST[name], ["assert f(7) == 7"], names=["f"]) == sandbox.Outcome("passed")


def test_sets_have_the_same_order_in_every_run() -> None:
    program = "def f(): return list({'a', 'b', 'c', 'd', 'e', 'f'})"
    tests = ["assert f() == ORDER.split()"]
    order = sandbox.test("print(*{'a', 'b', 'c', 'd', 'e', 'f'}, flush=True)", ["pass"], names=[]).output
    for _ in range(2):
        sandbox.close_idle()
        assert sandbox.test(program, tests, names=["f"], given=f"ORDER = {order!r}").status == "passed"


def test_the_program_cannot_bring_names_the_tests_did_not_ask_for() -> None:
    done = sandbox.test(
        "def f(x): return [x]\ndef sorted(x): return [4711]", ["assert sorted(f(1)) == [4711]"], names=["f"]
    )
    assert done.status == "failed"


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n.startswith("forge")][::4])
def test_a_verdict_cannot_be_forged_even_without_namespaces(name: str) -> None:
    done = sandbox.test(PROGRAMS[name], HIDDEN, names=["f"], limits=LIMITS, mode="weak")
    assert done.status in ("failed", "timeout"), done


def test_a_sandbox_that_was_ended_from_outside_is_replaced_and_never_a_wrong_answer() -> None:
    ask: dict[str, Any] = {"program": "def f(x): return x", "tests": ["assert f(1) == 1"], "names": ["f"]}
    assert sandbox.test(**ask).status == "passed"
    for side in sandbox._idle[-1][1].sides:
        side.process.kill()
        side.process.wait()
    assert sandbox.test(**ask).status == "passed"


def test_walls_that_do_not_stand_are_the_sandboxs_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("star_cli.graders.sandbox.sides.free_uid", lambda pid: -5)
    limits = sandbox.Limits(seconds=3)
    done = sandbox.test("def f(x): return x", ["assert f(1) == 1"], names=["f"], limits=limits, mode="weak")
    assert (done.status == "broken") == (os.getuid() == 0), done


def test_a_machine_without_namespaces_is_refused_with_a_sentence_or_used_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layers = sandbox.Layers("weak", 7, True, (), "OSError: [Errno 1] unshare: Operation not permitted")
    monkeypatch.setattr(sandbox, "layers", lambda: layers)
    sandbox.best_mode.cache_clear()
    with pytest.raises(StarError, match="programs cannot be isolated on this machine: the kernel allows no namespaces"):
        sandbox.best_mode()
    from star_cli.run.doctor import findings

    row = next(f for f in findings() if f.name == "sandbox: namespaces")
    assert row.state == "note" and "grader=code refuses" in row.found and "--cap-add SYS_ADMIN" in row.mend
    sandbox.best_mode.cache_clear()
