"""What is marked in a rationale: the answer where it stands, wrong steps, thoughts, code, formulas."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.report.text import clean
from star_cli.report.view.formulas import ATTRIBUTES, ELEMENTS, mathml
from star_cli.report.view.marks import answer_place, raw, rendered


@pytest.mark.parametrize(
    "text, answer, marked",
    [
        ("So 12 and 12 again.", "12", "So 12 and [12] again."),
        ("It is 1,000 dollars", "1000", "It is [1,000] dollars"),
        ("</scratch>\n1 2", "1 2", "</scratch>\n[1 2]"),
        ("112 and 12.5 and 123", "12", None),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", r"\boxed{[\frac{1}{2}]}"),
        ("<think>it is 7</think> no number", "7", None),
        ("a guess CONCLUSION: (e)", "E", "a guess CONCLUSION: [(e)]"),
        ("A or B: B", "B", "A or B: [B]"),
        ("anything", "", None),
        ("x" * 300, "x" * 300, None),
    ],
)
def test_the_answer_is_marked_where_it_stands_last(text, answer, marked):
    place = answer_place(text, answer)
    assert marked == (place and f"{text[: place[0]]}[{text[slice(*place)]}]{text[place[1] :]}")


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("2 + 2 = 5", ["2 + 2 = 5"]),
        ("2 + 2 = 4 and 3*4=12", []),
        ("48/2 = <<48/2=25>>25", ["<<48/2=25>>"]),
        ("22 / 7 = 3.14", []),
        ("22 / 7 = 3.15", ["22 / 7 = 3.15"]),
        ("5% of x = 10, a = b + 3 = 7", []),
        ("$1,000 + $500 = $1,500", []),
        ("1 + 2 + 3 = 7.", ["1 + 2 + 3 = 7"]),
        ("72 kids x 3/4 = 54", []),
        ("1000*20/100 = $200", []),
        ("100 - 15 = 85% of it", []),
        ("192 / 1.2 = 1.2Y / 1.2", []),
        ("3*30 = 30 + M", []),
        ("so 8*3 = 240\nnext", ["8*3 = 240"]),
    ],
)
def test_an_equation_that_does_not_hold_is_marked(text, wrong):
    assert [unescape(m) for m in re.findall(r'<mark class="wrong"[^>]*>([^<]*)</mark>', rendered(text))] == wrong


def test_a_line_that_the_task_knows_to_be_wrong_is_marked():
    html = rendered("first\nsecond\nthird", wrong_lines=[1])
    assert re.findall(r'<mark class="wrong"[^>]*>([^<]*)</mark>', html) == ["second"]


def test_thoughts_are_folded_and_an_open_one_is_said():
    html = rendered("<think>a b c</think>the end")
    assert re.search(r"<details class=\"thought\"><summary>thought of 3 words</summary>", html)
    assert "that never ends" in rendered("before <think>on and on")


def test_code_is_coloured_and_escaped():
    html = rendered("```python\nreturn '<b>'\n```\nend")
    assert '<span class="k">return</span>' in html and "<b>" not in html
    assert '<pre class="code">' in rendered("```nosuchlanguage\nx\n```")


PLACES = [parent / "shared" / "data" / "gsm8k" / "train.jsonl" for parent in Path(__file__).resolve().parents]
GSM8K = next((place for place in PLACES if place.is_file()), None)
TEXT = st.text(st.sampled_from("ab1 2=+<>&\"'$\\()[]{}`\n\t\x1b\u202eé") | st.characters(exclude_categories=["Cs"]))


@settings(max_examples=200, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_nothing_is_lost_and_nothing_becomes_markup(text, answer, search):
    html = rendered(text, answer=answer, search=search)
    tags = re.findall(r"<(/?[a-zA-Z][a-zA-Z]*)", html)
    allowed = {"div", "mark", "details", "summary", "pre", "span", *ELEMENTS}
    assert {tag.strip("/") for tag in tags} <= allowed
    if not {"`", "$", "\\", "<", "["} & set(text):  # no code, formula or thought: every letter is there
        assert unescape(re.sub(r"<[^>]*>", "", html)).strip() == clean(text.strip(" \t\n")).strip()
    assert unescape(raw(text)[len('<pre class="text">') : -len("</pre>")]) == clean(text)


@pytest.mark.parametrize(
    "tex",
    [
        r"\text{<img src=x onerror=alert(1)>}", r"\href{javascript:alert(1)}{x}", r"\style{position:fixed}{x}",
        r"\frac{1}{", r"\text{<script>alert(1)</script>}", r"\class{x}{y}", r"\unicode{x202e}", "\u202ex",
        r"\begin{matrix}1&2\end{matrix}", r"\text{<math href='x'>}", "x" * 3000,
    ],
)  # fmt: skip
def test_a_formula_can_do_nothing_but_be_shown(tex):
    drawn = mathml(tex) or ""
    assert set(re.findall(r"<([a-zA-Z]+)", drawn)) <= ELEMENTS
    assert set(re.findall(r"\s([\w:-]+)=", drawn)) <= ATTRIBUTES
    assert "script" not in drawn.lower() or "&lt;" in drawn


def test_a_formula_is_drawn():
    assert "<mfrac>" in (mathml(r"\frac{1}{2}") or "") and "<mfrac>" in rendered(r"so \( \frac{1}{2} \)")
    assert "$5 and $6" in rendered("between $5 and $6")


@pytest.mark.skipif(GSM8K is None, reason="gsm8k/train.jsonl is not on this machine")
def test_few_equations_of_right_texts_are_marked_and_many_of_wrong_ones():
    with GSM8K.open(encoding="utf-8") as lines:
        texts = [re.sub(r"<<[^>]*>>", "", json.loads(line)["answer"]) for line in lines]
    falsely = sum('class="wrong"' in rendered(text) for text in texts)
    assert len(texts) > 7000 and falsely <= 0.005 * len(texts)
    found = corrupted = 0
    for text in texts[:1500]:
        result = re.search(r"\d\s?[-+*/]\s?\d+\s?=\s?\$?(\d+)(?![\d.,/%])", text)
        if result:
            worse = f"{text[: result.start(1)]}{int(result[1]) + 1}{text[result.end(1) :]}"
            corrupted, found = corrupted + 1, found + ('class="wrong"' in rendered(worse))
    assert found > 0.35 * corrupted > 100
