"""Workers: a hanging, exploding or dying grader costs one item, never the order, the ids or the rest."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from pool_graders import Unruly  # noqa: E402
from raid import left_behind  # noqa: E402

from star_cli.core import registry  # noqa: E402
from star_cli.core.records import Problem, Rationale  # noqa: E402
from star_cli.errors import StarError  # noqa: E402
from star_cli.graders.sandbox.run import best_mode  # noqa: E402
from star_cli.stages.grading.pool import BATCH, graded  # noqa: E402


def items(texts: Iterator[str] | list[str]) -> Iterator[tuple[Problem, Rationale]]:
    for i, text in enumerate(texts):
        yield (
            Problem(id=f"p{i}", question="", answer=""),
            Rationale(
                problem_id=f"p{i}",
                sample=i % 3,
                text=text,
                hinted=False,
                finish="stop",
                tokens=1,
                logprob=None,
                seed=0,
                prompt_key="",
            ),
        )


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_misbehaviour_costs_one_item_and_keeps_order_and_ids() -> None:
    texts = [
        "ok",
        "hang",
        "ok",
        "exit",
        "raise",
        "print",
        "ok",
        "segfault",
        "ok",
        "explode",
        "ok",
        "deaf",
        "ok",
        "torch",
    ]
    found = [v for _, _, v in graded(Unruly(), items(texts), workers=2)]
    assert [v.problem_id for v in found] == [f"p{i}" for i in range(len(texts))]
    assert [v.sample for v in found] == [i % 3 for i in range(len(texts))]
    reasons = dict(zip(texts, (v.reason for v in found), strict=True))
    assert reasons == {
        "ok": "MATCH",
        "hang": "TIMEOUT",
        "exit": "GRADER_ERROR",
        "raise": "GRADER_ERROR",
        "print": "MATCH",
        "segfault": "GRADER_ERROR",
        "explode": "GRADER_ERROR",
        "deaf": "TIMEOUT",
        "torch": "MATCH",
    }
    assert all(v.correct == (v.reason == "MATCH") for v in found)
    assert found[4].answer == "KeyError: 'nothing here'" and "exit code 3" in str(found[3].answer)
    assert found[-1].answer == "False", "a worker imported torch"


def test_no_worker_is_left_behind_even_when_the_reader_gives_up() -> None:
    reader = graded(Unruly(), items(["ok"] * 40), workers=2)
    pids = {int(str(next(reader)[2].answer)) for _ in range(10)}
    reader.close()
    time.sleep(0.1)
    assert not [p for p in pids if alive(p)]


@pytest.mark.parametrize("given_up", [False, True])
def test_no_sandbox_is_left_behind_when_its_worker_ends_or_is_killed(given_up: bool) -> None:
    try:
        best_mode()
    except StarError as e:
        pytest.skip(e.what)
    before = left_behind()
    text = "import time\ntime.sleep(30)" if given_up else "def f(): return 1"
    problem = Problem(id="p", question="", answer="assert f() == 1")
    rows = [(problem, rationale) for _, rationale in items(["def f(): return 1"] * 4 + [text] * 4)]
    reader = graded(registry.get("grader", "code")(), rows, workers=2)
    assert [next(reader)[2].reason for _ in range(4 if given_up else 8)] == ["MATCH"] * (4 if given_up else 8)
    reader.close()
    deadline = time.monotonic() + 10
    while left_behind() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left_behind() - before == set()


def test_only_a_few_batches_are_held_however_long_the_source() -> None:
    pulled = 0

    def endless() -> Iterator[str]:
        nonlocal pulled
        while True:
            pulled += 1
            yield "ok"

    reader = graded(Unruly(), items(endless()), workers=1)
    for _ in range(100):
        next(reader)
    reader.close()
    assert pulled <= 100 + 4 * BATCH + 1


def test_a_grader_that_cannot_be_loaded_is_a_sentence() -> None:
    from star_cli.errors import StarError

    with pytest.raises(StarError, match="a grading process did not start"):
        list(graded(Lost(), items(["ok"]), workers=1))


class Lost(Unruly):
    """Pickles to something that no worker can load."""

    def __reduce__(self) -> tuple[object, ...]:
        return (int, ("not a number",))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
@pytest.mark.slow
def test_two_workers_are_nearly_twice_as_fast() -> None:
    def seconds(workers: int) -> float:
        reader = graded(Unruly(work=0.01, seconds=10), items(["ok"] * 400), workers=workers)
        next(reader)
        started = time.monotonic()
        assert sum(1 for _ in reader) == 399
        return time.monotonic() - started

    assert seconds(1) / seconds(2) > 1.6
