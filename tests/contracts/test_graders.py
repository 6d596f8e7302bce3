"""Every registered grader judges its own table of cases right, and survives whatever text comes."""

from __future__ import annotations

from typing import Any

import pytest

from star_cli.core import registry
from star_cli.core.records import REASONS, Problem, Rationale
from star_cli.testing import cases

HEAVY = {"math": "math_verify"}  # graders of an extra that may not be installed


def grader_of(name: str) -> Any:
    if name in HEAVY:
        pytest.importorskip(HEAVY[name])
    return registry.get("grader", name)()


def rows() -> list[Any]:
    return [
        pytest.param(name, *row, id=f"{name}-{i}")
        for name in registry.names("grader")
        for i, row in enumerate(cases(registry.get("grader", name)))
    ]


@pytest.mark.parametrize(("name", "problem", "rationale", "reason"), rows())
def test_a_grader_judges_its_own_cases_right(name: str, problem: Problem, rationale: Rationale, reason: str) -> None:
    verdict = grader_of(name).grade(problem, rationale)
    assert (verdict.reason, verdict.correct) == (reason, reason == "MATCH"), f"answer {verdict.answer!r}"


def test_there_are_enough_cases_and_every_grader_has_some() -> None:
    counts = {name: len(registry.get("grader", name).CASES) for name in registry.names("grader")}
    assert sum(counts.values()) >= 150, counts
    few = [name for name, n in counts.items() if n < 5 and not registry.get("grader", name).asks]  # asks: a model's
    assert not few, counts


def test_every_reason_of_the_records_occurs_in_some_table() -> None:
    used = {row[2] for name in registry.names("grader") for row in registry.get("grader", name).CASES}
    assert used >= set(REASONS) - {"TIMEOUT"}
