"""Grading while text is written: the same bytes as without it, whatever is interrupted, and the writer never waits."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from by_hand import committed
from conftest import SMALL, call

sys.path.insert(0, os.path.dirname(__file__))
from pool_graders import Apart, Unruly  # noqa: E402

from star_cli.backends.engines.fake import Fake, FakeSession  # noqa: E402
from star_cli.core import registry  # noqa: E402
from star_cli.core.parts import Completion, Grader, ModelRef, Request
from star_cli.core.records import Example, Problem, Rationale, Record, Verdict  # noqa: E402
from star_cli.core.settings import Runtime, Sampling  # noqa: E402
from star_cli.errors import EngineDied, StarError  # noqa: E402
from star_cli.stages.base import StageContext
from star_cli.stages.filter import Filter  # noqa: E402
from star_cli.stages.generate import Generate  # noqa: E402
from star_cli.stages.grading import cache as early
from star_cli.stages.grading import pool
from star_cli.stages.grading.cache import AHEAD, EarlyGrading, VerdictCache, cache_file  # noqa: E402
from star_cli.stages.grading.judge import check_golds, grade_all  # noqa: E402
from star_cli.stages.keeping import KeepRule
from star_cli.store.artifacts import VERDICT_CACHE, Artifact, Store  # noqa: E402
from star_cli.tasks.addition import Addition  # noqa: E402


class Still:
    """A display that nobody looks at."""

    def step(self, n: int = 1, **told: Any) -> None: ...

    def close(self) -> None: ...


def text(problem: Problem, sample: int, said: str, finish: str = "stop") -> Rationale:
    return Rationale(
        problem_id=problem.id,
        sample=sample,
        text=said,
        hinted=False,
        finish=finish,
        tokens=1,
        logprob=None,
        seed=0,
        prompt_key="",
    )


def artifact(store: Store, key: str, kind: type[Record], records: Iterable[Record]) -> Artifact:
    draft = store.draft(key)
    draft.write(kind, records)
    return committed(store, draft, "test")


def problem(i: int, answer: str | None = None, **more: Any) -> Problem:
    return Problem(id=f"p{i}", question=f"{i} + 1", answer=str(i + 1) if answer is None else answer, **more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts").open()


def waited(judge: EarlyGrading, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while judge.held and time.monotonic() < end:
        time.sleep(0.01)
    assert not judge.held


# ---- the cache -----------------------------------------------------------------------------------------------------
def pair(store: Store, n: int = 20) -> tuple[Artifact, Artifact, list[tuple[Problem, Rationale]]]:
    items = [(problem(i), text(problem(i), 0, str(i + 1 + (i % 3 == 0)))) for i in range(n)]
    problems = artifact(store, "a" * 32, Problem, (p for p, _ in items))
    return problems, artifact(store, "b" * 32, Rationale, (r for _, r in items)), items


def test_a_warm_cache_gives_the_verdicts_of_a_cold_one_and_judges_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems, rationales, items = pair(store)
    cold = list(grade_all(Apart(), Addition(), problems, rationales, 1))
    judge = EarlyGrading(Apart(), cache_file(store.root, rationales.key, Apart()), 1)
    for p, r in items:
        judge.offer(p, r)
    waited(judge)
    judge.close()

    def never(*_: Any) -> None:
        raise AssertionError("judged again")

    monkeypatch.setattr(pool.Pool, "put", never)
    assert list(grade_all(Apart(), Addition(), problems, rationales, 1)) == cold
    assert {v.correct for _, _, v in cold} == {True, False}
    with pytest.raises(AssertionError, match="judged again"):  # settings of the grader are part of the address
        list(grade_all(Apart(after="x"), Addition(), problems, rationales, 1))


def test_half_a_cache_with_a_torn_line_is_half_the_work_and_the_same_verdicts(store: Store, tmp_path: Path) -> None:
    problems, rationales, items = pair(store)
    log = tmp_path / "log"
    grader = Apart(log=str(log))
    cold = list(grade_all(grader, Addition(), problems, rationales, 2))
    path = cache_file(store.root, rationales.key, grader)
    judge = EarlyGrading(grader, path, 1)
    for p, r in items[::2]:
        judge.offer(p, r)
    waited(judge)
    judge.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    log.write_text("")
    assert list(grade_all(grader, Addition(), problems, rationales, 2)) == cold
    assert len(log.read_text().splitlines()) == len(items) - len(items[::2]) + 1
    judge = EarlyGrading(grader, path, 1)  # and a writer that goes on starts a line of its own
    for p, r in items:
        judge.offer(p, r)
    waited(judge)
    judge.close()
    with VerdictCache(path) as known:
        assert len(known) == len(items)


def test_a_verdict_counts_for_the_very_text_it_was_given_on(store: Store) -> None:
    problems, rationales, items = pair(store, 4)
    path = cache_file(store.root, rationales.key, Apart())
    judge = EarlyGrading(Apart(), path, 1)
    for p, r in items:
        judge.offer(p, text(p, r.sample, "something else"))
    waited(judge)
    judge.close()
    with VerdictCache(path) as known:
        assert len(known) == 4 and [known(p, r) for p, r in items] == [None] * 4


def test_what_a_busy_machine_may_have_caused_is_never_kept(store: Store) -> None:
    judge = EarlyGrading(Unruly(seconds=0.5), store.root / "x" / "y.jsonl", 1)
    for i, said in enumerate(["ok", "hang", "exit", "raise", "ok"]):
        judge.offer(problem(i), text(problem(i), 0, said))
    waited(judge)
    judge.close()
    kept = [json.loads(line)["verdict"] for line in judge.path.read_bytes().splitlines()]
    assert [(v["problem_id"], v["reason"]) for v in kept] == [("p0", "MATCH"), ("p4", "MATCH")]


def test_an_offer_never_waits_and_little_is_held(store: Store) -> None:
    judge = EarlyGrading(Unruly(seconds=60), store.root / "x" / "y.jsonl", 1)
    started = time.monotonic()
    for i in range(20 * AHEAD):
        judge.offer(problem(i), text(problem(i), 0, "hang"))
    assert judge.held <= AHEAD
    judge.close()
    assert time.monotonic() - started < 5, "a hanging sample held the writer up"


def test_the_workers_stand_back(store: Store) -> None:
    judge = EarlyGrading(Unruly(), store.root / "x" / "y.jsonl", 1)
    judge.offer(problem(0), text(problem(0), 0, "ok"))
    waited(judge)
    judge._file.flush()
    pid = int(json.loads(judge.path.read_bytes())["verdict"]["answer"])
    assert os.getpriority(os.PRIO_PROCESS, pid) == early.NICE and not len(judge.known)
    judge.close()


def test_a_grader_that_does_not_start_is_said_once_and_the_writing_goes_on(store: Store) -> None:
    class Lost(Unruly):
        def __reduce__(self) -> tuple[object, ...]:
            return (int, ("not a number",))

    said: list[str] = []
    judge = EarlyGrading(Lost(), store.root / "x" / "y.jsonl", 1, said.append)
    for i in range(5):
        judge.offer(problem(i), text(problem(i), 0, "ok"))
        time.sleep(0.3)
    waited(judge)
    judge.close()
    assert len(said) == 1 and "a grading process did not start" in said[0]


# ---- generate ------------------------------------------------------------------------------------------------------
class Counting(FakeSession):
    """Counts what it writes, and dies after ``left``."""

    written = 0

    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for done in super().stream(requests):
            type(self).written += 1
            yield done


def generate(
    store: Store,
    tmp_path: Path,
    key: str,
    spec: Generate,
    problems: Artifact,
    *,
    die: int = 0,
    grader: Grader | None = None,
    early: bool = True,
) -> bytes | None:
    """The rationales of one run of the stage, or None where the engine died for good."""
    config = tmp_path / "model" / "config.json"
    config.parent.mkdir(exist_ok=True)
    config.write_text('{"model_type": "fake", "skill": 0.4}')
    session = Counting(Fake(die_after=die, die_always=True), ModelRef("m", str(config.parent)))

    def no_other(model: Artifact, error: StarError) -> Any:
        raise error

    draft = store.draft(key)
    work = StageContext(
        draft=draft,
        inputs={"model": problems, "problems": problems},
        runtime=Runtime(grade_workers=2, grade_early=early, sync_seconds=0),
        session=lambda model: session,
        revive=no_other,
        model=lambda model: session.model,
        meter=lambda what, total: Still(),
        warn=lambda text: None,
        glance=lambda p, r: None,
        grader=grader,
    )
    try:
        spec.run(work)
    except EngineDied:
        return None
    finally:
        draft.close()
    return (draft.path / Rationale.file).read_bytes()


@pytest.fixture
def sums(store: Store) -> Artifact:
    return artifact(store, "c" * 32, Problem, list(Addition(train=10).problems("train")))


@pytest.mark.parametrize("die", [3, 17, 39])
def test_writing_that_is_interrupted_ends_with_the_same_bytes(
    store: Store, tmp_path: Path, sums: Artifact, die: int
) -> None:
    spec = Generate(task=Addition(), engine=Fake(), sampling=Sampling(temperature=1.0), samples=4, seed=1, round=1)
    grader = Apart(after="</scratch>")
    whole = generate(store, tmp_path, "1" * 32, spec, sums, grader=grader)
    stopped = generate(store, tmp_path, "2" * 32, spec, sums, die=die, grader=grader)
    assert stopped is None, "it was to die before it was done"
    assert generate(store, tmp_path, "2" * 32, spec, sums, grader=grader) == whole


def test_verdicts_and_examples_are_the_same_bytes_with_early_grading_and_without(
    store: Store, tmp_path: Path, sums: Artifact
) -> None:
    grader = Apart(after="</scratch>")
    spec = Generate(task=Addition(), engine=Fake(), sampling=Sampling(temperature=1.0), samples=4, seed=1, round=1)
    written: list[list[bytes]] = []
    for key, begin in (("1" * 32, True), ("2" * 32, False)):
        generate(store, tmp_path, key, spec, sums, grader=grader, early=begin)
        made = committed(store, store.draft(key), "generate", tag={"round": 1})
        rows = len((made.path / Rationale.file).read_text().splitlines())
        entry = made.manifest.files[Rationale.file]
        made.manifest.files[Rationale.file] = msgspec.structs.replace(entry, rows=rows, schema=Rationale.schema)
        assert cache_file(store.root, key, grader).exists() == begin
        draft = store.draft(key[:-1] + "f")
        work = StageContext(
            draft=draft,
            inputs={"problems": sums, "rationales": made},
            runtime=Runtime(grade_workers=2),
            session=lambda m: pytest.fail("engine"),
            revive=lambda m, e: pytest.fail("engine"),
            model=lambda m: pytest.fail("model"),
            meter=lambda what, total: Still(),
            warn=lambda text: None,
            glance=lambda p, r: None,
        )
        Filter(task=Addition(), grader=grader, keep=KeepRule(limit=2)).run(work)
        written.append([(draft.path / kind.file).read_bytes() for kind in (Verdict, Example)])
    assert written[0] == written[1] and all(written[0])


def test_gc_removes_the_cache(home: Path) -> None:
    folder = home / "artifacts" / VERDICT_CACHE
    folder.mkdir(parents=True)
    (folder / "x-y.jsonl").write_text("{}\n")
    assert call(home, "gc", "--yes", "--json").json["removed"] == [VERDICT_CACHE] and not folder.exists()


@pytest.mark.slow
def test_early_verdicts_leave_no_trace_in_the_artifacts_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("math_verify")
    args = [
        "run",
        *SMALL,
        "rounds=1",
        "problems=60",
        "method.rationalize=false",
        "grader=any_of",
        "grader.graders=[numeric,math]",
        "engine.seconds=0.05",
        "name=r",
    ]
    files: list[dict[str, Any]] = []
    for begin in ("true", "false"):
        home = tmp_path / begin
        home.mkdir()
        done = call(home, *args, f"runtime.grade_early={begin}")
        assert done.code == 0, done.err
        found = Store(home / "artifacts")
        manifests = {k: found.get(k).manifest for k in found.keys()}  # type: ignore[union-attr]
        files.append({k: {n: f.sha256 for n, f in m.files.items()} for k, m in manifests.items()})
        caches = list((home / "artifacts" / VERDICT_CACHE).glob("*.jsonl"))
        assert bool(caches) == (begin == "true")
    assert files[0] == files[1]
    written = {k for k, m in manifests.items() if m.stage == "generate"}
    for cache in (tmp_path / "true" / "artifacts" / VERDICT_CACHE).glob("*.jsonl"):
        assert cache.name.partition("-")[0] in written
    home = tmp_path / "true"
    lines = [line for c in (home / "artifacts" / VERDICT_CACHE).glob("*") for line in c.read_bytes().splitlines()]
    assert len(lines) > 10, "next to nothing was judged early"


# ---- known answers that no grader can use --------------------------------------------------------------------------
def test_unusable_answers_are_listed_with_their_share_and_refused_above_the_limit(store: Store) -> None:
    rows = [problem(i, "unknown" if i % 4 == 0 else None) for i in range(80)]
    problems = artifact(store, "d" * 32, Problem, rows)
    said: list[str] = []
    numeric = registry.get("grader", "numeric")()
    with pytest.raises(StarError) as e:
        check_golds(numeric, problems, 0.2, said.append)
    told = e.value.what
    assert "20 of 80 problems (25.0%) cannot be graded, more than filter.max_gold_errors=0.2" in told
    assert "p0: the known answer 'unknown' is not a number" in told and "p36: " in told and "p40: " not in told
    assert told.endswith("and 10 more") and not said
    check_golds(numeric, problems, 0.25, said.append)
    check_golds(numeric, problems, 0.25, said.append)
    assert len(said) == 1 and "20 of 80 problems (25.0%)" in said[0]


FAULTS = [
    ("exact", problem(0, " "), "the known answer is empty"),
    ("numeric", problem(0, "5 or 6"), "'5 or 6' is not a number"),
    ("choice", problem(0, "F", choices=["a cat", "a dog"]), "'F' is not among the 2 choices"),
    ("math", problem(0, ""), "is empty"),
    ("math", problem(0, r"\frac{"), r"the known answer '\\frac{'"),
    ("code", problem(0, ""), "the problem has no tests"),
    ("code", problem(0, "double(2) should be 4"), "the tests are no Python"),
    ("all_of", problem(0, "red"), "'red' is not a number"),
    ("exact", problem(0, images=["/no/such.png"]), "the picture /no/such.png does not exist"),
]


@pytest.mark.parametrize(("name", "faulty", "told"), FAULTS, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(FAULTS)])
def test_every_grader_says_what_it_cannot_use(store: Store, name: str, faulty: Problem, told: str) -> None:
    if name == "math":
        pytest.importorskip("math_verify")
    problems = artifact(store, "e" * 31 + str(FAULTS.index((name, faulty, told))), Problem, [faulty])
    with pytest.raises(StarError) as e:
        check_golds(registry.get("grader", name)(), problems, 0.0, lambda text: None, 1)
    assert told in e.value.what and "1 of 1 problems (100.0%)" in e.value.what


@pytest.mark.parametrize("name", ["exact", "numeric", "choice", "math", "code", "all_of", "any_of"])
def test_a_fault_of_the_known_answer_is_what_a_grader_cannot_judge(name: str) -> None:
    """Over each grader's own table: a fault wherever even a right text is GRADER_ERROR, and nowhere else."""
    if name == "math":
        pytest.importorskip("math_verify")
    grader = registry.get("grader", name)()
    for row in grader.CASES:
        more = row[3] if len(row) > 3 else {}
        asked = Problem(id="p", question="", answer=row[0], choices=more.get("choices"), meta=more.get("meta", {}))
        fault = grader.gold_fault(asked)
        if name == "all_of" and row[0] == "red":
            assert fault
        else:
            assert (fault is not None) == (row[2] == "GRADER_ERROR") or (name == "any_of" and fault is None), row
    assert grader.gold_fault(problem(0, "2", meta={"tests": ["assert f() == 2"]}, choices=["2", "3"])) is None


