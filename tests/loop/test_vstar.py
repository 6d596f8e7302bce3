"""V-STaR and its kin on fakes: which round and which generator every row comes from, and what each training starts
from.
"""

from __future__ import annotations

import json
import random
from itertools import product

import pytest
from conftest import SMALL, call

from star_cli.core.keys import seed_of
from star_cli.core.records import Example, Labelled, Pair, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError
from star_cli.stages.pairs import Pairs
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run
from star_cli.testing import Book

VSTAR = [*SMALL, "samples=4", "problems=60", "verification.candidates=4", "verification.ks=[1,2,4]"]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    runs = {
        "gold": ["method=vstar"],
        "bare": ["method=vstar", "method.gold=false"],
        "early": ["method=vstar", "method.gold=false", "method.verifier_start=sft"],
        "votes": ["method=vstar", "method.gold=false", "verifier=none"],
        "rft": ["method=rft"],
        "rest_em": ["method=rest_em", "samples=16", "filter.limit=2"],
        "star_acc": ["method=star_acc"],
        "expert": ["method=expert_iteration"],
        "expert_on": [
            "method=expert_iteration",
            "method.start=previous",
            "method.accumulate=false",
            "method.fresh=false",
        ],
    }
    for name, args in runs.items():
        done = call(place, "run", *VSTAR, *args, f"name={name}")
        assert done.code == 0, (name, done.err)
    return place


def starts(book, rounds=(1, 2)):
    return [book(n, "finetune").manifest.inputs["start"] for n in rounds]


def test_the_generator_restarts_from_the_base_every_round(where):
    for name in ("gold", "bare", "rft", "rest_em", "expert"):
        book = Book(where, name)
        base = book(0, "pretrain")
        assert starts(book) == [base.key] * 2, name
        assert {book(n, "finetune").metrics["start_weights"] for n in (1, 2)} == {base.metrics["end_weights"]}


def test_accumulating_weights_start_from_the_round_before(where):
    for name in ("star_acc", "expert_on"):
        book = Book(where, name)
        assert starts(book) == [book(0, "pretrain").key, book(1, "finetune").key], name
        assert book(2, "finetune").metrics["start_weights"] == book(1, "finetune").metrics["end_weights"]


def test_d_gen_is_gold_and_the_right_ones_of_every_round_with_their_writers(where):
    book = Book(where, "gold")
    right = {n: {(v.problem_id, v.sample) for v in book(n, "filter").read(Verdict) if v.correct} for n in (1, 2)}
    writer = {1: book(0, "finetune").key, 2: book(1, "finetune").key}
    for n in (1, 2):
        rows = list(book(n, "merge").read(Example))
        gold = [e for e in rows if e.origin == "gold"]
        assert {e.problem_id for e in gold} == {p.id for p in book(1, "problems").read(Problem)}
        own = [e for e in rows if e.origin == "own"]
        assert {e.round for e in own} == set(range(1, n + 1))
        for e in own:
            assert (e.problem_id, e.sample) in right[e.round] and e.generator == writer[e.round]
        texts = [(e.problem_id, e.completion) for e in rows]
        assert len(texts) == len(set(texts))
    assert list(book(2, "finetune").read(Example)) == list(book(2, "merge").read(Example))


def test_d_ver_holds_right_and_wrong_of_every_rounds_generator(where):
    book = Book(where, "gold")
    rows = list(book(2, "collect").read(Labelled))
    verdicts = {(n, v.problem_id, v.sample): v.correct for n in (1, 2) for v in book(n, "filter").read(Verdict)}
    written = {(n, r.problem_id, r.sample): r.text for n in (1, 2) for r in book(n, "generate").read(Rationale)}
    writer = {1: book(0, "finetune").key, 2: book(1, "finetune").key}
    sampled = [x for x in rows if x.origin == "own"]
    assert {x.round for x in sampled} == {1, 2} and {x.correct for x in sampled} == {True, False}
    for x in sampled:
        at = (x.round, x.problem_id, x.sample)
        assert x.correct == verdicts[at] and x.completion == written[at] and x.generator == writer[x.round]
    assert {(p, t) for (_, p, _), t in written.items()} <= {(x.problem_id, x.completion) for x in rows}
    assert all(x.correct and x.generator == "" for x in rows if x.origin == "gold")


def test_pairs_are_of_one_problem_and_right_over_wrong(where):
    book = Book(where, "gold")
    sides = {True: set(), False: set()}
    for x in book(2, "collect").read(Labelled):
        sides[x.correct].add((x.problem_id, x.completion))
    pairs = list(book(2, "pairs").read(Pair))
    assert pairs and all(
        (p.problem_id, p.chosen) in sides[True] and (p.problem_id, p.rejected) in sides[False] for p in pairs
    )
    m = book(2, "pairs").metrics
    both = {p for p, _ in sides[True]} & {p for p, _ in sides[False]}
    assert m["problems"] == len(both) and m["pairs"] == len(pairs) <= m["possible"]
    assert m["problems"] + m["without_both"] == len({p for s in sides.values() for p, _ in s})


