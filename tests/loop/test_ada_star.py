"""AdaSTaR on fakes: what a round looks at is what the algorithm, one problem after the other, would look at."""

from __future__ import annotations

import math
import random
import signal
import time

import pytest
from conftest import call, start

from star_cli.backends.engines.fake import Fake, FakeSession
from star_cli.core.keys import seed_of
from star_cli.core.parts import ModelRef, Request
from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict
from star_cli.core.settings import Sampling
from star_cli.graders.exact import Exact
from star_cli.methods.ada_star.records import Peek, Priority
from star_cli.store.artifacts import Store
from star_cli.tasks.addition import Addition
from star_cli.testing import Book, hashes

ARGS = [
    "model=fake",
    "method=ada_star",
    "rounds=3",
    "method.beta=50",
    "task.train=80",
    "task.dev=20",
    "problems=150",
    "name=ada",
    "runtime.sync_seconds=0.02",
    "method.alpha=train",
]
DEFAULT = [a for a in ARGS if not a.startswith("method.alpha")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("ada")
    done = call(place, "run", *ARGS, f"engine.count_file={place / 'count'}")
    assert done.code == 0, done.err
    return place


def literal(problems, heap, model, target, round):
    """Algorithm 1's while loop, one problem and one attempt at a time: what it looks at, keeps and learns of them."""
    task, grader = Addition(), Exact(after="</scratch>")
    reference = ModelRef(model.key, str(model.directory("model")))

    def attempt(p, sample, hint):
        seed = seed_of(0, round, hint, p.id, sample)
        request = Request((p.id, sample), task.prompt(p, hint), Sampling(temperature=1.0), 99, (), seed)
        text = next(iter(FakeSession(Fake(), reference).stream([request]))).text
        return text, grader.judge(p.answer, text)[0]

    order = sorted(problems, key=lambda p: (heap.get(p.id, (0, 0.0)), seed_of("tie", 0, p.id)))
    kept, peeked = [], []
    for p in order:
        if len(kept) >= target:
            break
        text, right = attempt(p, 0, False)
        origin, tried = "own", 1
        if not right:
            text, right = attempt(p, 1, True)
            origin, tried = "rationalized", 2
        if right:
            kept.append((p.id, tried - 1, text, origin))
        peeked.append((p.id, right / tried))
    return peeked, kept


def test_every_round_is_that_of_the_algorithm_box(home):
    book = Book(home, "ada")
    problems, heap = list(book(1, "problems").read(Problem)), {}
    model = book(0, "pretrain")
    for t in (1, 2, 3):
        looked, target = book(t, "ada_sample"), int(50 * 1.2 ** (t - 1))
        peeked, kept = literal(problems, heap, model, target, t)
        assert [(k.problem_id, k.w) for k in sorted(looked.read(Peek), key=lambda k: k.position)] == peeked
        rows = list(looked.read(Example))
        assert [(e.problem_id, e.sample, e.completion, e.origin) for e in rows] == kept
        assert len(rows) == target and {(e.round, e.generator) for e in rows} == {(t, model.key)}
        model = book(t, "finetune")
        if t < 3:
            alpha = next(m.value for m in book(t, "evaluate-peeked").read(Metric) if m.name == "accuracy")
            for name, w in peeked[: math.floor(len(peeked) * alpha**2 + 1e-9)]:
                heap[name] = (t, w)
            state = {e.problem_id: (e.sampled, e.won) for e in book(t, "ada_state").read(Priority)}
            assert state == {p.id: heap.get(p.id, (0, 0.0)) for p in problems}
            assert 0 < sum(when == t for when, _ in state.values()) < len(peeked), "nothing was due again: a weak test"
    assert len({p for p, _ in peeked}) == len(peeked)


def test_alpha_is_the_accuracy_of_the_new_weights_on_what_was_looked_at(home):
    book = Book(home, "ada")
    for t in (1, 2):
        answers = book(t, "generate-peeked")
        assert answers.manifest.inputs["model"] == book(t, "finetune").key
        assert answers.tag["sampling"]["temperature"] == 0
        assert {r.problem_id for r in answers.read(Rationale)} == {
            k.problem_id for k in book(t, "ada_sample").read(Peek)
        }
        assert book(t, "ada_state").metrics["alpha"] == book(t, "evaluate-peeked").metrics["accuracy"]


def test_weights_continue_and_each_round_is_written_by_the_model_before(home):
    book = Book(home, "ada")
    before = book(0, "pretrain")
    for t in (1, 2, 3):
        tuned = book(t, "finetune")
        assert tuned.metrics["start_weights"] == before.metrics["end_weights"]
        assert tuned.manifest.inputs["start"] == book(t, "ada_sample").manifest.inputs["model"] == before.key
        before = tuned
    assert [book(t, "finetune").metrics["steps"] for t in (1, 2, 3)] == [40, 48, 57]


def test_what_was_written_is_all_there_and_a_hint_is_never_learned(home):
    book = Book(home, "ada")
    for t in (1, 2, 3):
        looked = book(t, "ada_sample")
        verdicts = {v.identity(): v.correct for v in looked.read(Verdict)}
        written = list(looked.read(Rationale))
        assert {r.identity() for r in written} == set(verdicts)
        assert {(e.problem_id, e.sample) for e in looked.read(Example)} == {i for i, right in verdicts.items() if right}
        assert all(r.hinted == (r.sample == 1) for r in written)
        assert not any("Target: " in e.prompt or "Target" in e.completion for e in looked.read(Example))
        assert looked.metrics["solved"] + looked.metrics["hinted"] == looked.metrics["problems"]


def test_what_was_written_can_be_looked_at(home):
    rows = call(home, "show", "ada/round-2/ada_sample", "--hinted", "-n", "500", "--json").json["samples"]
    told = Book(home, "ada")(2, "ada_sample").metrics
    assert len(rows) == told["hinted"] and sum(r["correct"] for r in rows) == told["hinted_right"]
    shown = call(home, "show", "ada", "--json").json["rounds"][2]
    assert shown["solved"] == told["solved"] / told["problems"]


def test_the_size_of_a_chunk_changes_nothing(home, tmp_path, monkeypatch):
    from star_cli.methods.ada_star.stages import AdaSample

    sizes = set()
    for chunk in (1, 7, 500):
        place = tmp_path / f"{chunk}"
        place.mkdir()
        monkeypatch.setattr(AdaSample.__init__, "__kwdefaults__", {**AdaSample.__init__.__kwdefaults__, "chunk": chunk})
        assert call(place, "run", *ARGS, f"engine.count_file={place / 'count'}").code == 0
        assert hashes(place) == hashes(home)
        sizes.add((place / "count").stat().st_size)
    assert len(sizes) > 1, "the chunks were all the same"


def test_a_killed_run_ends_with_the_same_bytes(home, tmp_path):
    rng, total = random.Random(5), (home / "count").stat().st_size
    count = tmp_path / "count"
    args = ["run", *ARGS, f"engine.count_file={count}", "engine.seconds=0.004"]
    for _ in range(3):
        before = count.stat().st_size if count.exists() else 0
        process = start(tmp_path, *args)
        while process.poll() is None and (count.stat().st_size if count.exists() else 0) < before + rng.randint(5, 90):
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = sum(
        j.read_bytes().count(b"\n") for d in Store(tmp_path / "artifacts").partials() for j in d.glob("*.journal")
    )
    written = count.stat().st_size
    assert call(tmp_path, *args).code == 0
    assert hashes(tmp_path) == hashes(home)
    assert count.stat().st_size <= total + 3 * 60, "samples that had been saved were generated again"
    assert count.stat().st_size - written + kept <= total
    assert not Store(tmp_path / "artifacts").partials()


def test_an_engine_that_dies_once_changes_nothing(home, tmp_path):
    assert call(tmp_path, "run", *ARGS, "engine.die_after=30").code == 0
    assert hashes(tmp_path) == hashes(home)


def test_a_grader_in_processes_of_its_own_changes_nothing(home, tmp_path, monkeypatch):
    monkeypatch.setattr(Exact, "isolated", property(lambda self: True))
    assert call(tmp_path, "run", *ARGS, "rounds=2", "runtime.grade_workers=1").code == 0
    here, there = hashes(tmp_path), hashes(home)
    assert len(here) > 10 and all(here[k] == there[k] for k in here)


def test_the_published_codes_settings(tmp_path):
    done = call(tmp_path, "run", *DEFAULT, "rounds=2", "method.rounding=round", "method.start=base")
    assert done.code == 0, done.err
    book = Book(tmp_path, "ada")
    told = book(1, "ada_sample").metrics
    acc = told["solved"] / told["problems"]
    alpha = acc + (1 - acc) * told["hinted_right"] / told["hinted"]
    assert book(1, "ada_state").metrics["alpha"] == pytest.approx(alpha)
    assert book(1, "ada_state").metrics["sampled"] == round(told["problems"] * alpha**2)
    assert not {e.name for e in book.events} & {"generate-peeked", "evaluate-peeked"}, "measuring alpha is billed"
    sampling = book(1, "ada_sample").tag["sampling"]
    assert (sampling["temperature"], sampling["top_p"]) == (1.0, 0.9)
    assert book(2, "finetune").manifest.inputs["start"] == book(0, "pretrain").key


def test_without_rationalization_every_attempt_is_made_unless_one_right_is_enough(tmp_path):
    plain = ["run", *ARGS, "rounds=1", "method.rationalize=false", "samples=3"]
    assert call(tmp_path, *plain).code == 0
    looked = Book(tmp_path, "ada")(1, "ada_sample")
    verdicts = list(looked.read(Verdict))
    assert len(verdicts) == 3 * looked.metrics["problems"] and not any(r.hinted for r in looked.read(Rationale))
    share = {k.problem_id: k.w for k in looked.read(Peek)}
    assert all(share[p] * 3 == pytest.approx(sum(v.correct for v in verdicts if v.problem_id == p)) for p in share)
    assert call(tmp_path, *plain, "method.until_right=true", "name=until").code == 0
    until = Book(tmp_path, "until")(1, "ada_sample")
    for k in until.read(Peek):
        told = [v.correct for v in until.read(Verdict) if v.problem_id == k.problem_id]
        assert told[:-1] == [False] * (len(told) - 1) and (told[-1] or len(told) == 3)
        assert k.w == sum(told) / len(told)


def test_too_few_problems_are_said_and_the_run_goes_on(tmp_path):
    done = call(tmp_path, "run", *ARGS, "rounds=2", "problems=40", "method.beta=100")
    assert done.code == 0 and "all 40 problems gave" in done.out + done.err
    assert Book(tmp_path, "ada")(1, "ada_sample").metrics["problems"] == 40


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("samples=1", "samples must be >= 2 with rationalization"),
        ("method.alpha=test", "method.alpha must be"),
        ("method.beta=0", "method.beta must be >= 1"),
        ("method.rounding=up", "method.rounding must be floor or round"),
    ],
)
def test_settings_without_sense_are_sentences(tmp_path, setting, said):
    done = call(tmp_path, "run", *ARGS, setting)
    assert done.code == 1 and said in done.err and "Traceback" not in done.err


def test_a_plan_shows_every_stage_without_building_one(tmp_path):
    done = call(tmp_path, "plan", *ARGS)
    assert done.code == 0, done.err
    assert done.out.count("ada_sample") >= 3 and not list((tmp_path / "artifacts").glob("*/manifest.json"))
