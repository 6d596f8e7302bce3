"""What was written elsewhere: rationales to filter (star import), and examples to train on beside the run's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SMALL

from star_cli.core.records import Example, Rationale
from star_cli.store.artifacts import Store

TASK = ["task=gsm8k", "task.path=gsm8k.jsonl", "model=fake", "engine=fake", "trainer=fake"]


@pytest.fixture
def data(home: Path) -> list[dict[str, str]]:
    """A small file of GSM8K in the home."""
    rows = [
        {
            "id": f"q{i}",
            "question": f"What is {i} + {i}?",
            "answer": f"So.\n#### {2 * i}",
            "split": split,
        }
        for i, split in enumerate(["train"] * 6 + ["dev"] * 2)
    ]
    (home / "gsm8k.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return rows


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rationales_from_elsewhere_are_filtered(star, home, data):
    file = lines(
        home / "theirs.jsonl",
        {"problem_id": "q3", "text": "3 + 3 = 6. The answer is 6.", "tokens": 11},
        {"question": "What is 1 + 1?", "text": "The answer is 3."},
        {"problem_id": "q3", "text": "The answer is 7"},
    )
    made = star("import", str(file), *TASK, "--json").json
    assert made["metrics"] == {"samples": 3, "asked": 2} and not made["hit"]
    rows = list(Store(home / "artifacts").find(made["key"]).read(Rationale))
    assert [(r.problem_id, r.sample, r.tokens) for r in rows] == [("q1", 0, 0), ("q3", 0, 11), ("q3", 1, 0)]
    kept = star("filter", "--input", f"rationales={made['key']}", *TASK, "--json").json
    assert kept["metrics"]["kept"] == 1 and kept["metrics"]["reasons"] == {"MISMATCH": 2, "MATCH": 1}
    (example,) = Store(home / "artifacts").find(kept["key"]).read(Example)
    assert "What is 3 + 3?" in example.prompt and example.completion == "3 + 3 = 6. The answer is 6."
    elsewhere = home / "copy.jsonl"
    elsewhere.write_bytes(file.read_bytes())
    assert star("import", str(elsewhere), *TASK, "--json").json == {**made, "hit": True}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"problem_id": "q77", "text": "x"}, "theirs.jsonl:1: 'q77' is no id, prompt or question of the 6 problems"),
        ({"text": "x"}, "theirs.jsonl:1: no field problem_id or id or prompt or question; it has text"),
        ({"problem_id": "q1"}, "theirs.jsonl:1: no field text or completion; it has problem_id"),
        ({"problem_id": "q1", "text": 7}, "'text' is a int, expected text"),
        ([1], "theirs.jsonl:1: a list, not a JSON object"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(star, home, data, row, says):
    result = star("import", str(lines(home / "theirs.jsonl", row)), *TASK, code=1)
    assert says in result.err and "Traceback" not in result.err


def test_an_empty_or_missing_file_is_named(star, home, data):
    assert "holds no rationale" in star("import", str(lines(home / "no.jsonl")), *TASK, code=1).err
    assert "cannot be read" in star("import", "nowhere.jsonl", *TASK, code=1).err


def trained_on(home: Path, star, *args: str) -> dict[int, list[Example]]:
    """What each round of a run was trained on."""
    star("run", *SMALL, *args)
    store = Store(home / "artifacts")
    name = next(a.removeprefix("name=") for a in args if a.startswith("name="))
    rows = star("show", name, "--json").json["stages"]
    return {s["round"]: list(store.find(s["key"]).read(Example)) for s in rows if s["stage"] == "finetune"}


def test_outside_rows_are_mixed_in_by_weight_and_drawn_anew_each_round(star, home):
    lines(home / "chat.jsonl", *({"prompt": f"hello {i}", "completion": f"good day {i}"} for i in range(200)))
    rounds = trained_on(home, star, "name=mixed", "training.mix=[{path: chat.jsonl, weight: 0.5}]")
    drawn = {}
    for number, examples in rounds.items():
        own = [e for e in examples if e.origin != "outside"]
        drawn[number] = {e.prompt for e in examples if e.origin == "outside"}
        assert len(drawn[number]) == round(0.5 * len(own))
    assert drawn[1] != drawn[2]
    again = star("run", *SMALL, "name=again", "training.mix=[{path: chat.jsonl, weight: 0.5}]")
    assert again.code == 0 and all(s["hit"] for s in star("show", "again", "--json").json["stages"])


def test_too_few_outside_rows_are_repeated_and_another_file_is_another_model(star, home):
    lines(home / "one.jsonl", {"prompt": "hello", "completion": "good day"})
    rounds = trained_on(home, star, "name=one", "training.mix=[{path: one.jsonl, weight: 2}]")
    assert all(sum(e.origin == "outside" for e in examples) == 1 for examples in rounds.values())  # written once
    plain = star("plan", *SMALL, "--json").json["stages"]
    mixed = star("plan", *SMALL, "training.mix=[{path: one.jsonl, weight: 2}]", "--json").json["stages"]
    keys = [{s["stage"]: s["key"] for s in stages if s["round"] == 1} for stages in (plain, mixed)]
    assert keys[0]["generate"] == keys[1]["generate"] and keys[0]["finetune"] != keys[1]["finetune"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("training.mix=[{path: no.jsonl}]", "no.jsonl cannot be read"),
        ("training.mix=[{weight: 1}]", "training.mix[0] names no path"),
        ("training.mix=[{path: a, weight: 0}]", "training.mix[0].weight must be > 0"),
        ("training.mix=[{path: a},{path: a}]", "training.mix names a file twice"),
    ],
)
def test_a_mix_that_cannot_be_meant_is_a_sentence(star, home, setting, says):
    result = star("run", *SMALL, setting, code=1)
    assert says in result.err and "Traceback" not in result.err