def test_the_verifier_is_trained_once_from_the_model_it_is_told(where):
    gold, bare, early = (Book(where, name) for name in ("gold", "bare", "early"))
    for book, first in ((gold, gold(0, "finetune")), (bare, bare(2, "finetune")), (early, early(1, "finetune"))):
        made = [e for e in book.events if e.stage == "verifier"]
        assert [(e.round, e.name) for e in made] == [(2, "verifier-fake")]
        assert book(2, "verifier-fake").manifest.inputs["start"] == first.key


def test_candidates_are_held_out_and_scored_one_by_one(where):
    book = Book(where, "gold")
    pool = list(book(2, "candidates").read(Rationale))
    assert {r.problem_id for r in pool} == {p.id for p in book(0, "problems-dev").read(Problem)}
    scores = list(book(2, "score-fake").read(Score))
    assert [(s.problem_id, s.sample) for s in scores] == [(r.problem_id, r.sample) for r in pool]
    seeds = {r.seed for n in (1, 2) for r in book(n, "generate").read(Rationale)}
    assert not seeds & {r.seed for r in pool}
    m = book(2, "select").metrics
    assert m["pass@1"] <= m["best_of@4/fake"] <= m["oracle@4"]
    assert m["best_of@4/fake"] > m["pass@1"], "the fake verifier sees four of five"


def test_every_way_of_choosing_that_select_measured_can_be_compared(where):
    measured = Book(where, "gold")(2, "select").metrics
    for metric in ("pass@4", "majority@4", "best_of@4/fake", "best_of@4/likelihood"):
        done = call(where, "compare", "gold", "--metric", metric, "--json")
        assert done.code == 0, done.err
        assert done.json["groups"][0]["last"]["value"] == pytest.approx(measured[metric]), metric


def test_without_a_verifier_candidates_are_voted_on(where):
    book = Book(where, "votes")
    assert not [e for e in book.events if e.stage in ("verifier", "score", "pairs")]
    assert "majority@4" in book(2, "select").metrics


def test_rft_keeps_gold_and_unlike_equations(where):
    rows = list(Book(where, "rft")(1, "merge").read(Example))
    assert {e.origin for e in rows} == {"gold", "own"}


def test_rest_em_keeps_at_most_its_cap_of_this_round_alone(where):
    book = Book(where, "rest_em")
    for n in (1, 2):
        rows = list(book(n, "finetune").read(Example))
        held = [e.problem_id for e in rows]
        assert max(held.count(p) for p in set(held)) <= 2 and {e.round for e in rows} == {n}


def test_published_settings_hold_unless_told_otherwise(home):
    done = call(home, "run", *SMALL, "method=rest_em", "samples=2", "name=a")
    assert done.code == 0, done.err
    tag = Book(home, "a")(1, "generate").tag
    assert (tag["sampling"]["temperature"], tag["sampling"]["top_k"]) == (0.7, 40)
    assert Book(home, "a")(1, "filter").tag["keep"]["limit"] == 10
    assert call(home, "run", *SMALL, "method=rest_em", "samples=2", "sampling.temperature=0.0", "name=b").code == 0
    assert Book(home, "b")(1, "generate").tag["sampling"]["temperature"] == 0.0


def test_pairs_without_both_classes_are_a_sentence(home):
    done = call(home, "run", *VSTAR, "method=vstar", "method.gold=false", "model.skill=1", "name=sure")
    assert done.code == 1 and "has both a right and a wrong solution" in done.err and "Traceback" not in done.err


def test_k_above_the_candidates_is_a_sentence(home):
    done = call(home, "run", *SMALL, "method=vstar", "verification.candidates=4")
    assert done.code == 1 and "k=16, more than verification.candidates=4" in done.err


def test_star_score_by_itself_finds_what_the_run_has_made(where):
    run = Run(where, "gold")
    done = call(
        where,
        "score",
        "--input",
        "verifier=gold/round-2/verifier-fake",
        "--input",
        "rationales=gold/round-2/candidates",
        "--json",
    )
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["hit"] and told["key"] == next(e.key for e in run.events() if e.name == "score-fake")
    fresh = call(
        where,
        "score",
        "--input",
        "verifier=gold/round-2/verifier-fake",
        "--input",
        "rationales=gold/round-1/generate",
        "--json",
    )
    assert fresh.code == 0 and not json.loads(fresh.out)["hit"]
    wrong = call(
        where, "score", "--input", "verifier=gold/round-1/finetune", "--input", "rationales=gold/round-1/generate"
    )
    assert wrong.code == 1 and "not a model" in wrong.err or "verifier artifact" in wrong.err


