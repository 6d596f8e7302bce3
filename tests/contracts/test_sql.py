"""The sql grader: gold queries are right against themselves, and no statement harms, hangs or kills anything."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from hostile_sql import HEAVY, SCHEMA, STATEMENTS, Timed  # noqa: E402

from star_cli.core import registry  # noqa: E402
from star_cli.core.records import Problem, Rationale  # noqa: E402
from star_cli.errors import StarError  # noqa: E402
from star_cli.lib.sql.execute import Failed, run  # noqa: E402
from star_cli.stages.grading.pool import LONGEST, graded  # noqa: E402

PUBLIC = Path(os.environ.get("STAR_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "spider"
PETS = "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, kg REAL);"
ROWS = "INSERT INTO pet VALUES " + ", ".join(f"({i}, 'pet{i % 17}', {i % 9}, {i / 7})" for i in range(1, 61))
STRANGE = """
CREATE TABLE visit (id INTEGER PRIMARY KEY AUTOINCREMENT, day TEXT); INSERT INTO visit (day) VALUES ('x');
CREATE VIEW old AS SELECT name FROM pet WHERE age > 3; CREATE VIEW spy AS SELECT * FROM sqlite_master;
CREATE VIEW tally AS SELECT count(*) AS n FROM sqlite_master; CREATE INDEX i ON pet (age); ANALYZE;
CREATE VIRTUAL TABLE words USING fts5(word); CREATE VIRTUAL TABLE boxes USING rtree(id, low, high);
"""
GOLD = "SELECT name FROM pet WHERE age > 3"


def spider() -> Any:
    if not PUBLIC.is_dir():
        pytest.skip(f"no copy of the public data at {PUBLIC} (STAR_TEST_DATA names another place)")
    task = registry.get("task", "spider")(path=str(PUBLIC))
    task.check()
    return task


def rationale(text: str, sample: int = 0) -> Rationale:
    return Rationale(
        problem_id="p",
        sample=sample,
        text=text,
        hinted=False,
        finish="stop",
        tokens=1,
        logprob=None,
        seed=0,
        prompt_key="",
    )


def fenced(sql: str) -> str:
    return f"```sql\n{sql}\n```"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pets"
    place.mkdir()
    for name in ("pets.sqlite", "pets_b.sqlite"):
        with sqlite3.connect(place / name) as db:
            db.executescript(PETS + ROWS)
        db.close()
    return place


def prints(*places: Path) -> dict[str, str]:
    """Every file below the places, with its hash."""
    return {
        str(f): hashlib.sha256(f.read_bytes()).hexdigest() for p in places for f in sorted(p.rglob("*")) if f.is_file()
    }


def test_hostile_statements_change_no_byte_and_keep_their_deadline(folder: Path, tmp_path: Path) -> None:
    assert len(STATEMENTS) >= 150
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "decoy.sqlite").write_bytes((folder / "pets.sqlite").read_bytes())
    (tmp_path / "notes").mkdir()
    before = prints(folder, decoy)
    grader = Timed(seconds=0.7, notes=str(tmp_path / "notes"))
    problem = Problem(id="p", question="", answer=GOLD, meta={"database": str(folder)})
    texts = [
        fenced(s.replace("{decoy}", str(decoy / "decoy.sqlite")).replace("{own}", str(folder / "pets.sqlite")))
        for s in STATEMENTS.values()
    ]
    late: dict[str, float] = {}
    reasons: dict[str, str] = {}
    items = ((problem, rationale(text, i)) for i, text in enumerate(texts))
    for name, (_, r, verdict) in zip(STATEMENTS, graded(grader, items, 1), strict=True):
        note = tmp_path / "notes" / str(r.sample)  # when its judging began; a text above the cap is not judged at all
        assert note.exists() or len(r.text) > LONGEST, name
        late[name] = time.time() - float(note.read_text()) - grader.seconds if note.exists() else 0.0
        reasons[name] = verdict.reason
        assert not verdict.correct, (name, verdict)
    assert prints(folder, decoy) == before
    for name in [n for n, over in late.items() if over > 0.5]:  # the machine's other work, or ours? twice more, alone
        at = list(STATEMENTS).index(name)
        for turn in (1, 2):
            again = 1000 * turn + at
            for _, _, _ in graded(grader, [(problem, rationale(texts[at], again))], 1):
                over = time.time() - float((tmp_path / "notes" / str(again)).read_text()) - grader.seconds
                late[name] = min(late[name], over)
    assert max(late.values()) <= 0.5, sorted(late.items(), key=lambda x: -x[1])[:3]
    assert {n for n, r in reasons.items() if r == "GRADER_ERROR"} == set(), reasons
    assert {r for n, r in reasons.items() if n not in HEAVY} <= {"NO_ANSWER", "MISMATCH"}
    assert {n for n in SCHEMA if reasons[n] != "NO_ANSWER"} == set(), "they were executed"
    assert "TIMEOUT" in reasons.values()


def test_sqlites_own_and_virtual_tables_are_refused_and_the_databases_own_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pets.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(f"{PETS} {ROWS}; {STRANGE}")
    db.close()
    before = prints(tmp_path)

    def why(sql: str) -> str:
        try:
            run(path, sql, time.monotonic() + 5)
        except Failed as e:
            return e.why
        return "executed"

    for sql in ("SELECT count(*) FROM pet", "SELECT * FROM old", "WITH words AS (SELECT 1) SELECT id FROM visit"):
        assert why(sql) == "executed", sql
    for table in ("sqlite_sequence", "sqlite_stat1", "spy", "tally", "words", "boxes", "Words", '"boxes"'):
        for columns in ("count(*)", "1", "*"):
            assert why(f"SELECT {columns} FROM {table}") != "executed", (columns, table)
    assert prints(tmp_path) == before


def test_a_hostile_batch_does_not_spoil_the_verdicts_after_it(folder: Path) -> None:
    problem = Problem(id="p", question="", answer=GOLD, meta={"database": str(folder)})
    texts = [
        fenced(GOLD),
        fenced(HEAVY["endless count"]),
        fenced(GOLD),
        fenced("DROP TABLE pet"),
        fenced(GOLD),
        fenced(HEAVY["endless sort"]),
        fenced(GOLD),
    ]
    found = [
        v.reason
        for _, _, v in graded(
            registry.get("grader", "sql")(seconds=1.0), [(problem, rationale(t, i)) for i, t in enumerate(texts)], 2
        )
    ]
    assert found == ["MATCH", "TIMEOUT", "MATCH", "NO_ANSWER", "MATCH", "TIMEOUT", "MATCH"]


def test_every_gold_query_is_right_on_both_instances() -> None:
    task = spider()
    problems = [p for split in ("train", "dev", "test") for p in task.problems(split)]
    assert len(problems) == 828 and len({p.id for p in problems}) == 828
    grader = registry.get("grader", "sql")()
    assert all(len(grader.places(p)) == 2 for p in problems)
    wrong = [
        (p.id, v.reason, v.answer)
        for p, _, v in graded(grader, [(p, rationale(task.answer_only(p), i)) for i, p in enumerate(problems)], 2)
        if not v.correct
    ]
    assert wrong == []


def test_a_gold_query_is_mostly_wrong_for_another_question_of_its_database() -> None:
    task = spider()
    problems = list(task.problems("dev"))
    grader = registry.get("grader", "sql")()
    pairs = [
        (a, b)
        for a, b in zip(problems, problems[1:], strict=False)
        if a.meta["db"] == b.meta["db"] and a.answer.lower().split() != b.answer.lower().split()
    ]
    right = sum(grader.grade(a, rationale(task.answer_only(b))).correct for a, b in pairs)
    assert len(pairs) > 20 and right / len(pairs) < 0.2


def test_hardness_and_flags_are_those_published_with_the_data() -> None:
    from star_cli.lib.sql.forms import hardness

    spider()
    rows = [json.loads(line) for line in (PUBLIC / "questions.jsonl").read_text().splitlines()]
    assert [r["id"] for r in rows if hardness(r["query"]) != r["hardness"]] == []
    flagged = {p.id: set(p.meta.get("flags", [])) for s in ("train", "dev", "test") for p in spider().problems(s)}
    told = {r["id"]: set(r["checks"]["a"]["flags"]) | set(r["checks"]["b"]["flags"]) for r in rows}
    assert {i for i, f in flagged.items() if f - told[i]} == set(), "no flag without cause"
    missed = {i for i, f in told.items() if f - flagged[i]}
    assert missed == {"spider-dev-0816", "spider-dev-0817"}, (
        "beside max() SQLite takes the column of the row that has it"
    )


def test_a_prompt_holds_the_gold_query_only_when_hinted() -> None:
    for task in (spider(), registry.get("task", "tiny_sql")(train=20, dev=10, test=10)):
        task.check()
        for problem in list(task.problems("dev"))[:40]:
            changed = Problem(id=problem.id, question=problem.question, answer="SELECT 4711", meta=problem.meta)
            assert task.prompt(problem).text == task.prompt(changed).text
            assert task.training_prompt(problem) == task.training_prompt(changed)
            assert (
                "4711" not in task.training_prompt(changed)
                and "(SQL: SELECT 4711)" in task.prompt(changed, hint=True).text
            )
            assert problem.question in task.training_prompt(problem)


def layout(root: Path, folder: Path, questions: list[dict[str, Any]], **files: Any) -> Any:
    """Spider's files in a new folder, with the pets as their only database."""
    (root / "database" / "pets").mkdir(parents=True)
    for file in folder.iterdir():
        (root / "database" / "pets" / file.name).write_bytes(file.read_bytes())
    tables = [
        {
            "db_id": "pets",
            "table_names_original": ["pet"],
            "column_names_original": [[-1, "*"], [0, "id"], [0, "name"]],
            "column_types": ["text", "number", "text"],
            "primary_keys": [1],
            "foreign_keys": [],
        }
    ]
    (root / "tables.json").write_text(json.dumps(files.get("tables", tables)))
    (root / "dev.json").write_text(json.dumps(questions))
    task = registry.get("task", "spider")(path=str(root))
    task.check()
    return task


