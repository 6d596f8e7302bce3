"""Thoughts, run-ons and retractions: what of a text decides, and what of it is learned."""

from __future__ import annotations

import pytest

from star_cli.core import registry
from star_cli.core.records import Problem, Rationale
from star_cli.errors import StarError
from star_cli.lib.text import thoughts
from star_cli.lib.text.answers import final, finals, learned
from star_cli.lib.text.retractions import retracted
from star_cli.testing import case

THOUGHT = "<think>Perhaps \\boxed{3}? The answer is 3.\n#### 3</think>"
NEXT = "\n\nQuestion: And 2 + 2?\nThe answer is 4."


# ---- what is judged
def test_thoughts_are_blanked_and_every_letter_keeps_its_place() -> None:
    text = f"{THOUGHT}So it is \\boxed{{4}}."
    read = thoughts.read(text)
    assert len(read.text) == len(text) and read.text.endswith("So it is \\boxed{4}.")
    assert read.text[: len(THOUGHT)].strip() == "" and not read.unfinished and not read.ran_on


@pytest.mark.parametrize(
    ("text", "visible", "unfinished"),
    [
        ("<think>a</think>b<think>c</think>d", "b d", False),
        ("begun in the prompt</think>b", "b", False),
        ("b<think>never closed", "b", True),
        ("<think>a</think>b<think>c", "b", True),
        ("<think>a<think>b</think>c", "c", False),
        ("<THINK>a</THINK>b", "b", False),
        ("x < y and y > z", "x < y and y > z", False),
        ("", "", False),
    ],
)
def test_what_is_said_apart_from_thoughts(text: str, visible: str, unfinished: bool) -> None:
    said, opened = thoughts.spoken(text)
    assert (" ".join(said.split()), opened) == (visible, unfinished)


@pytest.mark.parametrize("pair", thoughts.THOUGHTS)
def test_every_pair_of_tokens_is_a_thought(pair: str) -> None:
    start, end = pair.split()
    assert thoughts.spoken(f"{start}x{end}y")[0].strip() == "y"
    if not start.isalpha():
        assert thoughts.spoken(f"y{start}x") == ("y" + "\n" * (len(start) + 1), True)


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("analysisWe add. It is 4?assistantfinalIt is 5.", "It is 5."),  # gpt-oss without its special tokens
        ("<|channel|>analysis<|message|>4?<|end|><|start|>assistant<|channel|>final<|message|>It is 5.", "It is 5."),
        ("<|channel|>commentary<|message|>4?<|end|><|start|>assistant<|channel|>final<|message|>It is 5.", "It is 5."),
        ("analysis of the sum: It is 5.", "analysis of the sum: It is 5."),
        ("The analysis is easy. assistantfinal", "The analysis is easy. assistantfinal"),
        ("It is 5.<|end|>", "It is 5.<|end|>"),  # of Phi: the end of a turn, not of a thought
    ],
)
def test_channels_of_gpt_oss_are_told_from_words(text: str, visible: str) -> None:
    assert thoughts.spoken(text) == ("\n" * (len(text) - len(visible)) + visible, False)


@pytest.mark.parametrize("name", ["exact", "numeric", "choice", "conclusion", "math", "sql", "code"])
def test_the_tokens_are_a_setting_of_every_grader(name: str) -> None:
    if name == "math":
        pytest.importorskip("math_verify")
    grader = registry.get("grader", name)
    assert grader().reading("<think>a</think>b").text.strip() == "b"
    assert grader(thoughts=[]).reading("<think>a</think>b").text == "<think>a</think>b"
    assert grader(thoughts=["<<hm>> <</hm>>"]).reading("<<hm>>a<</hm>>b").text.strip() == "b"
    with pytest.raises(StarError, match="grader.thoughts must be pairs of tokens with a space between, got 'think'"):
        grader(thoughts=["think"]).check()


def test_a_thought_that_never_ends_is_truncated_unless_that_is_allowed() -> None:
    text = "The answer is 5. <think>or is it"
    for truncated in (False, True):
        grader = registry.get("grader", "numeric")(truncated=truncated)
        problem, rationale, _ = case("5", text, "TRUNCATED")
        assert grader.grade(problem, rationale).reason == "TRUNCATED"


