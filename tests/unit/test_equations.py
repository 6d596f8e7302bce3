"""Equations of a rationale: read in order, proved without eval, and told apart; nothing a model writes may hang
them.
"""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.lib.text.equations import CANDIDATES, COMPARED, OTHERS, equations, holds, pick, sound, value
from star_cli.tasks.addition import Addition, problem_of

GSM8K = "He sold 48/2 = <<48/2=24>>24 clips in May.\nThat is 48+24 = <<48 + 24 = 72>>72 altogether.\n#### 72"


def test_annotations_in_their_order_without_spaces():
    assert equations(GSM8K) == ("48/2=24", "48+24=72")


def test_plain_arithmetic_counts_where_nothing_is_annotated():
    assert equations("So 12 + 3 = 15 apples, and then 15*2=30. #### 30") == ("12+3=15", "15*2=30")
    assert equations("It costs $1,200 - $50.5 = $1,149.5 now") == ("$1,200-$50.5=$1,149.5",)
    assert equations("6 2 4 + 2 5 9 = 8 8 3") == ("624+259=883",)
    assert equations("(3 + 4) * 2 = 14") == ("(3+4)*2=14",)
    assert equations("We have 7, 12 + 3 = 10 + 5 = 15") == ("12+3=10+5", "10+5=15")
    assert equations(GSM8K.replace("<<48/2=24>>", "").replace("<<48 + 24 = 72>>", "")) == ("48/2=24", "48+24=72")


def test_a_text_without_arithmetic_has_no_equations():
    assert equations("The answer is 72.") == equations("") == equations("x = 12") == ()


def test_the_lines_of_a_scratchpad_are_equations():
    problem = problem_of(624, 259, 3)
    gold = Addition().gold(problem)
    assert equations(gold) == ("624+259,C:0", "2+5,3C:1", "6+2,83C:0", ",883C:0", "0883")
    assert equations(gold.replace("8 3 C: 0", "9 3 C: 0")) != equations(gold)
    assert equations(gold + "\nwell") == equations(gold)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("2^3^2", 512),
        ("2**3", 8),
        ("-2^2", -4),
        ("1,234.5", 1234.5),
        ("$5*2", 10),
        ("20%*50", 10),
        ("6÷4", 1.5),
        ("3×4", 12),
        ("10-2-3", 5),
        (".5+.5", 1),
        ("--3", 3),
        ("100/7", 100 / 7),
        ("5−2", 3),
        ("1/0", None),
        ("", None),
        ("()", None),
        ("1+", None),
        ("abc", None),
        ("__import__('os')", None),
        ("9^9^9", None),
        ("(" * 50 + "1" + ")" * 50, None),
        ("7%3", None),
        ("1 2", None),
        ("1" * 300, None),
        ("(-8)^.5", None),
        ("-" * 100 + "1", None),
        ("0^-1", None),
        ("1..2", None),
    ],
)
def test_an_expression_is_worth(text, worth):
    assert value(text) == (None if worth is None else pytest.approx(worth))


def test_sound_means_every_annotated_equation_holds():
    assert sound(GSM8K) and sound("no equations at all") and sound("12 + 3 = 16 is not annotated")
    assert not sound(GSM8K.replace("= 72>>", "= 73>>"))
    assert not sound("<<3 apples=3>>") and not sound("<<1/0=0>>")
    assert sound("<<10/3=3.3333>>") and not sound("<<10/3=3.33>>")  # within 1e-3
    assert sound("<<1+1=2=2>>") and not sound("<<1+1=2=3>>") and not holds("2")


def slow(a: str, b: str) -> int:
    """The textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        fresh = [i]
        for j, y in enumerate(b, 1):
            fresh.append(min(row[j] + 1, fresh[-1] + 1, row[j - 1] + (x != y)))
        row = fresh
    return row[-1]


@given(st.lists(st.text("abc", max_size=12), min_size=1, max_size=7))
def test_the_text_that_is_furthest_from_the_others_is_picked(texts):
    sums = [sum(slow(a, b) for b in texts) for a in texts]
    assert pick(texts) == sums.index(max(sums))


def test_the_picks_are_those_of_the_textbook_s_distance_in_any_script():
    draw = random.Random(5)
    letters = "ab 1+=\n\u00e4\u4e2d\U0001f916"
    for _ in range(60):
        texts = ["".join(draw.choices(letters, k=draw.randrange(40))) for _ in range(draw.randint(1, 8))]
        texts += draw.choices(texts, k=draw.randrange(4))  # a text that was written twice counts twice
        sums = [sum(slow(a, b) for b in texts) for a in texts]
        assert pick(texts) == sums.index(max(sums))


def test_of_very_many_texts_a_part_is_compared():
    texts = [f"{i}" for i in range(CANDIDATES)] + ["longer than any candidate"]
    others = texts[:CANDIDATES][:: CANDIDATES // OTHERS]
    sums = [sum(slow(a, b) for b in others) for a in texts[:CANDIDATES]]
    assert pick(texts) == sums.index(max(sums)) < CANDIDATES
    assert pick(["x" * COMPARED + "yyyy", "x" * COMPARED + "z"]) == 0, "what follows the first characters is not read"


def test_nothing_to_pick_from_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="at least one"):
        pick([])


@given(st.integers(-999, 999), st.integers(1, 999), st.sampled_from("+-*/"), st.integers(-2, 2))
def test_a_true_equation_holds_and_a_false_one_does_not(a, b, sign, off):
    worth = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign]
    assert holds(f"{a}{sign}{b}={worth + off:.6f}") == (off == 0)


@given(st.text(st.sampled_from("0123456789 +-*/=<>()^%,.$C:\n\u00b2\u0663"), max_size=400))
@settings(max_examples=300)
def test_any_text_is_read(text):
    assert all(" " not in e for e in equations(text))
    assert sound(text) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "<<" * 200_000,
        "<<1=1" * 100_000,
        "<<" + "1+" * 200_000 + "1=1>>",
        "1 + " * 200_000,
        "1 " * 400_000,
        "1," * 400_000,
        "1" * 800_000,
        "<<" + "9^" * 90 + "9=1>>",
        "<<" + "(" * 400_000 + "=1>>",
        "1+1=" * 200_000,
        "( " * 300_000,
        "<scratch>\n" + "1 + " * 200_000 + "\n",
        "<<9.9^64^1=1>>" * 30_000,
        "1 1 1 1 + " * 90_000 + "x",
        "- " * 300_000,
        "<scratch>\n" + "1 1\n" * 100_000 + "x",
        "<scratch>\n" + ("1 " * 99 + "x\n") * 4000,
    ],
    ids=range(17),
)
def test_hostile_texts_end_soon(text):
    started = time.monotonic()
    equations(text)
    sound(text)
    assert time.monotonic() - started < 5


def test_many_long_duplicates_end_soon():
    started = time.monotonic()
    pick([f"{i} " * 20_000 for i in range(30)])
    pick([f"{i}" * 30 for i in range(2000)])
    assert time.monotonic() - started < 20