def test_what_cannot_be_used_is_counted_and_named(folder: Path, tmp_path: Path) -> None:
    good = {"db_id": "pets", "question": "How many?", "query": "SELECT count(*) FROM pet"}
    rows = [
        good,
        {**good, "query": "SELECT nam FROM pet"},
        {**good, "db_id": "gone"},
        {**good, "query": "SELECT name FROM pet ORDER BY age LIMIT 1"},
    ]
    tables = [
        {
            "db_id": n,
            "table_names_original": ["pet"],
            "column_names_original": [[-1, "*"], [0, "id"]],
            "primary_keys": [[1]],
            "foreign_keys": [],
        }
        for n in ("pets", "gone")
    ]
    task = layout(tmp_path / "data", folder, rows, tables=tables)
    problems = list(task.problems("dev"))
    assert [p.id for p in problems] == ["dev-0", "dev-3"] and problems[1].meta["flags"] == ["limit_tie"]
    assert task.left_out("dev") == {"gold_does_not_execute (dev-1)": 1, "missing_database (dev-2)": 1}
    skipping = registry.get("task", "spider")(path=task.path, ambiguous="skip")
    assert [p.id for p in skipping.problems("dev")] == ["dev-0"]
    assert "ambiguous_gold (dev-3)" in skipping.left_out("dev")