def test_generate_refuses_before_a_single_sample_is_written(store: Store, tmp_path: Path) -> None:
    problems = artifact(store, "f" * 32, Problem, [problem(i, "many" if i else None) for i in range(4)])
    spec = Generate(task=Addition(), engine=Fake(), sampling=Sampling(), samples=1, seed=0, round=1)
    draft = store.draft("9" * 32)
    work = StageContext(
        draft=draft,
        inputs={"model": problems, "problems": problems},
        runtime=Runtime(),
        session=lambda model: pytest.fail("an engine was started"),
        revive=lambda m, e: pytest.fail("revived"),
        model=lambda m: pytest.fail("loaded"),
        meter=lambda what, total: Still(),
        warn=lambda text: None,
        glance=lambda p, r: None,
        grader=registry.get("grader", "numeric")(),
        max_gold_errors=0.5,
    )
    with pytest.raises(StarError, match="3 of 4 problems .75.0%. cannot be graded"):
        spec.run(work)
    draft.close()


def test_a_run_whose_answers_the_grader_cannot_use_is_refused_in_a_sentence(home: Path) -> None:
    data = home / "train.jsonl"
    data.write_text("".join(json.dumps({"question": f"{i} + 1?", "answer": "some"}) + "\n" for i in range(30)))
    done = call(
        home,
        "run",
        "model=fake",
        "task=jsonl",
        f"task.path={data}",
        "grader=numeric",
        "rounds=1",
        "evaluation.split=train",
        "pretraining.steps=1",
    )
    assert done.code == 1 and "next: " in done.err
    assert "(100.0%) cannot be graded, more than filter.max_gold_errors=0.02" in done.err
    assert Verdict.file not in {p.name for p in (home / "artifacts").rglob("*")}
