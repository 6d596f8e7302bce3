"""Choosing from one pool: every estimator against brute force, ties included; intervals; the stage on small
artifacts.
"""

import io
from itertools import combinations, permutations
from types import SimpleNamespace

import numpy as np
import pytest
from by_hand import committed, event
from rich.console import Console

from star_cli.core.keys import key
from star_cli.core.records import Metric, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError
from star_cli.lib.selection import (
    best_of_k,
    difference,
    level,
    pass_at_k,
    resampled,
    subsets,
    verdict_of,
    vote_at_k,
    vote_weights,
)
from star_cli.report.chart import Chart, Line
from star_cli.report.page import write_page
from star_cli.report.samples import SampleFilter
from star_cli.report.show import view_of
from star_cli.stages.candidates import pool_of
from star_cli.stages.select import Select
from star_cli.store.artifacts import Store
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run

N, P = 7, 12


def drawn(seed=0, levels=3):
    rng = np.random.default_rng(seed)
    correct = (rng.random((P, N)) < rng.random((P, 1))).astype(float)
    scores = rng.integers(0, levels, (P, N)).astype(float)
    answers = np.where(correct > 0, 0, rng.integers(-1, 4, (P, N)))
    answers[correct > 0] = 0
    answers[(correct == 0) & (answers == 0)] = 4
    return correct, scores, answers


def each(k):
    return list(combinations(range(N), k))


def chosen_by_score(correct, scores, subset):
    """The mean over all orders in which equal scores may come: the first of each order wins."""
    best = [correct[max(order, key=lambda i: (scores[i], -order.index(i)))] for order in permutations(subset)]
    return sum(best) / len(best)


@pytest.mark.parametrize("k", range(1, N + 1))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(k):
    correct, _, _ = drawn()
    want = [np.mean([max(row[list(s)]) for s in each(k)]) for row in correct]
    np.testing.assert_allclose(pass_at_k(correct, k), want, atol=1e-12)


@pytest.mark.parametrize("levels", [2, 3, 1000])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_best_of_k_is_the_mean_over_subsets_and_ways_to_break_ties(k, levels):
    correct, scores, _ = drawn(levels, levels)
    rows = range(P if k < 5 else 2)
    want = [np.mean([chosen_by_score(correct[i], scores[i], s) for s in each(k)]) for i in rows]
    np.testing.assert_allclose(best_of_k(correct, scores, k)[list(rows)], want, atol=1e-12)


def test_best_of_one_is_pass_at_one_and_best_of_all_is_the_top():
    correct, _, _ = drawn()
    scores = np.random.default_rng(1).random((P, N))
    np.testing.assert_allclose(best_of_k(correct, scores, 1), pass_at_k(correct, 1))
    np.testing.assert_allclose(best_of_k(correct, scores, N), correct[np.arange(P), scores.argmax(1)])
    np.testing.assert_allclose(best_of_k(correct, correct, 3), pass_at_k(correct, 3))  # a perfect verifier


def voted(right, answers, weights, subset):
    totals = {}
    for i in subset:
        if answers[i] >= 0:
            totals[answers[i]] = totals.get(answers[i], 0) + weights[i]
    if not totals:
        return 0.0
    top = [a for a, t in totals.items() if abs(t - max(totals.values())) < 1e-12]
    value = {a: np.mean([right[i] for i in range(N) if answers[i] == a]) for a in top}
    return sum(value.values()) / len(top)


@pytest.mark.parametrize("k", range(1, N + 1))
def test_a_vote_is_the_mean_over_all_subsets_with_ties_shared(k):
    correct, scores, answers = drawn()
    want = [np.mean([voted(correct[i], answers[i], np.ones(N), s) for s in each(k)]) for i in range(P)]
    np.testing.assert_allclose(vote_at_k(correct, answers, k), want, atol=1e-12)
    want = [np.mean([voted(correct[i], answers[i], scores[i], s) for s in each(k)]) for i in range(P)]
    np.testing.assert_allclose(vote_at_k(correct, answers, k, scores), want, atol=1e-12)


