"""Process verifiers: steps and where they end, labels from completions, and a head that learns them."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from test_verifiers import DATA, RUNTIME, job, one_thread, ref, sft  # noqa: F401  (fixtures)

from star_cli.backends.tokens import load_tokenizer
from star_cli.backends.verifiers.prm import Prm, combined, step_places
from star_cli.core.records import Labelled, Stepped
from star_cli.errors import StarError
from star_cli.lib.text.steps import step_ends, step_starts
from star_cli.stages.step_labels import Beginnings, beginnings_of, true_steps
from star_cli.tasks.addition import Addition


@pytest.mark.parametrize("seed", range(30))
def test_steps_are_the_lines_that_are_not_blank(seed):
    rng = random.Random(seed)
    text = "".join(rng.choice("ab 1\n\n ") for _ in range(rng.randint(0, 60)))
    lines = []
    place = 0
    for line in text.split("\n"):  # an oracle that walks through the lines
        if line.strip():
            lines.append((place, place + len(line.rstrip())))
        place += len(line) + 1
    assert list(zip(step_starts(text), step_ends(text), strict=True)) == lines


def test_equal_beginnings_of_a_problem_are_completed_once():
    def solution(problem, sample, text):
        facts = {"round": 1, "prompt": "q", "correct": True, "origin": "own", "generator": ""}
        return Labelled(problem_id=problem, sample=sample, completion=text, **facts)

    rows = [solution("p", 0, "a\nb\nc"), solution("p", 1, "a\nb\nd"), solution("q", 0, "a\nb\n"), solution("q", 1, "x")]
    beginnings = Beginnings.of(rows)
    assert [(p.meta["problem"], p.question) for p in beginnings.problems] == [
        ("p", "a\n"),
        ("p", "a\nb\n"),
        ("q", "a\n"),
    ]
    assert len({p.id for p in beginnings.problems}) == 3
    assert beginnings_of("a\n\nb\nc") == ["a\n\n", "a\n\nb\n"] and beginnings_of("x") == []


def test_the_true_steps_of_a_sum_end_at_its_first_wrong_line():
    task = Addition()
    problem = next(iter(task.problems("train")))
    gold = task.gold(problem)
    assert true_steps(task, problem, gold) == [True] * len(step_starts(gold))
    lines = gold.split("\n")
    lines[2] = lines[2].replace("C: 0", "C: 7").replace("C: 1", "C: 7")
    wrong = true_steps(task, problem, "\n".join(lines))
    assert wrong == [True, True] + [False] * (len(lines) - 2)


def two_steps(seed, many):
    """(prompt, text, label of each step): a first line that repeats the prompt's number or another, then any answer."""
    rng = random.Random(seed)
    for _ in range(many):
        a = rng.randrange(100)
        first = rng.random() < 0.5
        second = first and rng.random() < 0.5
        said = a if first else (a + rng.randrange(1, 50)) % 100
        yield f"{a}?", f" so {said}\n {2 * (a % 5) + (not second)}", (float(first), float(second))


@pytest.fixture(scope="module")
def rows():
    facts = {"round": 1, "sample": 0, "origin": "own"}
    return [
        Stepped(problem_id=f"p{i}", prompt=p, completion=t, ends=step_ends(t), shares=list(s), **facts)
        for i, (p, t, s) in enumerate(two_steps(0, 240))
    ]


@pytest.fixture(scope="module")
def prm(sft, rows, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("prm")
    return out / "model", Prm().train(replace(job(sft, out, steps=400, batch=16), stepped=rows))


def test_a_step_ends_at_the_token_that_writes_its_last_character(sft):  # noqa: F811
    tokenizer = load_tokenizer(ref(sft))
    text = " so 12\n\n 3 \n4"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    places = step_places(tokenizer, text, len(ids) + 1)
    upto = [tokenizer.decode(ids[: place + 1]) for place in places[:-1]]
    assert [u.rstrip() for u in upto] == [" so 12", " so 12\n\n 3"] and places[-1] == len(ids), "the end of text"


def test_a_process_verifier_learns_which_step_goes_wrong(prm):
    model, metrics = prm
    held_out = list(two_steps(9, 120))
    logits = Prm().step_logits(ref(model), [(p, t) for p, t, _ in held_out], RUNTIME)
    assert all(len(x) == 2 for x in logits)
    right = [(x[0] > 0) == bool(s[0]) for x, (_, _, s) in zip(logits, held_out, strict=True)]
    assert sum(right) / len(right) > 0.7, sum(right) / len(right)
    assert metrics["loss_last"] < 0.9 * metrics["loss_first"] and metrics["told_apart_last"] > 0.7, metrics
    assert metrics["good_steps"] + metrics["bad_steps"] == 480


def test_the_score_is_of_the_worst_step_or_of_all(prm):
    model, _ = prm
    items = [(p, t) for p, t, _ in two_steps(3, 6)]
    logits = Prm().step_logits(ref(model), items, RUNTIME)
    assert Prm().score(ref(model), items, RUNTIME) == pytest.approx([min(x) for x in logits])
    product = Prm(whole="product").score(ref(model), items, RUNTIME)
    chances = [math.prod(1 / (1 + math.exp(-v)) for v in x) for x in logits]
    assert [1 / (1 + math.exp(-v)) for v in product] == pytest.approx(chances)
    assert combined([40.0, 40.0], "product") > 20 and combined([-200.0], "product") == -30
    assert len(Prm().score(ref(model), [("1?", "")], RUNTIME)) == 1, "a text without a step"


def test_steps_of_one_kind_are_a_sentence(sft, rows, tmp_path):  # noqa: F811
    good = [x for x in rows if all(x.shares)]
    with pytest.raises(StarError, match="good and 0 bad steps; it needs both"):
        Prm().train(replace(job(sft, tmp_path), stepped=good))
    with pytest.raises(StarError, match="holds no process reward model"):
        Prm().score(ref(sft), [("1?", " 1")], RUNTIME)
