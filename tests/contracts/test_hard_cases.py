"""Every hard case is judged as a person would, and no ordinary text is an error of the grader."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from hard_cases import ROWS as PET_ROWS  # noqa: E402
from hard_cases import SQL, TABLES  # noqa: E402
from test_graders import grader_of  # noqa: E402

from star_cli.testing import case  # noqa: E402


def rows() -> list[Any]:
    found = []
    for name, table in TABLES.items():
        for i, row in enumerate(table):
            found.append(pytest.param(name, *row[:3], row[3] if len(row) > 3 else {}, id=f"{name}-{i}"))
    return found


@pytest.mark.parametrize(("name", "gold", "text", "reason", "extras"), rows())
def test_a_hard_case_is_judged_right(name: str, gold: str, text: str, reason: str, extras: dict[str, Any]) -> None:
    problem, rationale, _ = case(gold, text, reason, extras)
    verdict = grader_of(name).grade(problem, rationale)
    assert verdict.reason == reason, f"answer {verdict.answer!r}"


@pytest.mark.parametrize(("gold", "text", "reason"), SQL)
def test_the_query_is_found_in_company(gold: str, text: str, reason: str) -> None:
    problem, rationale, _ = case(gold, text, reason, {"meta": {"tables": PET_ROWS}})
    verdict = grader_of("sql").grade(problem, rationale)
    assert verdict.reason == reason, f"answer {verdict.answer!r}"


def test_there_are_hard_cases_of_both_kinds_for_every_grader() -> None:
    assert sum(map(len, TABLES.values())) + len(SQL) >= 600
    for name, table in {**TABLES, "sql": SQL}.items():
        reasons = Counter(row[2] == "MATCH" for row in table)
        assert min(reasons[True], reasons[False]) >= 5, (name, reasons)
        assert "GRADER_ERROR" not in {row[2] for row in table}


def test_no_case_stands_there_twice() -> None:
    for name, table in TABLES.items():
        times = Counter((row[0], row[1], str(row[3:])) for row in table)
        assert not [row for row, n in times.items() if n > 1], name


def test_hard_cases_are_data() -> None:
    assert "star_cli" not in (Path(__file__).parent / "hard_cases.py").read_text()