class FakeDraft:
    """Holds what a stage writes."""

    def write(self, kind, rows):
        self.rows = list(rows)
        return len(self.rows)


class FakeInput:
    """An artifact of labelled solutions."""

    def __init__(self, rows):
        self.rows = rows

    def read(self, kind):
        return iter(self.rows)


class FakeWork:
    """As much of Work as the stage pairs needs."""

    def __init__(self, rows):
        self.inputs, self.draft = {"labelled": FakeInput(rows)}, FakeDraft()


def labelled(counts):
    return [
        Labelled(
            problem_id=f"p{i}",
            round=1,
            sample=n,
            prompt=f"q{i}",
            completion=f"{'right' if n < r else 'wrong'} {n}",
            correct=n < r,
            origin="own",
            generator="g",
        )
        for i, (r, w) in enumerate(counts)
        for n in range(r + w)
    ]


def test_pairs_are_the_whole_product_without_a_limit():
    work = FakeWork(labelled([(2, 3), (0, 4), (3, 0), (1, 1)]))
    metrics = Pairs().run(work)
    made = {(p.problem_id, p.chosen, p.rejected) for p in work.draft.rows}
    expected = {("p0", f"right {a}", f"wrong {b}") for a, b in product(range(2), range(2, 5))} | {
        ("p3", "right 0", "wrong 1")
    }
    assert made == expected
    assert (metrics["pairs"], metrics["possible"], metrics["without_both"], metrics["over_limit"]) == (7, 7, 2, 0)


@pytest.mark.parametrize("seed", range(10))
def test_a_limit_spreads_over_the_solutions_and_repeats_nothing(seed):
    rng = random.Random(seed)
    right, wrong, limit = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 30)
    work = FakeWork(labelled([(right, wrong)]))
    metrics = Pairs(limit=limit, seed=seed_of(seed)).run(work)
    pairs = [(p.chosen, p.rejected) for p in work.draft.rows]
    assert len(pairs) == len(set(pairs)) == min(limit, right * wrong) == metrics["pairs"]
    if limit >= max(right, wrong):
        assert {c for c, _ in pairs} == {f"right {n}" for n in range(right)}
        assert len({r for _, r in pairs}) == wrong
    again = FakeWork(labelled([(right, wrong)]))
    Pairs(limit=limit, seed=seed_of(seed)).run(again)
    assert again.draft.rows == work.draft.rows


def test_no_pair_at_all_is_a_sentence():
    with pytest.raises(StarError, match="none of the 2 problems has both"):
        Pairs().run(FakeWork(labelled([(2, 0), (0, 1)])))


def test_a_run_killed_in_a_verifier_run_resumes_to_the_same_bytes(where, tmp_path):
    """An engine that dies in the candidates stage: the second command makes the rest, equal to the whole run."""
    home = tmp_path / "home"
    home.mkdir()
    args = [*VSTAR, "method=vstar", "name=gold"]
    stopped = call(home, "run", *args, "engine.die_after=100", "engine.die_always=true")
    assert stopped.code == 1
    assert call(home, "run", *args).code == 0
    for e in Run(home, "gold").events():
        if e.hit:
            continue
        a, b = Store(home / "artifacts").get(e.key), Store(where / "artifacts").get(e.key)
        assert b is not None and a.manifest.files == b.manifest.files, e.name


def test_scoring_that_was_stopped_goes_on_in_the_middle(home, tmp_path, monkeypatch):
    from star_cli.backends.verifiers.fake import FakeVerifier
    from star_cli.stages import score
    from star_cli.testing import hashes

    args = ["run", *VSTAR, "method=vstar", "method.gold=false", "name=demo"]
    monkeypatch.setattr(score, "CHUNK", 16)
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    scored, real, left = [], FakeVerifier.score, [10**9]

    def counted(self, model, items, *rest, **more):
        if not left[0]:
            raise StarError("the power went")
        left[0] -= 1
        scored.append(len(items))
        return real(self, model, items, *rest, **more)

    monkeypatch.setattr(FakeVerifier, "score", counted)
    assert call(undisturbed, *args).code == 0
    whole, left[0] = sum(scored), 3
    scored.clear()
    assert call(home, *args).code == 1 and sum(scored) == 48
    left[0] = 10**9
    assert call(home, *args).code == 0
    assert sum(scored) == whole, "what was scored before is not scored again"
    assert hashes(home) == hashes(undisturbed)
