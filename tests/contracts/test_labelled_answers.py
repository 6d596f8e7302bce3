"""Answers in the ways models give them, labelled by hand: no false accept, no false refusal but those by rule.

The files are what `star grade FILE grader=NAME --summary` reads; refused.jsonl holds what a person accepts and the
rules refuse, each with the reason (docs/grading.md).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from star_cli.core import registry
from star_cli.run.grade_file import Summary, grade_lines

LABELLED = Path(__file__).parents[1] / "data" / "labelled"
NAMES = ("choice", "math", "numeric")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (LABELLED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_agree_with_every_label(name: str) -> None:
    if name == "math":
        pytest.importorskip("math_verify")
    summary = Summary()
    with open(LABELLED / f"{name}.jsonl", "rb") as file:
        for _ in grade_lines(registry.get("grader", name)(), file, name, 1, None, summary):
            pass
    assert (summary.accepted, summary.refused) == ([], [])
    assert summary.labelled == summary.graded == len(rows(name))
    assert not {"GRADER_ERROR", "TIMEOUT"} & set(summary.reasons)


def test_labelled_answers_are_many_and_of_both_kinds() -> None:
    for name in NAMES:
        labels = Counter(row["label"] for row in rows(name))
        assert min(labels[True], labels[False]) >= 50, (name, labels)
        assert len({(r["gold"], r["prediction"], str(r.get("choices"))) for r in rows(name)}) == len(rows(name))


@pytest.mark.parametrize("row", rows("refused"), ids=lambda row: str(row["id"]))
def test_what_is_refused_by_rule_is_refused(row: dict[str, Any]) -> None:
    if row["grader"] == "math":
        pytest.importorskip("math_verify")
    grader = registry.get("grader", row["grader"])()
    arguments = [row["gold"], *([row["choices"]] if "choices" in row else []), row["prediction"]]
    assert row["label"] and row["why"] and not grader.judge(*arguments)[0]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_learned_of_a_right_text_is_right_and_is_not_cut_again(name: str) -> None:
    if name == "math":
        pytest.importorskip("math_verify")
    grader = registry.get("grader", name)()
    for row in rows(name):
        if row["label"]:
            kept = grader.judged(row["prediction"])
            known = [row["gold"], *([row["choices"]] if "choices" in row else [])]
            assert row["prediction"].startswith(kept) and grader.judged(kept) == kept, row
            assert grader.judge(*known, kept)[0], (row, kept)
