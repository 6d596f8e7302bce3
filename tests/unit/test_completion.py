"""What TAB offers, asked as a shell asks: settings and their values, parts, runs, stages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import SMALL, call, environment


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    assert call(home, "run", *SMALL, "rounds=1", "problems=20", "name=demo").code == 0
    (home / "runs" / "broken").mkdir()
    (home / "runs" / "broken" / "run.json").write_text("{")
    return home


def offers(home, line):
    """What bash is told when TAB is pressed at the end of a line; it takes = for a word of its own."""
    words = line.replace("=", " = ").split() + ([""] if line.endswith((" ", "=")) else [])
    asked = {"_STAR_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "star_cli"], env=environment(home) | asked, cwd=home, capture_output=True, text=True
    )
    assert done.stderr == "" or "Traceback" not in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("star run task=js", ["jsonl"]),
        ("star run seed=1 experiment=shoot", ["shootout"]),
        (
            "star plan method=star method.rat",
            ["method.rationalize=", "method.rationalize=true", "method.rationalize=false"],
        ),
        ("star run sampling.top", ["sampling.top_p=", "sampling.top_k="]),
        ("star run runtime.grade_early=", ["true", "false"]),
        ("star resume de", ["demo"]),
        ("star resume demo --from round-1/fil", ["round-1/filter", "round-1/filter-rationalized"]),
        ("star show demo/round-0/ev", ["demo/round-0/evaluate"]),
        ("star explain grader.nu", ["grader.numeric"]),
        ("star ls exp", ["experiments"]),
        ("star run no_such.", []),
    ],
)
def test_tab_offers_what_can_stand_there(home, line, expected):
    assert offers(home, line) == expected
