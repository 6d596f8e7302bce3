"""Answers made by rule (generated.py): what is equal matches in every form and wrapping, what is changed never does."""

from __future__ import annotations

import os
import sys
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, os.path.dirname(__file__))
from generated import KINDS, LOST, RAW, WRAPPINGS, Pair, crossed, pair, pairs  # noqa: E402

from star_cli.graders.choice import Choice  # noqa: E402
from star_cli.graders.math import Math  # noqa: E402
from star_cli.graders.numeric import Numeric  # noqa: E402

pytest.importorskip("math_verify")
MATH, NUMERIC, CHOICE = Math(), Numeric(), Choice()
NUMBERS = ("integers", "fractions", "decimals", "percents")  # kinds that the numeric grader reads, too
BEYOND_NUMERIC = ("+ 3", "/3", r"\pi", "x", "i", "^2", r"\sqrt", ", ")  # forms that are more than a number


def boxed(answer: str) -> str:
    return rf"So it is \boxed{{{answer[1:-1] if answer[:1] == answer[-1:] == '$' else answer}}}"


def judged(found: Pair) -> str:
    return MATH.judge(found.gold, boxed(found.answer))[2]


@settings(max_examples=2000, deadline=None)
@given(seed=st.integers(0, 2**48))
def test_math_tells_equal_from_changed(seed: int) -> None:
    found = pair(Random(seed))
    reason = judged(found)
    assert (reason == "MATCH") == found.equal, (found, reason)
    assert reason not in ("GRADER_ERROR", "TIMEOUT", "TRUNCATED", "RUN_ON"), (found, reason)


@pytest.mark.slow
def test_of_twenty_thousand_pairs_none_is_accepted_wrongly_and_hardly_one_refused() -> None:
    accepted: list[Pair] = []
    refused: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for found in pairs(20_260_101, 20_000):
        right = judged(found) == "MATCH"
        total[found.kind] += found.equal
        if right and not found.equal:
            accepted.append(found)
        elif found.equal and not right:
            refused[found.kind] += 1
    assert not accepted
    assert sum(refused.values()) < 0.005 * sum(total.values()), refused
    assert set(total) == set(KINDS) and min(total.values()) > 300


@pytest.mark.parametrize("turn", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 8))])
def test_every_kind_in_every_wrapping_is_judged_by_its_last_answer(turn: int) -> None:
    assert len(WRAPPINGS) >= 40 and len(RAW) >= 10
    wrong = []
    for name, text, found in crossed(Random(turn)):
        right, _, reason = MATH.judge(found.gold, text)
        if right != found.equal:
            wrong.append((name, found, text, reason))
    assert not wrong, wrong[:3]


@pytest.mark.parametrize("name", LOST)
def test_an_answer_that_does_not_count_is_never_accepted(name: str) -> None:
    r = Random(name)
    wrap, finish = LOST[name]
    for kind, make in KINDS.items():
        gold, forms, _ = make(r)
        text = wrap(r.choice(forms))
        assert not MATH.judge(gold, text, finish)[0], (kind, gold, text)
    for n in range(20):
        text = wrap(str(n))
        assert not NUMERIC.judge(str(n), text, finish)[0], text
        text = wrap("ABCD"[n % 4])
        assert not CHOICE.judge("ABCD"[n % 4], ["w", "x", "y", "z"], text, finish)[0], text


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**48), wrapping=st.sampled_from(sorted({**WRAPPINGS, **RAW})))
def test_numeric_agrees_on_plain_numbers_in_every_wrapping(seed: int, wrapping: str) -> None:
    r = Random(seed)
    found = pair(r, r.choice(NUMBERS))
    if any(mark in found.answer for mark in BEYOND_NUMERIC):
        return
    if found.answer.startswith("$") and wrapping in RAW:
        return
    text = {**WRAPPINGS, **RAW}[wrapping](found.answer)
    right, answer, reason = NUMERIC.judge(found.gold, text)
    assert right == found.equal, (found, text, answer, reason)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**48), wrapping=st.sampled_from(sorted(WRAPPINGS)))
def test_an_option_is_found_by_letter_by_text_and_by_both(seed: int, wrapping: str) -> None:
    r = Random(seed)
    options: list[str] = []
    while len(options) < 4:
        option = r.choice(
            [str(r.randint(2, 99)), f"{r.randint(2, 9)} km", rf"${r.randint(10, 90)}^\circ$", r.choice(WORDS)]
        )
        if option not in options:
            options.append(option)
    known, said = r.randrange(4), r.randrange(4)
    letter = "ABCD"[said]
    plain = options[said].strip("$")
    answer = r.choice([letter, f"({letter})", rf"\text{{{letter}}}", plain, rf"\text{{({letter})}} {plain}"])
    text = WRAPPINGS[wrapping](answer)
    right, found, reason = CHOICE.judge("ABCD"[known], options, text)
    assert right == (known == said), (options, text, found, reason)


WORDS = ["train", "train station", "blue", "ice cream", "a dog", "desk drawer", "because of rain", "water vapor"]


@settings(max_examples=500, deadline=None)
@given(
    seed=st.integers(0, 2**48),
    noise=st.text(alphabet="\\{}()[]^_$%&|=<>.,;:!?'\"0123456789abxyzABEπ√°²½ \n", max_size=8),
)
def test_no_text_that_is_torn_or_mixed_up_is_an_error(seed: int, noise: str) -> None:
    r = Random(seed)
    found = pair(r)
    place = r.randrange(len(found.answer) + 1)
    answer = found.answer[:place] + noise + found.answer[place + r.randint(0, 3) :]
    for text in (rf"\boxed{{{answer}}}", f"The answer is {answer}.", answer):
        assert MATH.judge(found.gold, text)[2] not in ("GRADER_ERROR", "TIMEOUT")
        NUMERIC.judge("5", text)
        CHOICE.judge("A", ["x + 1", r"$60^\circ$", "5", "train"], text)
