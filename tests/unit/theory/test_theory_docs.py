"""docs/theory.md tells what the code computes. Run this file as a script to print the table for the page."""

import re
from pathlib import Path

import pytest

from star_cli.lib.theory.closed_form import accuracy, rounds_to_reach, trajectory
from star_cli.lib.theory.criterion import judge
from star_cli.lib.theory.tabular import simulate, symmetric_tables

PAGE = Path(__file__).parents[3] / "docs" / "theory.md"
STARTS = [
    ("theory", (0.2, 0.2, 0.2)),
    ("theory", (0.1, 0.1, 0.1)),
    ("generator", (0.2, 0.2, 0.2)),
    ("generator", (0.1, 0.1, 0.1)),
    ("theory", (0.3, 0.1, 0.05)),
    ("theory", (0.0, 0.1, 0.1)),
]


def reference_table() -> str:
    rows = ["| start | quantity | 0 | 1 | 2 | 3 | 4 | 5 |", "|---|---|---|---|---|---|---|---|"]
    for convention, start in STARTS:
        prediction = trajectory(start, 64, 5, convention=convention)
        name = f"{convention} {start[0]}" if len(set(start)) == 1 else f"{convention} {list(start)}"
        for n in sorted({start.index(value) for value in start}):
            label = "δ" if len(set(start)) == 1 else f"δ{'₁₂₃'[n]}" if start.count(start[n]) == 1 else "δ₂ = δ₃"
            rows.append(f"| {name} | {label} | " + " | ".join(f"{row[n]:.6f}" for row in prediction.delta) + " |")
        rows.append(f"| {name} | J | " + " | ".join(f"{value:.6f}" for value in prediction.accuracy) + " |")
        wrong = " | ".join(f"{value:.2e}" if value < 1e-3 else f"{value:.6f}" for value in prediction.wrong_given_kept)
        rows.append(f"| {name} | wrong given kept | {wrong} |")
    return "\n".join(rows)


def test_the_reference_table_on_the_page_is_what_the_code_prints() -> None:
    found = re.search(r"<!-- vectors -->\n(.*)\n<!-- /vectors -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found.group(1) == reference_table()


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    assert trajectory([0.2] * 3, 64, 3).accuracy == pytest.approx((0.0235, 0.130984, 0.869432, 0.999777), abs=1e-6)
    assert rounds_to_reach([0.1] * 3, 64, 0.99) == 4
    assert judge([-0.01, 0.2, 0.2], 64).can_start
    assert not judge([-0.01, -0.01, 0.2], 64).can_start
    assert accuracy([-1, -1, 1], 2) == 1
    truth = [[1, 2, 0], [0, 2, 1]]
    assert len(simulate(symmetric_tables([0.3, 0.4], 3, truth), truth, rounds=2, temperature=0.5).accuracy) == 3


if __name__ == "__main__":
    print(reference_table())
