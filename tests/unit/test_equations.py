"""Equations of a rationale: read in order, proved without eval, and told apart; nothing a model writes may hang
them.
"""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.core.parts import Grader
from star_cli.core.records import Problem
from star_cli.graders.numeric import Numeric
from star_cli.lib.text.equations import COMPARED, equations, holds, sound, unlike, value
from star_cli.stages.keeping import Keeper, KeepRule
from star_cli.tasks.addition import Addition, problem_of
from star_cli.tasks.gsm8k import GSM8K as GSM8KTask
from star_cli.testing import rationale

PLACES = [parent / "shared" / "data" / "gsm8k" / "train.jsonl" for parent in Path(__file__).resolve().parents]
SHARED = next((place for place in PLACES if place.exists()), None)
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


def test_sound_means_every_equation_holds():
    assert sound(GSM8K) and sound("no equations at all") and not sound("12 + 3 = 16 is not annotated")
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


def published(texts: list[str]) -> list[str]:
    """The published selection step by step (gsm8k-ScRel, collect_rejection_sampling.py), for right texts in the order
    they were sampled: the texts kept of one question. Annotations are read by the published pattern, and arithmetic by
    Python, as there; the distance is the textbook's.
    """
    kept: list[str] = []
    marks: list[str] = []
    for text in texts:
        notes = re.findall(r"<<([^>]*)>>", text)
        holding = True
        for note in notes:
            parts = note.split("=")
            try:
                holding &= len(parts) > 1 and abs(float(eval(parts[0])) - float(parts[1])) < 1e-3
            except (ArithmeticError, SyntaxError, NameError, TypeError, ValueError):
                holding = False
        if not holding:
            continue
        mark = "|".join(notes).replace(" ", "")
        if mark not in marks:
            kept.append(text)
            marks.append(mark)
            continue
        place = marks.index(mark)
        others = [other for other in kept if other != kept[place]]
        if sum(slow(text, other) for other in others) > sum(slow(kept[place], other) for other in others):
            kept[place] = text
    return kept


def sampled(draw: random.Random) -> list[str]:
    """Right solutions of one question: few lists of equations, some of them wrong, in words that differ."""
    notes = ["<<1+2=3>>", "<<1 + 2 = 3>>", "<<2*3=6>>", "<<10/4=2.5>>", "<<7-9=-2>>", "<<10/3=3.33>>", "<<2*3=7>>"]
    lists = [draw.choices(notes[:5] if draw.random() < 0.9 else notes, k=draw.randint(0, 2)) for _ in range(3)]
    words = ["so", "then she", "has", "apples\n", "in all", "pays", ""]
    texts = []
    for _ in range(draw.randint(1, 9)):
        pieces = [w for note in draw.choice(lists) for w in (*draw.choices(words, k=draw.randint(0, 3)), note)]
        texts.append(" ".join([*pieces, *draw.choices(words, k=2), "#### 3"]))
    return texts


def test_what_is_kept_of_1000_problems_is_what_the_published_code_keeps():
    draw = random.Random(11)
    moved = several = 0
    keeper = Keeper(
        KeepRule(limit=0, dedupe="equations", sound=True), task=GSM8KTask(), grader=Numeric(), round=1, generator=""
    )
    for n in range(1000):
        texts = sampled(draw)
        if not any("<<" in text and sound(text) for text in texts):
            texts.append("She has <<4-3=1>>1 #### 3")
        problem = Problem(id=str(n), question="?", answer="3")
        judged = []
        for i, text in enumerate(texts):
            written = msgspec.structs.replace(rationale(problem, text), sample=i)
            judged.append((written, Grader.verdict(written, "MATCH", "3")))
        kept = [e.completion for e in keeper.of_problem(problem, judged).examples]
        assert sorted(kept) == sorted(published(texts)), texts
        several += len(kept) > 1
        moved += any(text != next(t for t in texts if equations(t) == equations(text) and sound(t)) for text in kept)
    assert several > 300 and moved > 300, "the problems must have choices in them"


def test_a_question_with_one_list_keeps_its_first_text():
    texts = ["a <<1+1=2>>", "something much longer <<1+1=2>>", "b <<1 + 1 = 2>>"]
    assert unlike(texts) == [0] and unlike([]) == []


def test_data_without_equations_keeps_every_different_text():
    assert unlike(["blotter", "inkwell", "blotter"]) == [0, 1]


def test_what_follows_the_first_characters_is_not_compared():
    long = "x" * COMPARED
    assert unlike([f"{long} <<1+1=2>>", "y <<1+2=3>>", f"{long} zzzz <<1+1=2>>"]) == [0, 1]


@pytest.mark.parametrize(
    ("text", "holds_up"),
    [
        ("She has 3 + 4 = 7 apples", True),
        ("She has 3 + 4 = 8 apples", False),
        ("3 x 4 = 12, and $40 x 10/100 = $4", True),
        ("3 x 4 = 13", False),
        ("10 / 3 = 3.33 each", True),  # rounded to what is written
        ("10 / 3 = 3.34 each", False),
        ("10 / 3 = 3 each", False),
        ("5/20 = 25% and 100% - 80% = 20 %", True),
        ("20 / 50 = 25%", False),
        ("x + 3 = 11 and 2 * x + 3 = 11", True),  # no arithmetic
        ("marbles - 3 - 5 = 32", True),
        ("25 / 1/3 = 75", True),  # nobody knows
        ("14 * 1 1/2 = 21", True),
        ("8/3 = 24/y", True),
        ("4080 / 2 = 2000 + 40 = 2040", True),
        ("4080 / 2 = 2000 + 40 = 2041", False),
        ("48/2 = <<48/2=24>>24 clips", True),
        ("48/2 = <<48/2=24>>25 clips", False),
        ("3+4 = <<no equation>>7", False),  # an annotation that cannot be read
    ],
)
def test_plain_equations_are_checked_too(text, holds_up):
    assert sound(text) is holds_up


@pytest.mark.skipif(SHARED is None, reason="the public data is not on this machine")
def test_few_of_the_data_s_own_solutions_are_found_unsound():
    rows = [json.loads(line)["answer"] for line in SHARED.read_text().split("\n") if line]
    plain = [re.sub(r"<<[^<>]*>>", "", row) for row in rows]
    assert sum(not sound(row) for row in plain) / len(plain) < 0.01
    sum_of_two = re.compile(r"(?<![-+*/x=.,\d] )(\b\d+ [-+*/] \d+ = )(\d+)(?= |\.?$|\n)", re.M)
    wrong = [w for row in plain if (w := sum_of_two.sub(r"\g<1>\g<2>1", row, count=1)) != row]
    assert len(wrong) > 1000 and sum(not sound(row) for row in wrong) / len(wrong) > 0.99


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
    unlike([f"<<{i % 9}+1={i % 9 + 1}>> {i} " * 20_000 for i in range(90)])
    unlike([f"<<{i % 50}+1={i % 50 + 1}>> {i}" * 30 for i in range(2000)])
    assert time.monotonic() - started < 20
