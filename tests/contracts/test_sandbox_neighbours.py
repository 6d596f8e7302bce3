"""Nothing of one program reaches the next one, the one beside it, or the judge; nothing of the judge the program."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Iterator

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from hostile_neighbours import AFTER, BESIDE, QUIET, SCAN  # noqa: E402

from star_cli.errors import StarError  # noqa: E402
from star_cli.graders.sandbox import run as sandbox  # noqa: E402

LIMITS = sandbox.Limits(seconds=20, memory=256 << 20, disk=16 << 20)
X86 = ("System V", "POSIX queue", "a key", "reading its memory")


@pytest.fixture(autouse=True, scope="module")
def end_the_sandboxes() -> Iterator[None]:
    try:
        sandbox.best_mode()
    except StarError as e:
        pytest.skip(e.what)
    yield
    sandbox.close_idle()


def ask(program: str, test: str = "assert f(1) == 'clean', f(1)", given: str = "") -> sandbox.Outcome:
    return sandbox.test(program, [test], names=["f"], limits=LIMITS, given=given)


def only_here(name: str) -> None:
    if name.startswith(X86) and platform.machine() != "x86_64":
        pytest.skip("the numbers of the calls are those of x86-64")


@pytest.mark.parametrize("name", list(AFTER))
def test_nothing_of_a_program_reaches_the_next_one(name: str) -> None:
    only_here(name)
    plant, look = AFTER[name]
    look = look.replace("NICE", str(os.getpriority(os.PRIO_PROCESS, 0)))
    assert ask(look) == sandbox.Outcome("passed"), "before"
    assert ask(plant, "f(1)") == sandbox.Outcome("passed")
    pair = sandbox._idle[-1][1]
    assert ask(look) == sandbox.Outcome("passed"), "after"
    assert sandbox._idle[-1][1] is pair, "both were forked from the same processes"


@pytest.mark.parametrize("name", list(BESIDE))
def test_nothing_of_a_program_reaches_the_one_beside_it(name: str) -> None:
    only_here(name)
    hold, look = BESIDE[name]
    held: list[sandbox.Outcome] = []
    thread = threading.Thread(target=lambda: held.append(ask(hold, "assert f(1) == 1")))
    thread.start()
    seen = ask(look.replace("def f(x):", "import time\ntime.sleep(0.7)\ndef f(x):", 1))
    thread.join()
    assert seen == sandbox.Outcome("passed") and held == [sandbox.Outcome("passed")]


def test_a_program_that_holds_the_mark_finds_it() -> None:
    """The search of memory can find something: else it would prove nothing."""
    assert (
        ask("kept = ['NEIGHBOUR-MARK-' + str(4711) for i in range(10000)]\n" + SCAN, "assert f(1) == 'found'").status
        == "passed"
    )


def test_nothing_of_the_tests_is_in_the_programs_memory() -> None:
    given = "MARKS = ['NEIGHBOUR-MARK-4711' + str(i) for i in range(10000)]"
    test = "assert f(1) == 'clean', 'NEIGHBOUR-MARK-4711'"
    assert ask(SCAN, test, given) == sandbox.Outcome("passed")
    assert ask(SCAN, test, given) == sandbox.Outcome("passed")


def test_nothing_of_one_judge_reaches_the_next_one() -> None:
    plant = (
        "import builtins, json, os\nbuiltins.planted = json.planted = 1\nos.environ['STAR'] = 'x'\nopen('kept', 'w')\n"
    )
    look = (
        "import builtins, json, os\nassert not hasattr(builtins, 'planted') and not hasattr(json, 'planted')\n"
        "assert 'STAR' not in os.environ and os.listdir() == []"
    )
    assert ask(QUIET, look) == sandbox.Outcome("passed")
    assert ask(QUIET, plant) == sandbox.Outcome("passed")
    assert ask(QUIET, look) == sandbox.Outcome("passed")


def test_what_a_program_printed_is_not_the_next_ones() -> None:
    assert "mine" in ask("print('mine' * 10000, flush=True)\n" + QUIET, "f(1)").output
    assert ask("print('yours', flush=True)\n" + QUIET, "f(1)").output == "yours\n"