def test_birds_files_are_read_too(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "bird" / "dev"
    (root / "dev_databases" / "pets").mkdir(parents=True)
    (root / "dev_databases" / "pets" / "pets.sqlite").write_bytes((folder / "pets.sqlite").read_bytes())
    (root / "dev_tables.json").write_text(
        json.dumps(
            [
                {
                    "db_id": "pets",
                    "table_names_original": ["pet"],
                    "column_names_original": [[-1, "*"], [0, "id"]],
                    "column_types": ["text", "number"],
                    "primary_keys": [[1]],
                    "foreign_keys": [],
                }
            ]
        )
    )
    (root / "dev.json").write_text(
        json.dumps(
            [
                {
                    "question_id": 7,
                    "db_id": "pets",
                    "question": "How old?",
                    "evidence": "old: age",
                    "SQL": "SELECT age FROM pet;",
                    "difficulty": "simple",
                }
            ]
        )
    )
    task = registry.get("task", "spider")(path=str(root.parent))
    task.check()
    [p] = task.problems("dev")
    assert (p.id, p.answer, p.question, task.groups(p)) == (
        "7",
        "SELECT age FROM pet",
        "How old?\n(old: age)",
        {"hardness": "simple"},
    )


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"db_id": "pets", "question": "x"}], r"dev.json row 1: expected texts question, db_id and query"),
        ([{"db_id": "dogs", "question": "x", "query": "SELECT 1"}], r"row 1: no schema of 'dogs' in tables.json"),
        (
            [{"db_id": "pets", "question": "x", "query": "SELECT nam FROM pet"}],
            r"no question of the dev split .* can be used: "
            r"gold does not execute \(dev-0",
        ),
    ],
)
def test_wrong_data_is_a_sentence_with_its_place(folder: Path, tmp_path: Path, rows: list[Any], told: str) -> None:
    with pytest.raises(StarError, match=told):
        list(layout(tmp_path / "data", folder, rows).problems("dev"))


def test_missing_unreadable_and_unfinished_databases_are_the_graders_error(folder: Path, tmp_path: Path) -> None:
    grader = registry.get("grader", "sql")()

    def answer(place: Path) -> str:
        v = grader.grade(
            Problem(id="p", question="", answer=GOLD, meta={"database": str(place)}), rationale(fenced(GOLD))
        )
        assert (
            v.reason == "GRADER_ERROR"
            and grader.gold_fault(Problem(id="p", question="", answer=GOLD, meta={"database": str(place)})) == v.answer
        )
        return str(v.answer)

    assert "does not exist" in answer(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "holds no database" in answer(tmp_path / "empty")
    (tmp_path / "text.sqlite").write_text("no database")
    assert "is no SQLite database" in answer(tmp_path / "text.sqlite")
    torn = tmp_path / "torn.sqlite"
    torn.write_bytes((folder / "pets.sqlite").read_bytes()[:5000])
    assert "is cut off: it has 5,000 bytes" in answer(torn)
    (folder / "pets.sqlite-wal").write_bytes(b"x")
    assert "unfinished changes" in answer(folder)


def test_a_locked_database_is_read_all_the_same(folder: Path) -> None:
    writer = sqlite3.connect(folder / "pets.sqlite", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        verdict = registry.get("grader", "sql")().grade(
            Problem(id="p", question="", answer=GOLD, meta={"database": str(folder)}), rationale(fenced(GOLD))
        )
    finally:
        writer.execute("ROLLBACK")
        writer.close()
    assert verdict.reason == "MATCH"
