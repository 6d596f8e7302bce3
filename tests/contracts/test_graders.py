"""Every registered grader judges its own table of cases right, and survives whatever text comes."""

from __future__ import annotations

from typing import Any

import pytest

from star_cli.core import registry
from star_cli.core.records import REASONS, Problem, Rationale

HEAVY = {"math": "math_verify"}  # graders of an extra that may not be installed


def grader_of(name: str) -> Any:
    if name in HEAVY:
        pytest.importorskip(HEAVY[name])
    return registry.get("grader", name)()


def case(gold: str, text: str, extras: dict[str, Any]) -> tuple[Problem, Rationale]:
    problem = Problem(
        id="p",
        question=extras.get("question", ""),
        answer=gold,
        choices=extras.get("choices"),
        meta=extras.get("meta", {}),
    )
    rationale = Rationale(
        problem_id="p",
        sample=0,
        text=text,
        hinted=False,
        finish=extras.get("finish", "stop"),
        tokens=1,
        logprob=None,
        seed=0,
        prompt_key="",
    )
    return problem, rationale


def rows() -> list[Any]:
    found = []
    for name in registry.names("grader"):
        for i, row in enumerate(registry.get("grader", name).CASES):
            found.append(pytest.param(name, *row[:3], row[3] if len(row) > 3 else {}, id=f"{name}-{i}"))
    return found


@pytest.mark.parametrize(("name", "gold", "text", "reason", "extras"), rows())
def test_a_grader_judges_its_own_cases_right(
    name: str, gold: str, text: str, reason: str, extras: dict[str, Any]
) -> None:
    verdict = grader_of(name).grade(*case(gold, text, extras))
    assert (verdict.reason, verdict.correct) == (reason, reason == "MATCH"), f"answer {verdict.answer!r}"


def test_there_are_enough_cases_and_every_grader_has_some() -> None:
    counts = {name: len(registry.get("grader", name).CASES) for name in registry.names("grader")}
    assert sum(counts.values()) >= 150, counts
    assert not [name for name, n in counts.items() if n < 5], counts


def test_every_reason_of_the_records_occurs_in_some_table() -> None:
    used = {row[2] for name in registry.names("grader") for row in registry.get("grader", name).CASES}
    assert used >= set(REASONS) - {"TIMEOUT"}
