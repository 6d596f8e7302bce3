"""A run whose rationales a model judges: the run's own engine is asked, and its votes are artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import SMALL, Result, call

from star_cli.core import registry
from star_cli.core.records import Rationale, Verdict
from star_cli.store.artifacts import Store

EXAMINER = '''
"""An engine that writes sums as the fake one does, and judges texts as an honest examiner."""
import re
from star_cli.api import Completion, Engine, register
from star_cli.core.registry import get


@register("engine", "examiner", version=1)
class Examiner(Engine):
    garbled: bool = False

    def open(self, model, runtime):
        return Session(get("engine", "fake")().open(model, runtime), self.garbled)


class Session:
    device = "fake"

    def __init__(self, fake, garbled):
        self.fake, self.garbled, self.model = fake, garbled, fake.model

    def stream(self, requests):
        for request in requests:
            asked = re.search(r"Known answer: (.*?)\\n\\nTEXT (\\w+)\\n(.*)\\nTEXT \\2\\n", request.prompt.text, re.S)
            if asked is None:
                yield from self.fake.stream([request])
                continue
            answer, code, text = asked.groups()
            word = "RIGHT" if text.strip().splitlines()[-1] == answer else "WRONG"
            end = "I like it" if self.garbled else f"VERDICT {code}: {word}"
            yield Completion(request.id, f"I look at its last line.\\n{end}", 9, "stop", -1.0)

    def score(self, items):
        return self.fake.score(items)

    def swap(self, model):
        self.model = model
        return self.fake.swap(model)

    def sleep(self):
        pass

    wake = close = sleep
'''
JUDGE = ["engine=examiner", "grader=judge"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for all: a module of parts has one place in a process. The engine is gone after the last test."""
    home = tmp_path_factory.mktemp("home")
    (home / "examiner.py").write_text(EXAMINER)
    yield home
    registry._parts["engine"].pop("examiner", None)


@pytest.fixture
def run(place: Path) -> Callable[..., Result]:
    """`star` on that home."""

    def star(*args: str, code: int = 0) -> Result:
        result = call(place, *args)
        assert result.code == code, result.err
        return result

    return star


PARTS = "parts=examiner.py"


def test_a_judged_run_keeps_what_an_exact_grader_keeps(run, place):
    run("run", *SMALL, PARTS, *JUDGE, "name=judged")
    run("run", *SMALL, PARTS, "engine=examiner", "name=exact")
    shown = {name: run("show", name, "--json").json for name in ("judged", "exact")}
    assert [r["accuracy"] for r in shown["judged"]["rounds"]] == [r["accuracy"] for r in shown["exact"]["rounds"]]
    keys = {s["stage"]: s["key"] for s in shown["judged"]["stages"] if s["round"] == 1}
    store = Store(place / "artifacts")
    votes = list(store.find(keys["votes-filter"]).read(Rationale))
    verdicts = list(store.find(keys["filter"]).read(Verdict))
    assert [v.problem_id for v in votes] == [f"{v.problem_id}/{v.sample}" for v in verdicts]
    assert store.find(keys["filter"]).input("votes") == keys["votes-filter"]
    base = next(s["key"] for s in shown["judged"]["stages"] if s["stage"] == "pretrain")
    assert store.find(keys["votes-filter"]).input("model") == base
    run("run", *SMALL, PARTS, *JUDGE, "name=again")
    assert all(s["hit"] for s in run("show", "again", "--json").json["stages"])


def test_a_judge_that_cannot_be_read_stops_the_run(run):
    result = run("run", *SMALL, PARTS, *JUDGE, "name=garbled", "engine.garbled=true", code=1)
    assert "the grader failed on" in result.err and "the judge is undecided" in result.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["method=b_star"], "method=b_star judges before"),
        (["sampling.stop_after=1", "samples=2", "sampling.temperature=1"], "sampling.stop_after needs verdicts before"),
    ],
)
def test_what_needs_verdicts_while_it_writes_is_refused(run, args, says):
    assert says in run("run", *SMALL, PARTS, *JUDGE, *args, code=1).err


def test_star_grade_loads_no_model(run, place):
    (place / "a.jsonl").write_text('{"id": 1, "gold": "1", "prediction": "1"}\n')
    assert "star grade loads no model" in run("grade", "a.jsonl", "grader=judge", code=1).err
