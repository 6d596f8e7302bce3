"""Published metrics as presets: the same verdicts as a plain transcription of the published script, and never mixed."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from itertools import permutations, product

import pytest
from conftest import SMALL, call

from star_cli.core.records import Problem
from star_cli.graders.code import Code
from star_cli.graders.math import Math
from star_cli.graders.sql import Sql
from star_cli.lib.sql.official import as_executed
from star_cli.tasks.mbpp import MBPP
from star_cli.testing import rationale

TABLES = [
    "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, kg REAL);"
    "INSERT INTO pet VALUES (1, 'Ann', 3, 1.5), (2, 'Bo', 3, 0.3), (3, 'Ann', 7, NULL), (4, 'Zo', 1, 9);",
    "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, kg REAL);"
    "INSERT INTO pet VALUES (1, 'Cy', 2, 2.5), (2, 'Di', 9, NULL), (5, 'Di', 4, 1);",
]
QUERIES = [
    "SELECT name FROM pet",
    "SELECT DISTINCT name FROM pet",
    "SELECT name FROM pet ORDER BY age, id",
    "SELECT name FROM pet ORDER BY id",
    "SELECT name FROM pet WHERE id IN (SELECT id FROM pet ORDER BY age)",
    "SELECT name, age FROM pet",
    "SELECT age, name FROM pet",
    "SELECT age, age * 1.0 FROM pet",
    "SELECT count(DISTINCT name) FROM pet",
    "SELECT count(name) FROM pet",
    "SELECT name FROM pet WHERE age > = 3",
    "SELECT name FROM pet WHERE age >= 3",
    "SELECT name FROM pet WHERE age > 90",
    "SELECT age, kg FROM pet WHERE id > 90",
    "SELECT kg FROM pet",
    "SELECT ifnull(kg, 0) FROM pet",
    "SELECT CAST(age AS TEXT) FROM pet",
    "SELECT age FROM pet",
    "SELECT age + 0.0000001 FROM pet",
    "SELECT nam FROM pet",
]


def executed(script: str, sql: str):
    base = sqlite3.connect(":memory:")
    base.executescript(script)
    try:
        return base.execute(sql).fetchall()
    except sqlite3.Error:
        return None
    finally:
        base.close()


def by_spider(gold: str, sql: str) -> bool:
    """Spider's script: operators joined, DISTINCT dropped, bags of rows under any order of the columns."""
    gold, sql = (
        re.sub(r"\bdistinct\b", "", q.replace("> =", ">=").replace("< =", "<="), flags=re.I) for q in (gold, sql)
    )
    for script in TABLES:
        wanted, given = executed(script, gold), executed(script, sql)
        if given is None:
            return False
        if not wanted and not given:
            continue
        if len(wanted) != len(given) or len(wanted[0]) != len(given[0]):
            return False
        orders = [[tuple(row[i] for i in order) for row in given] for order in permutations(range(len(given[0])))]
        if "order by" in gold.lower():
            if wanted not in orders:
                return False
        elif not any(Counter(wanted) == Counter(rows) for rows in orders):
            return False
    return True


def by_bird(gold: str, sql: str) -> bool:
    """BIRD's script: sets of rows."""
    for script in TABLES:
        wanted, given = executed(script, gold), executed(script, sql)
        if given is None or set(wanted) != set(given):
            return False
    return True


@pytest.mark.parametrize(("rules", "oracle"), [("spider", by_spider), ("bird", by_bird)])
def test_sql_is_graded_as_the_published_script_does(rules, oracle):
    grader, differs = Sql(rules=rules), 0
    usable = [q for q in QUERIES if all(executed(s, as_executed(q, rules)) is not None for s in TABLES)]
    for gold, sql in product(usable, QUERIES):
        problem = Problem(id="p", question="?", answer=gold, meta={"tables": TABLES})
        verdict = grader.grade(problem, rationale(problem, f"```sql\n{sql}\n```"))
        assert verdict.correct == oracle(gold, sql), (rules, gold, sql, verdict)
        differs += verdict.correct != Sql().grade(problem, rationale(problem, f"```sql\n{sql}\n```")).correct
    assert differs > 5, "on these queries the rules must differ from ours"


def test_a_word_inside_a_text_is_no_distinct():
    sql = "SELECT DISTINCT name, count(distinct age) FROM pet WHERE name = 'DISTINCT' AND year(curdate()) > = 3"
    assert as_executed(sql, "spider") == "SELECT  name, count( age) FROM pet WHERE name = 'DISTINCT' AND 2020>= 3"
    assert as_executed(sql, "bird") == sql


@pytest.mark.parametrize(
    ("known", "text", "right"),
    [
        (r"\frac{1}{2}", r"So $\boxed{\dfrac12}$.", True),
        (r"\frac{1}{2}", r"$\boxed{0.5}$", True),
        (r"\frac{1}{4}", r"$\boxed{0.25}$", False),  # equal, but not by the published metric
        ("3", r"$\boxed{2}$, no: $\boxed{3}$", True),
        ("3", r"$\boxed{3}$ and then $\boxed{2}$", False),
        ("3", r"The answer is 3.", False),
        ("3", r"$\boxed{3}$. That is wrong.", True),  # the box decides
        ("90", r"$\boxed{90^\circ}$", True),
        ("5", r"$\boxed{x = 5}$", True),
        ("10", r"$\boxed{10\text{ cm}}$", True),
        ("50", r"$\boxed{50\%}$", True),
        (r"\frac{3}{4}", r"$\boxed{3/4}$", True),
        (r"\frac{\sqrt{3}}{2}", r"$\boxed{\frac{\sqrt3}{2}}$", True),
        ("(1,2)", r"$\boxed{\left( 1, 2 \right)}$", True),
        (".5", r"\boxed{\frac{1}{2}}", True),
        ("1,2", r"$\boxed{2,1}$", False),
    ],
)
def test_math_s_last_box(known, text, right):
    problem = Problem(id="p", question="?", answer=known)
    assert Math(rules="last_box").grade(problem, rationale(problem, text)).correct is right


def test_mbpp_s_official_tests_are_the_three_that_are_published():
    row = {
        "text": "Double it.",
        "code": "def twice(x):\n    return 2 * x",
        "test_list": ["assert twice(2) == 4"],
        "challenge_test_list": ["assert twice('a') == 'aa'"],
    }
    problem = MBPP(path="x").problem(row, "1", "x:1")
    narrow = rationale(problem, "```python\ndef twice(x):\n    return int(x) + int(x)\n```")
    assert Code(rules="official").grade(problem, narrow).reason == "MATCH"
    assert Code().grade(problem, narrow).reason == "MISMATCH"


def test_official_rules_stand_beside_ours_and_train_nothing(home):
    args = [*SMALL, "task=tiny_sql", "rounds=1", "name=s"]
    refused = call(home, "run", *args, "grader=sql", "grader.rules=spider")
    assert refused.code == 1 and "evaluation.rules=[spider]" in refused.err
    unknown = call(home, "run", *SMALL, "evaluation.rules=[spider]")
    assert unknown.code == 1 and "grader=exact has no such rules" in unknown.err
    planned = call(home, "plan", *args, "evaluation.rules=[spider,bird]", "--json").json["stages"]
    names = [s["stage"] for s in planned]
    assert names.count("evaluate-spider") == names.count("evaluate-bird") == names.count("evaluate") == 2
    plain = call(home, "plan", *args, "--json").json["stages"]
    keys = {(s["round"], s["stage"]): s["key"] for s in planned}
    assert all(keys[s["round"], s["stage"]] == s["key"] for s in plain), "reporting more must change nothing"
