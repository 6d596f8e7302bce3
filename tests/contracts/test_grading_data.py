"""Known answers of real data: each is right for itself, and for no other problem unless the values are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from star_cli.graders.choice import Choice
from star_cli.graders.math import Math
from star_cli.graders.numeric import Numeric
from star_cli.lib.text.options import LETTERS, simple

PLACES = [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]
HERE = Path(__file__).parents[1] / "data"


def lines(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        path = next((place / name for place in PLACES if (place / name).exists()), None)
        if path is None:
            pytest.skip(f"{name} is not on this machine")
        with open(path, encoding="utf-8") as file:
            yield from map(json.loads, file)


def final(row: dict[str, Any]) -> str:
    return str(row["answer"]).rpartition("####")[2].strip()


@pytest.mark.parametrize("grader", [Numeric(), pytest.param(Math(), marks=pytest.mark.slow)], ids=["numeric", "math"])
def test_every_solution_of_gsm8k_is_right_for_its_own_answer_and_no_other(grader: Any) -> None:
    if isinstance(grader, Math):
        pytest.importorskip("math_verify")
    rows = list(lines("gsm8k/train.jsonl", "gsm8k/test.jsonl"))
    values = [Fraction(final(row).replace(",", "")) for row in rows]
    assert [row["id"] for row in rows if not grader.judge(final(row), row["answer"])[0]] == []
    r = Random(0)
    wrong = []
    for i, row in enumerate(rows):
        for j in (r.randrange(len(rows)), r.randrange(len(rows))):
            if grader.judge(final(rows[j]), row["answer"])[0] != (values[i] == values[j]):
                wrong.append((row["id"], final(row), final(rows[j])))
    assert not wrong


def options_of(row: dict[str, Any]) -> tuple[list[str], int]:
    """(the texts of a row's options, the place of the right one)."""
    choices = row["question"]["choices"] if isinstance(row["question"], dict) else row["choices"]
    if isinstance(choices, dict):
        return choices["text"], choices["label"].index(row["answerKey"])
    return [c["text"] for c in choices], [c["label"] for c in choices].index(row["answerKey"])


FORMS = [
    "The answer is {text} ({low}).",
    "({letter}) {text}",
    r"\boxed{{{letter}}}",
    "The answer is {text}.",
    "Answer: {letter}. {text}",
]


SLOW = pytest.param("commonsenseqa/train.jsonl", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["commonsenseqa/dev.jsonl", "arc/arc.jsonl", SLOW])
def test_of_real_options_the_right_one_is_accepted_and_no_other(name: str) -> None:
    grader = Choice()
    refused, accepted = [], []
    r = Random(1)
    for row in lines(name):
        texts, known = options_of(row)
        same = [simple(t).casefold().removeprefix("the ").removeprefix("a ") for t in texts]
        for said, text in enumerate(texts):
            form = r.choice(FORMS)
            answer = form.format(text=text, letter=LETTERS[said], low=LETTERS[said].lower())
            right = grader.judge(LETTERS[known], texts, answer)[0]
            if said == known and not right:
                refused.append((texts, answer))
            if said != known and right and same[said] != same[known]:
                accepted.append((texts, LETTERS[known], answer))
    assert not accepted
    assert len(refused) <= 1, refused  # an option C among A to D, where carbon is C


def test_the_answers_of_math_are_right_for_themselves_alone() -> None:
    pytest.importorskip("math_verify")
    grader = Math()
    rows = [json.loads(line) for line in (HERE / "math.jsonl").read_text().splitlines()]
    golds = [row["solution"] for row in rows]
    for i, gold in enumerate(golds):
        for j, solution in enumerate(golds):
            assert grader.judge(gold, solution)[0] == (i == j), (gold, solution)


@pytest.mark.slow
@pytest.mark.parametrize(("grader", "others"), [(Numeric(), 961), (Math(), 25)], ids=["numeric", "math"])
def test_no_known_answer_of_gsm8k_is_right_for_another(grader: Any, others: int) -> None:
    """Every different known answer against every other one (math: against 25 of them)."""
    if isinstance(grader, Math):
        pytest.importorskip("math_verify")
    golds = sorted({final(row) for row in lines("gsm8k/train.jsonl", "gsm8k/test.jsonl")})
    values = {gold: Fraction(gold.replace(",", "")) for gold in golds}
    r = Random(2)
    wrong = []
    for said in golds:
        for known in golds if others >= len(golds) else r.sample(golds, others):
            if grader.judge(known, f"#### {said}")[0] != (values[known] == values[said]):
                wrong.append((known, said))
    assert not wrong