def test_an_unparsed_answer_is_wrong_and_wins_no_vote():
    right, said = np.array([[0.0, 0.0, 1.0]]), np.array([[-1, -1, 0]])
    assert vote_at_k(right, said, 3)[0] == 1.0
    assert vote_at_k(right, said, 2)[0] == pytest.approx(2 / 3)  # the pair of two unparsed ones is wrong
    assert vote_at_k(np.zeros((1, 3)), np.full((1, 3), -1), 2)[0] == 0.0


def test_drawn_subsets_come_near_the_exact_vote_and_are_the_same_again():
    correct, _, answers = drawn()
    exact = vote_at_k(correct, answers, 4)
    some = vote_at_k(correct, answers, 4, limit=34, seed=1)
    assert not subsets(N, 4, 1, 34)[1] and subsets(N, 4, 1, 35)[1]
    assert np.abs(some - exact).max() < 0.35 and not np.array_equal(some, exact)
    assert np.array_equal(some, vote_at_k(correct, answers, 4, limit=34, seed=1))
    big, _ = subsets(30, 10, 0)
    assert big.shape == (2000, 10) and all(len(set(row)) == 10 for row in big.tolist())
    np.testing.assert_allclose(np.bincount(big.ravel(), minlength=30) / 2000, 1 / 3, atol=0.05)


def test_probabilities_weigh_as_they_are_and_log_likelihoods_by_exp():
    scores = np.array([[-1.0, -700.0, -2.0]])
    weights, how = vote_weights(scores)
    assert how == "exp" and weights[0, 0] == 1 and weights[0, 2] == pytest.approx(np.exp(-1))
    assert vote_weights(np.array([[0.0, 0.4, 1.0]]))[1] == "probability"


def test_a_k_that_is_too_large_is_a_sentence():
    with pytest.raises(StarError, match=r"k=8 of 7 candidates"):
        pass_at_k(np.zeros((1, 7)), 8)
    with pytest.raises(StarError, match="NaN"):
        best_of_k(np.zeros((1, 2)), np.array([[0.0, np.nan]]), 1)


# ---- intervals
def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    weights = resampled(60, 1000, 0)
    hits = {"level": 0, "difference": 0}
    for _ in range(300):
        a = rng.random(60)
        b = np.clip(a + rng.normal(0, 0.2, 60), -1, 2) - 0.05
        _, low, high = level(a, weights @ a)
        hits["level"] += low <= 0.5 <= high
        gap = a - b
        truth = 0.05  # of the noise's mean 0, up to its clipping, which never happens here
        _, low, high = difference(gap, np.zeros(60), weights)
        hits["difference"] += low <= truth <= high
    assert all(0.90 <= h / 300 <= 0.98 for h in hits.values()), hits


def test_a_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(4)
    a = rng.random(200)
    b = a - 0.02 + rng.normal(0, 0.01, 200)
    weights = resampled(200, 2000, 0)
    value, low, high = difference(a, b, weights)
    assert low < value < high and high - low < 0.01 and verdict_of(low, high) == "higher"
    _, alow, ahigh = level(a, weights @ a)
    assert ahigh - alow > 0.05


def test_nothing_to_resample_is_not_certainty():
    weights = resampled(20, 500, 0)
    assert level(np.ones(20), weights @ np.ones(20))[1] < 0.9
    assert difference(np.ones(1), np.zeros(1), np.ones((500, 1)))[1:] == (-1.0, 1.0)
    assert verdict_of(0.0, 0.2) == verdict_of(-0.1, 0.0) == verdict_of(None, None) == "no difference shown"
    assert verdict_of(-0.2, -0.1) == "lower"


# ---- the stage
CANDIDATES = {
    "p": [("4", True, -1.0), ("5", False, -2.0), (None, False, -0.5), ("4", True, -3.0)],
    "q": [("7", False, -1.0), ("7", False, -1.0), ("8", True, -1.0), ("9", False, -4.0)],
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "artifacts").open()


