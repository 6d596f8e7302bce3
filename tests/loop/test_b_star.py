"""B-STaR on fakes: what it chooses is the best of what it measured, what it learns is above the threshold, weights
continue.
"""

from __future__ import annotations

import random
import signal
import time

import pytest
from conftest import call, start

from star_cli.core.records import Example, Metric, Problem, Rationale, Score, Verdict
from star_cli.methods.b_star.stages import rewarded
from star_cli.store.artifacts import Store
from star_cli.testing import Book, hashes

ARGS = [
    "model=fake",
    "method=b_star",
    "rounds=2",
    "samples=6",
    "method.queries=25",
    "method.temperatures=[.5,.9,1.2]",
    "method.gold=false",
    "task.train=40",
    "task.dev=20",
    "problems=60",
    "name=b",
    "runtime.sync_seconds=0.02",
]
PLAIN = [*ARGS, "verifier=none"]
JUDGED = [*ARGS, "verifier=fake"]


@pytest.fixture(scope="module", params=["plain", "judged"])
def run(request, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    args = PLAIN if request.param == "plain" else JUDGED
    done = call(place, "run", *args, f"engine.count_file={place / 'count'}")
    assert done.code == 0, done.err
    return place, args


@pytest.fixture
def book(run):
    return Book(run[0], "b")


def scores(artifact):
    return {(s.problem_id, s.sample): s.score for s in artifact.read(Score)}


def test_the_choice_is_the_best_mean_score_on_the_grid(run, book):
    for t in (1, 2):
        queries = [p.id for p in book(t, "queries").read(Problem)]
        assert len(queries) == 25
        best = (-1.0, None, None)
        table = {m.name: m.value for m in book(t, "balance").read(Metric)}
        for temperature in (0.5, 0.9, 1.2):
            told = f"probe-{temperature:g}"
            right = {v.identity(): v.correct for v in book(t, f"judge-{told}").read(Verdict)}
            say = scores(book(t, f"score-{told}")) if "verifier=fake" in run[1] else {}
            texts = {r.identity(): r.text for r in book(t, told).read(Rationale)}
            assert book(t, told).tag["sampling"]["temperature"] == temperature
            for tau in (i / 10 for i in range(-10, 11)):
                total = 0.0
                for q in queries:
                    chosen = [i for i in right if i[0] == q and rewarded(right[i], say.get(i), 1.0) > tau]
                    unlike = len({texts[i] for i in chosen if right[i]})
                    total += min(unlike / 6, 1) * unlike / len(chosen) if chosen else 0.0
                mean = total / len(queries)
                assert table[f"balance/temperature={temperature:g}/threshold={tau:g}"] == pytest.approx(mean)
                equal = abs(mean - best[0]) <= 1e-12 and temperature == best[1]
                if mean > best[0] + 1e-12 or equal:  # of equals the strictest
                    best = mean, temperature, tau
        told = book(t, "balance").metrics
        assert (told["balance"], told["temperature"], told["threshold"]) == (pytest.approx(best[0]), *best[1:])


def test_a_round_is_sampled_at_the_chosen_temperature_and_learns_what_is_above_the_threshold(run, book):
    for t in (1, 2):
        choice, drafts, kept = book(t, "balance").metrics, book(t, "generate"), book(t, "filter")
        assert drafts.tag["sampling"]["temperature"] == choice["temperature"]
        say = scores(book(t, "score-fake")) if "verifier=fake" in run[1] else {}
        right = {v.identity(): v.correct for v in kept.read(Verdict)}
        texts = {r.identity(): r.text for r in drafts.read(Rationale)}
        above = {i for i in right if rewarded(right[i], say.get(i), 1.0) > choice["threshold"]}
        rows = list(kept.read(Example))
        assert {(e.problem_id, e.completion) for e in rows} == {(i[0], texts[i]) for i in above}
        assert len(rows) == len({(e.problem_id, e.completion) for e in rows}) > 0
        assert {(e.round, e.generator) for e in rows} == {(t, book(t - 1, "finetune" if t > 1 else "pretrain").key)}
        assert kept.metrics["selected"] == len(above)


def test_weights_continue_and_every_round_asks_the_newest_model(run, book):
    before = book(0, "pretrain")
    for t in (1, 2):
        tuned = book(t, "finetune")
        assert tuned.manifest.inputs["start"] == before.key
        assert tuned.metrics["start_weights"] == before.metrics["end_weights"]
        for name in ("probe-0.5", "generate"):
            assert book(t, name).manifest.inputs["model"] == before.key
        before = tuned


def test_the_queries_are_training_problems_drawn_anew_each_round(run, book):
    first, second = ([p.id for p in book(t, "queries").read(Problem)] for t in (1, 2))
    assert first != second
    assert not set(first) & {p.id for p in book(0, "problems-dev").read(Problem)}


def test_killed_it_ends_with_the_same_bytes(run, tmp_path):
    place, args = run
    rng, total, count = random.Random(3), (place / "count").stat().st_size, tmp_path / "count"
    slow = ["run", *args, f"engine.count_file={count}", "engine.seconds=0.001"]
    for _ in range(2):
        before = count.stat().st_size if count.exists() else 0
        process = start(tmp_path, *slow)
        while process.poll() is None and (count.stat().st_size if count.exists() else 0) < before + rng.randint(
            50, 500
        ):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert call(tmp_path, *slow).code == 0
    assert hashes(tmp_path) == hashes(place)
    assert count.stat().st_size <= total + 2 * 60
    assert not Store(tmp_path / "artifacts").partials()
    again = call(tmp_path, *slow)
    assert again.code == 0 and "nothing was built" in again.out


def test_the_published_codes_differences(tmp_path):
    done = call(tmp_path, "run", *PLAIN, "rounds=1", "method.published_code=true")
    assert done.code == 0, done.err
    book = Book(tmp_path, "b")
    tag = book(1, "balance").tag
    assert (tag["n_star"], tag["weight"], tag["drop_empty"], tag["distinct_first"], tag["gold"]) == (
        8,
        0.2,
        True,
        True,
        True,
    )
    rows = list(book(1, "finetune").read(Example))
    assert {e.origin for e in rows} == {"own", "gold"}


def test_the_start_is_an_sft_on_the_datas_own_solutions(tmp_path):
    done = call(tmp_path, "run", *PLAIN, "rounds=1", "method.gold=true")
    assert done.code == 0, done.err
    book = Book(tmp_path, "b")
    assert book(1, "generate").manifest.inputs["model"] == book(0, "finetune").key
    assert {e.origin for e in book(0, "finetune").read(Example)} == {"gold"}


def test_how_many_answers_are_wanted_can_be_computed(tmp_path):
    sft = ["trainer=sft", "method.n_star=0"]
    assert "balance" in call(tmp_path, "plan", *PLAIN, *sft, "trainer.batch=16").out
    done = call(tmp_path, "run", *PLAIN, "method.n_star=0")
    assert done.code == 1 and "method.n_star=0 is computed from schedule.start and trainer.batch" in done.err


def test_a_likelihood_is_no_reward(tmp_path):
    done = call(tmp_path, "run", *ARGS, "verifier=dpo")
    assert done.code == 1 and "verifier=dpo gives log-likelihoods" in done.err and "verifier=orm" in done.err


def test_a_plan_ends_where_the_choice_is_not_known(tmp_path):
    done = call(tmp_path, "plan", *PLAIN)
    assert done.code == 0, done.err
    assert "the temperature of a round is known only once" in done.out + done.err
    assert not list((tmp_path / "artifacts").glob("*/manifest.json"))


def test_a_start_that_solves_nothing_is_a_sentence(tmp_path):
    done = call(tmp_path, "run", *PLAIN, "model.skill=0")
    assert done.code == 1 and "gave one right answer" in done.err and "Traceback" not in done.err