@pytest.mark.parametrize(
    "mark", ["\n\nQuestion: x", "\nQ: x", "\nProblem 2: x", "\nHuman: x", "<|im_end|>x", "</s>x", "\n## Question 2\nx"]
)
def test_a_next_question_ends_the_text(mark: str) -> None:
    read = thoughts.read(f"It is 5.{mark}\nThe answer is 7.")
    assert read.text == "It is 5." + ("\n" if mark == "\n\nQuestion: x" else "") * 1 or read.text.strip() == "It is 5."
    assert read.ran_on


@pytest.mark.parametrize(
    "text", ["Question: what is it?\nIt is 5.", "The question is open.", "Problem solved. It is 5."]
)
def test_a_question_at_the_beginning_or_in_a_sentence_is_no_next_one(text: str) -> None:
    assert not thoughts.read(text).ran_on


# ---- which answer counts
def test_the_last_answer_comes_first() -> None:
    text = "The answer is 3. Then \\boxed{4}. Answer: 5\n#### 6"
    assert [f.text.strip() for f in finals(text)][:4] == ["6", "5", "4", "3"]


@pytest.mark.parametrize(
    "after",
    [
        " Wait, that is wrong.",
        " Hmm, I made a mistake.",
        " Scratch that.",
        " That's wrong because I forgot the sign.",
        "\nActually my answer is incorrect.",
        " Oops, I misread it.",
        " Wait, no.",
        " No, that can't be right.",
    ],
)
def test_an_answer_is_taken_back(after: str) -> None:
    text = "The answer is 5."
    assert retracted(text + after, len(text))
    for name, gold in (("numeric", "5"), ("math", "5")):
        if name == "math":
            pytest.importorskip("math_verify")
        problem, rationale, _ = case(gold, text + after, "NO_ANSWER")
        assert registry.get("grader", name)().grade(problem, rationale).reason == "NO_ANSWER"


@pytest.mark.parametrize(
    "after",
    [
        " Let me know if I made a mistake.",
        " There is no error in this.",
        " The other options are wrong.",
        " This is correct.",
        " I checked it and found no mistake.",
        " Wait for the next chapter.",
        "",
    ],
)
def test_what_follows_takes_nothing_back(after: str) -> None:
    text = "The answer is 5."
    assert not retracted(text + after, len(text))


def test_no_answer_is_none() -> None:
    for text in ("", " \n", "I cannot say.", "<think>5</think>"):
        assert final(thoughts.read(text).text) is None


# ---- what is learned
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{THOUGHT}The answer is 4. I hope this helps!", f"{THOUGHT}The answer is 4."),
        (f"{THOUGHT}\nSo $\\boxed{{4}}$.\n\nThank you!", f"{THOUGHT}\nSo $\\boxed{{4}}$."),
        (f"2 + 2 = 4\n#### 4{NEXT}", "2 + 2 = 4\n#### 4"),
        (f"{THOUGHT}I am lost.{NEXT}", f"{THOUGHT}I am lost."),
        ("guess</think>It is \\boxed{4}. Bye.", "guess</think>It is \\boxed{4}."),
        ("The answer is 3. No, the answer is 4. Bye.", "The answer is 3. No, the answer is 4."),
        ("The answer is 4. The answer is correct.", "The answer is 4."),
        ("<answer>4</answer> tail", "<answer>4</answer>"),
    ],
)
def test_what_is_learned_ends_with_the_answer_and_keeps_the_thought(text: str, kept: str) -> None:
    assert learned(text) == kept
    assert registry.get("grader", "numeric")().judged(text) == kept


@pytest.mark.parametrize("name", ["numeric", "choice", "conclusion", "math", "sql"])
def test_what_is_learned_is_judged_as_the_whole_was(name: str) -> None:
    """For every case of a grader that is right: cut text, same verdict, and cutting it again changes nothing."""
    if name == "math":
        pytest.importorskip("math_verify")
    grader = registry.get("grader", name)()
    for row in grader.CASES:
        problem, rationale, reason = case(*row)
        if reason != "MATCH":
            continue
        kept = grader.judged(rationale.text)
        assert rationale.text.startswith(kept.rstrip()[:10])
        assert grader.judged(kept) == kept, rationale.text
        again: tuple[Problem, Rationale, str] = case(row[0], kept, reason, row[3] if len(row) > 3 else None)
        assert grader.grade(again[0], again[1]).reason == "MATCH", kept


def test_exact_learns_the_text_as_it_is() -> None:
    text = f"{THOUGHT}A: 4{NEXT}"
    assert registry.get("grader", "exact")().judged(text) == text
