"""SQL as text, as a parse, as results: what counts as the same, and what does not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from star_cli.core import registry
from star_cli.errors import StarError
from star_cli.lib.sql.determinism import flags, with_keys, without_limit
from star_cli.lib.sql.execute import Failed, Limits, Result, instances, run
from star_cli.lib.sql.files import address_of_scripts, locate, write_database
from star_cli.lib.sql.forms import LEVELS, exact_match, hardness
from star_cli.lib.sql.questions import KINDS, Draw
from star_cli.lib.sql.results import Rules, result_name, same
from star_cli.lib.sql.text import ordered, sql_of
from star_cli.lib.sql.worlds import world


def table(*rows: tuple[Any, ...], width: int = 0) -> Result:
    return Result(tuple(f"c{i}" for i in range(width or len(rows[0]))), list(rows))


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("Think.\n```sql\nSELECT 1\n```\n", "SELECT 1"),
        ("```\nSELECT 1\n```", "SELECT 1"),
        ("```sql SELECT 1 ```", "SELECT 1"),
        ("```sql\nSELECT 1", "SELECT 1"),
        ("```sql\nSELECT 1\n```\nor\n```sql\nSELECT 2\n```", "SELECT 2"),
        ("SQL: SELECT a FROM t;\nDone.", "SELECT a FROM t;"),
        (
            "I select rows.\nSELECT a\nFROM t\nWHERE b IN (\nSELECT b FROM u)",
            "SELECT a\nFROM t\nWHERE b IN (\nSELECT b FROM u)",
        ),
        ("SELECT a FROM t\nUNION\nSELECT a FROM u", "SELECT a FROM t\nUNION\nSELECT a FROM u"),
        ("WITH x AS (\nSELECT 1)\nSELECT * FROM x", "WITH x AS (\nSELECT 1)\nSELECT * FROM x"),
        ("SELECT a FROM t\n\nThis selects a.", "SELECT a FROM t"),
        ("SELECT a FROM t;\nSELECT b FROM t", "SELECT b FROM t"),
        ("no query", None),
        ("```sql\n```", None),
        ("I am lost\nQ: next\nA: SELECT 1", None),
    ],
)
def test_the_sql_of_a_text_is_its_last_fenced_block_or_final_statement(text: str, sql: str | None) -> None:
    assert sql_of(text)[0] == sql


def test_only_the_outermost_order_by_orders() -> None:
    assert ordered("SELECT a FROM t ORDER BY a") and ordered("select a from t order\nby a limit 1")
    assert not ordered("SELECT a FROM (SELECT a FROM t ORDER BY a)") and not ordered(
        "SELECT 'ORDER BY' FROM t -- ORDER BY a"
    )


@pytest.mark.parametrize(
    ("sql", "level"),
    [
        ("SELECT count(*) FROM t", "easy"),
        ("SELECT a, b FROM t WHERE c > 1", "medium"),
        ("SELECT a FROM t WHERE b > (SELECT avg(b) FROM t)", "hard"),
        ("SELECT T1.a FROM t AS T1 JOIN u AS T2 ON T1.i = T2.i GROUP BY T1.a ORDER BY count(*) DESC LIMIT 1", "extra"),
        ("SELECT a FROM t WHERE b LIKE '%x%' OR c = 1", "hard"),
        ("SELECT ((a", None),
    ],
)
def test_hardness_is_spiders(sql: str, level: str | None) -> None:
    assert hardness(sql) == level


@pytest.mark.parametrize(
    ("gold", "other", "equal"),
    [
        ("SELECT a, b FROM t", "select B, A from T", True),
        ("SELECT a FROM t WHERE b = 1 AND c > 2", "SELECT a FROM t WHERE c > 5 AND b = 7", True),
        (
            "SELECT T1.a FROM t AS T1 JOIN u AS T2 ON T1.i = T2.i",
            "SELECT x.a FROM u AS y JOIN t AS x ON y.i = x.i",
            True,
        ),
        ("SELECT a FROM t", "SELECT t.a FROM t", True),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b != 1", False),
        ("SELECT a FROM t WHERE b = 1 OR c = 2", "SELECT a FROM t WHERE b = 1 AND c = 2", False),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC", False),
        ("SELECT a FROM t ORDER BY a LIMIT 1", "SELECT a FROM t ORDER BY a", False),
        ("SELECT DISTINCT a FROM t", "SELECT a FROM t", False),
        ("SELECT count(a) FROM t", "SELECT count(DISTINCT a) FROM t", False),
        ("SELECT a FROM t WHERE b IN (SELECT b FROM u)", "SELECT a FROM t WHERE b NOT IN (SELECT b FROM u)", False),
        ("SELECT a FROM t UNION SELECT a FROM u", "SELECT a FROM t INTERSECT SELECT a FROM u", False),
        ("SELECT a FROM t", "SELECT a FRM t", False),
        ("SELEC a", "SELECT a FROM t", None),
    ],
)
def test_exact_set_match_compares_clauses_without_values(gold: str, other: str, equal: bool | None) -> None:
    assert exact_match(gold, other) is equal


def test_columns_joined_by_a_key_match_exactly_where_the_schema_says_so() -> None:
    gold, other = (
        "SELECT t.i FROM t JOIN u ON t.i = u.i GROUP BY t.i",
        "SELECT u.i FROM t JOIN u ON t.i = u.i GROUP BY u.i",
    )
    assert exact_match(gold, other) is False and exact_match(gold, other, [("u.i", "t.i")]) is True


@pytest.mark.parametrize(
    ("a", "b", "rules", "lists", "set_"),
    [
        (table((1,), (2,)), table((2,), (1,)), Rules(), False, True),
        (table((1,), (1,)), table((1,)), Rules(), False, False),
        (table((1,), (1,)), table((1,)), Rules(duplicates=False), True, True),
        (table((1, "x")), table(("x", 1)), Rules(), True, True),
        (table((1, "x")), table(("x", 1)), Rules(columns="same"), False, False),
        (table((1, 2), (2, 1)), table((1, 2), (1, 2)), Rules(), False, False),
        (table((1, 2), (3, 4)), table((2, 1), (3, 4)), Rules(), False, False),
        (table((None,)), table(("",)), Rules(), False, False),
        (table((None,)), table(("",)), Rules(nulls="empty"), True, True),
        (table((1,)), table((1.0,)), Rules(), True, True),
        (table((0.1 + 0.2,)), table((0.3,)), Rules(), True, True),
        (table((0.1,)), table((0.2,)), Rules(), False, False),
        (table(("1",)), table((1,)), Rules(), False, False),
        (table(("1",)), table((1,)), Rules(affinity="loose"), True, True),
        (table((b"1",)), table(("1",)), Rules(), False, False),
        (table((1,)), table((1, 1)), Rules(), False, False),
        (table(width=2), table(width=2), Rules(), True, True),
    ],
)
def test_results_compare_by_stated_rules(a: Result, b: Result, rules: Rules, lists: bool, set_: bool) -> None:
    assert same(a, b, True, rules) is lists and same(a, b, False, rules) is set_
    assert same(b, a, True, rules) is lists and same(b, a, False, rules) is set_
    if set_:
        assert result_name(a, False, rules) == result_name(b, False, rules)
    elif len(a.columns) == len(b.columns):
        assert result_name(a, False, rules) != result_name(b, False, rules)


def test_names_of_results_tell_apart_ordered_from_unordered() -> None:
    up, down = table((1,), (2,)), table((2,), (1,))
    assert result_name(up, True) != result_name(down, True) != result_name(down, False) == result_name(up, False)


@pytest.fixture(scope="module")
def place() -> Path:
    script = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, s TEXT);"
        "INSERT INTO t VALUES (1, 5, 'x'), (2, 5, 'y'), (3, 7, 'x'), (4, 1, 'z');"
    )
    return instances(locate(address_of_scripts("unit", [script])))[0]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT id FROM t ORDER BY n DESC LIMIT 1", []),
        ("SELECT id FROM t ORDER BY n DESC LIMIT 2", ["limit_tie"]),
        ("SELECT id FROM t ORDER BY n", ["order_tie"]),
        ("SELECT n FROM t ORDER BY n", []),
        ("SELECT id, s FROM t GROUP BY s", ["bare_column"]),
        ("SELECT s, count(*) FROM t GROUP BY s", []),
        ("SELECT s FROM t GROUP BY s ORDER BY count(*) LIMIT 1", ["limit_tie"]),
        ("SELECT s FROM t GROUP BY s ORDER BY count(*) DESC LIMIT 1", []),
        ("SELECT id FROM t LIMIT 1", ["limit_tie"]),
        ("SELECT date('now')", ["clock"]),
    ],
)
def test_what_a_query_leaves_undetermined_is_flagged(place: Path, sql: str, found: list[str]) -> None:
    assert flags(place, sql, time.monotonic() + 20) == found


def test_a_query_is_rewritten_for_its_keys_and_without_its_limit() -> None:
    assert without_limit("SELECT a FROM t ORDER BY b LIMIT 3") == "SELECT a FROM t ORDER BY b"
    assert without_limit("SELECT a FROM (SELECT a FROM t LIMIT 3)") is None
    assert with_keys("SELECT a FROM t ORDER BY b DESC, c LIMIT 3") == "SELECT a , b , c FROM t ORDER BY b DESC, c "
    assert with_keys("SELECT DISTINCT a FROM t ORDER BY b") is None


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(rows=3), "more than 3 rows"),
        (Limits(cells=5), "or 5 cells"),
        (Limits(length=10), "has 19 characters, more than"),
    ],
)
def test_limits_are_kept(place: Path, limits: Limits, told: str) -> None:
    with pytest.raises(Failed, match=told):
        run(place, "SELECT id, n FROM t", time.monotonic() + 5, limits)


def test_scripts_make_tables_and_nothing_else(tmp_path: Path) -> None:
    for script in ("ATTACH 'x.sqlite' AS x", "PRAGMA journal_mode=WAL", "DROP TABLE t", "nonsense"):
        with pytest.raises(StarError, match="tables of a database cannot be made"):
            write_database(tmp_path / "a.sqlite", script)


def test_a_world_is_the_same_each_time_and_its_questions_have_their_hardness() -> None:
    import random

    w = world(0, 1, 2, 9, 24)
    assert w == world(0, 1, 2, 9, 24) != world(1, 1, 2, 9, 24) and w.scripts[0] != w.scripts[1]
    paths = instances(locate(address_of_scripts(w.schema.name, list(w.scripts))))
    assert len(paths) == 2
    for level in LEVELS:
        for kind in KINDS[level]:
            for seed in range(5):
                q = kind(Draw(w, random.Random(seed)))
                assert hardness(q.sql) == level, (kind, q.sql)
                for path in paths:
                    run(path, q.sql, time.monotonic() + 5)


def test_tiny_sql_splits_are_disjoint_and_its_golds_are_right() -> None:
    task = registry.get("task", "tiny_sql")(train=30, dev=10, test=10)
    task.check()
    splits = {s: list(task.problems(s)) for s in task.splits}
    texts = [{p.question for p in found} for found in splits.values()]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert splits["dev"] == list(task.problems("dev"))
    grader = registry.get("grader", "sql")()
    for p in splits["dev"]:
        assert grader.judge(p, task.gold(p) or "", "stop")[0] == "MATCH"
        assert task.measures(p, task.gold(p) or "") == {"exact_set_match": 1.0}
    lessons = list(task.lesson_examples({"easy": 5, "hard/hinted": 5}, 0))
    assert all(("(SQL: " in e.prompt) == ("hinted" in e.problem_id) for e in lessons)
    with pytest.raises(StarError, match="unknown lesson 'harder'"):
        list(task.lesson_examples({"harder": 1}, 0))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"order": "sometimes"}, "grader.order must be gold or always or never"),
        ({"seconds": 0}, "grader.seconds must be > 0"),
        ({"empty": "right"}, "grader.empty must be match or equal"),
        ({"databases": "/nowhere"}, "is no directory"),
    ],
)
def test_settings_without_sense_are_refused(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(StarError, match=told):
        registry.get("grader", "sql")(**setting).check()


def test_show_puts_results_side_by_side_and_tells_errors(place: Path) -> None:
    from star_cli.core.records import Problem
    from star_cli.report.sql import execution, is_sql

    problem = Problem(id="p", question="", answer="SELECT id, s FROM t", meta={"database": str(place.parent)})
    assert is_sql(problem) and not is_sql(Problem(id="q", question="", answer="4"))
    different = dict(execution(problem, "SELECT id, s FROM t WHERE n < 6"))
    assert different["results"] == "different on unit.sqlite, rows: 4 expected, 3 found"
    assert "3   x    ≠ 4   z" in different[""] and "1   x    | 1   x" in different[""]
    assert dict(execution(problem, "SELECT ids FROM t"))["error"] == "no such column: ids (on unit.sqlite)"
    assert dict(execution(problem, "SELECT id, s FROM t"))["results"] == "equal on unit.sqlite"
    assert dict(execution(problem, "no idea"))["sql"] == "none found"