def keep(store, name, records, inputs=None, tag=None):
    draft = store.draft(key([name]))
    for kind, rows in records.items():
        draft.write(kind, rows)
    return committed(store, draft, name, tag=tag, inputs=inputs)


def artifacts(store, candidates=CANDIDATES):
    problems = keep(store, "problems", {Problem: [Problem(id=i, question="?", answer="4") for i in candidates]})
    rows = [(i, n, *c) for i, some in candidates.items() for n, c in enumerate(some)]
    rationales = keep(
        store,
        "generate",
        {
            Rationale: [
                Rationale(
                    problem_id=i,
                    sample=n,
                    text="t",
                    hinted=False,
                    finish="stop",
                    tokens=2,
                    logprob=None,
                    seed=0,
                    prompt_key="",
                )
                for i, n, *_ in rows
            ]
        },
    )
    verdicts = keep(
        store,
        "evaluate",
        {
            Verdict: [
                Verdict(
                    problem_id=i,
                    sample=n,
                    correct=right,
                    answer=a,
                    reason="MATCH" if right else "MISMATCH" if a else "NO_ANSWER",
                )
                for i, n, a, right, _ in rows
            ]
        },
        {"rationales": rationales.key},
    )
    scores = keep(
        store, "score", {Score: [Score(problem_id=i, sample=n, score=s, verifier="dpo") for i, n, _, _, s in rows]}
    )
    return {"problems": problems, "rationales": rationales, "verdicts": verdicts, "scores.dpo": scores}


def selected(store, inputs, **settings):
    draft = store.draft(key(["select", settings]))
    made = Select(**{"ks": [1, 2, 4], "resamples": 200, **settings}).run(SimpleNamespace(draft=draft, inputs=inputs))
    artifact = committed(store, draft, "select", inputs={r: a.key for r, a in inputs.items()}, metrics=made)
    return artifact, {m.name: m for m in artifact.read(Metric)}, made


def test_the_stage_writes_every_selector_and_the_paired_differences(store):
    artifact, found, made = selected(store, artifacts(store))
    assert found["pass@1"].value == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found["oracle@4"].value == 1 and found["pass@4"].value == 1
    assert found["best_of@4/dpo"].value == pytest.approx((0 + 1 / 3) / 2)
    assert found["majority@4"].value == pytest.approx((1 + 0) / 2)
    assert found["best_of@4/dpo-majority@4"].value == pytest.approx(1 / 6 - 1 / 2)
    assert found["majority@4-pass@1"].value == pytest.approx(1 / 2 - 3 / 8)
    assert found["unparsed"].value == 1 / 8 and found["distinct_answers"].value == 2.5
    assert found["tokens_per_candidate"].value == 2
    e = np.exp
    q = np.array([2 * e(-1.0), e(-1.0), e(-4.0)])
    assert q.argmax() == 0 and found["weighted@4/dpo"].value == pytest.approx((1 + 0) / 2)
    assert all(m.low <= m.value <= m.high and m.n == 2 for m in found.values() if m.low is not None)
    assert made["candidates"] == 4 and made["weighting"] == {"dpo": "exp"} and "pass@1" in made
    assert not any("-" in k for k in made) and made["drawn_subsets"] == []
    assert not any("@1-" in name for name in found)


def test_the_stage_works_without_a_verifier(store):
    inputs = artifacts(store)
    del inputs["scores.dpo"]
    _, found, _ = selected(store, inputs, ks=[2])
    assert {n for n in found if "@" in n} == {"pass@2", "oracle@2", "majority@2", "majority@2-pass@1"}


def test_problems_with_other_numbers_of_candidates_are_one_pool(store):
    more = {**CANDIDATES, "r": [("1", True, 0.0), ("2", False, 0.0)]}
    _, found, _ = selected(store, artifacts(store, more), ks=[2])
    assert found["pass@2"].n == 3
    assert found["pass@2"].value == pytest.approx((1 - 1 / 6 + 1 / 2 + 1) / 3)
    assert found["best_of@2/dpo"].value > 0


