"""What of held-out problems stands among the training problems: against every pair compared, and said in every run."""

from __future__ import annotations

import json
import random
import re

from conftest import SMALL, call

from star_cli.core.records import Problem
from star_cli.lib.text.overlap import matches
from star_cli.stages.overlap import overlap_of


def shared(a: str, b: str, length: int) -> bool:
    """Whether two texts share so many words in a row, by comparing all of them."""
    x, y = (re.findall(r"[a-z0-9]+", text.lower()) for text in (a, b))
    return any(
        x[i : i + length] == y[j : j + length] for i in range(len(x) - length + 1) for j in range(len(y) - length + 1)
    )


def test_the_matches_are_those_of_all_pairs():
    draw = random.Random(2)
    for _ in range(60):
        texts = [" ".join(draw.choices("a b c d".split(), k=draw.randint(1, 9))) for _ in range(14)]
        held, train = [(f"h{i}", t) for i, t in enumerate(texts[:6])], [(f"t{i}", t) for i, t in enumerate(texts[6:])]
        found = {m.held_out: m for m in matches(held, train, length=4)}
        for name, text in held:
            whole = [t for t, other in train if other == text]
            part = [t for t, other in train if shared(text, other, 4)]
            match = found.get(name)
            assert (match is not None) == bool(whole or part)
            if match:
                assert match.exact == bool(whole) and match.other == (whole or part)[0]
                assert match.exact or (len(match.span.split()) >= 4 and shared(match.span, dict(train)[match.other], 4))
                assert match.span in text


def test_case_and_punctuation_do_not_count_and_the_span_is_shown():
    story = "Ann has seven red apples, and she gives three of them to Bo on a Sunday morning"
    rows = matches([("h", story + ". How many?")], [("t", story.upper() + "! What colour?"), ("u", "short")])
    assert [(m.other, m.exact) for m in rows] == [("t", False)]
    assert rows[0].span == story.replace(",", "").lower()
    assert not matches([("h", "two words")], [("t", "two words more")])


def problem(name: str, **facts) -> Problem:
    return Problem(
        id=name,
        question="How many circles are there in this picture of ours, would you say, my friend?",
        answer="A",
        **facts,
    )


def test_the_same_question_of_another_picture_or_with_other_choices_is_another_problem():
    one, other = problem("h", images=["a.png"]), problem("t", images=["b.png"])
    assert not overlap_of("dev", [one], [other]).found
    assert overlap_of("dev", [one], [problem("t", images=["a.png"])]).found[0].exact
    assert not overlap_of("dev", [problem("h", choices=["1", "2"])], [problem("t", choices=["3", "4"])]).found[0].exact


def test_every_run_says_it_once_and_a_plan_does_not(home):
    done = call(home, "run", *SMALL, "rounds=2", "name=x")
    assert done.code == 0 and (done.out + done.err).count("overlap: ") == 1
    assert "overlap: " not in (lambda r: r.out + r.err)(call(home, "plan", *SMALL, "rounds=2"))


def test_doctor_data_shows_the_spans(home, tmp_path):
    story = "Ann has seven red apples and she gives three of them to Bo on a Sunday morning in {}"
    rows = [
        {"id": f"t{i}", "question": story.format(m), "answer": "1", "split": "train"}
        for i, m in enumerate(("May", "June"))
    ]
    rows += [
        {"id": "d0", "question": story.format("May"), "answer": "1", "split": "dev"},
        {"id": "d1", "question": story.format("July"), "answer": "1", "split": "dev"},
        {"id": "d2", "question": "What is one and one?", "answer": "2", "split": "dev"},
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    args = ["doctor", "data", "model=fake", "task=jsonl", f"task.path={path}", "grader=numeric"]
    done = call(home, *args)
    assert (
        done.code == 1
        and "d0 is word for word in train t0" in done.out
        and "d1 is in part in train t0: ann has" in done.out
    )
    assert "1 stand there word for word and 1 more share 13 words" in done.out
    found = call(home, *args, "--json").json
    assert (found["held_out"], found["train"]) == (3, 2) and [m["held_out"] for m in found["matches"]] == ["d0", "d1"]
    assert call(home, "doctor", "nonsense").code == 1