@pytest.mark.parametrize(
    ("ks", "told"),
    [([5], r"k=5, but problem p has 4 candidates"), ([], "at least one k"), ([0, 1], "k must be >= 1, got 0")],
)
def test_a_k_without_candidates_is_a_sentence(store, ks, told):
    with pytest.raises(StarError, match=told):
        selected(store, artifacts(store), ks=ks)


def test_artifacts_that_do_not_belong_together_are_sentences(store):
    inputs = artifacts(store)
    other = keep(store, "other", {Verdict: []}, {"rationales": "f" * 32})
    with pytest.raises(StarError, match="are of the rationales ffff"):
        selected(store, {**inputs, "verdicts": other})
    half = keep(store, "half", {Score: [Score(problem_id="p", sample=0, score=1.0, verifier="orm")]})
    with pytest.raises(StarError, match=r"scores.orm has no score of problem p sample 1"):
        selected(store, {**inputs, "scores.orm": half})
    both = [Score(problem_id="p", sample=0, score=s, verifier=v) for s, v in ((1.0, "a"), (2.0, "b"))]
    twice = keep(store, "twice", {Score: both})
    with pytest.raises(StarError, match="several scores"):
        selected(store, {**inputs, "scores.orm": twice})
    pool = pool_of(inputs["problems"], inputs["rationales"], inputs["verdicts"], {"dpo": inputs["scores.dpo"]})
    with pytest.raises(StarError, match="unknown verifier 'orm'"):
        pool.values("best_of@2/orm")
    with pytest.raises(StarError, match="names no selection"):
        pool.values("bestof2")


# ---- what people see
def shown(view, width=120):
    out = Console(file=io.StringIO(), width=width, highlight=False)
    view.print(out)
    return out.file.getvalue()


def run_with_selection(home):
    store, run = Store(home / "artifacts").open(), Run(home, "demo")
    run.start(Settings(config_key="x"))
    artifact, found, made = selected(store, artifacts(store))
    run.record(event(3, "select", artifact, seconds=0.1), artifact)
    return run, store, found


def test_the_curve_over_k_is_shown_as_table_plot_and_json(tmp_path):
    run_with_selection(tmp_path)
    view = view_of(tmp_path, "demo/round-3/select", filter=SampleFilter())
    text = shown(view)
    for part in (
        "best of k",
        "majority",
        "weighted vote",
        "best_of@4/dpo-majority@4",
        "no difference shown",
        "-33.3 [",
        "12.5 % unparsed",
        "2.5 different answers",
        "●",
        "accuracy by k candidates",
        "the exponential of the scores of dpo",
    ):
        assert part in text, part
    assert max(map(len, shown(view, 60).splitlines())) <= 60
    told = view.as_json()
    gaps = {m["name"]: m["says"] for m in told["metrics"] if "says" in m}
    assert gaps["best_of@4/dpo-majority@4"] == "no difference shown" and told["facts"]["candidates"] == 4


def test_the_page_of_the_run_holds_the_selection(tmp_path):
    run, store, _ = run_with_selection(tmp_path)
    text = write_page(run, store).read_text()
    assert "Picking an answer: round-3/select" in text and "best_of@4/dpo-majority@4" in text and "<svg" in text
    assert "http:" not in text and "<script" not in text


def test_the_chart_is_a_file_of_the_two_kinds(tmp_path):
    _, _, found = run_with_selection(tmp_path)
    chart = Chart([Line("a <b>", [(1.0, 0.2, 0.1, 0.3), (2.0, 0.4, None, None)])], "k", log=2)
    assert chart.write(tmp_path / "a.png", "t").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in chart.write(tmp_path / "a.svg").read_text() and "a &lt;b&gt;" in chart.svg()
    with pytest.raises(StarError, match="ends neither"):
        chart.write(tmp_path / "a.gif")
    with pytest.raises(StarError, match="does not exist"):
        chart.write(tmp_path / "no" / "a.png")
    assert Chart([], "k").text() == ""
