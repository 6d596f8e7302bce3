"""star grade, regrade and agree: text from anywhere, old artifacts under a new grader, two graders against each
other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from star_cli.analysis.agreement import Confusion, confusion
from star_cli.core import registry
from star_cli.core.records import Verdict
from star_cli.errors import StarError
from star_cli.report.grading import sentences
from star_cli.run.grade_file import Summary, grade_lines
from star_cli.run.labels import read_labels

ROWS = [{"id": i, "gold": str(i), "prediction": f"#### {i + (i % 3 == 0)}"} for i in range(30)]


def lines(rows: list[Any]) -> list[bytes]:
    return [r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in rows]


def run(*args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", "from star_cli.cli.main import main; main()", *args],
        input=given,
        capture_output=True,
        check=False,
    )


def test_lines_come_back_in_order_with_their_own_ids() -> None:
    found = list(grade_lines(registry.get("grader", "numeric")(), lines(ROWS), "x"))
    assert [f["id"] for f in found] == list(range(30)) and [f["correct"] for f in found] == [
        i % 3 != 0 for i in range(30)
    ]
    assert set(found[0]) == {"id", "correct", "answer", "reason"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"id": 1, "gold": "1"}, "x:2: no field 'prediction'; it has id, gold"),
        ({"id": 1, "gold": "1", "prediction": 1}, "x:2: the prediction is a int"),
        ({"id": 0, "gold": "1", "prediction": "1"}, "x:2: the id 0 occurs twice"),
        (b"nonsense\n", "x:2: not valid JSON"),
        (b"[]\n", "x:2: a list, not a JSON object"),
        ({"id": 1, "gold": "A", "prediction": "A", "choices": "A"}, "x:2: choices is A"),
    ],
)
def test_a_wrong_line_is_a_sentence_with_its_number(row: Any, told: str) -> None:
    with pytest.raises(StarError, match=told):
        list(grade_lines(registry.get("grader", "exact")(), lines([ROWS[0], row]), "x"))


def test_a_million_lines_stream_in_bounded_memory() -> None:
    import tracemalloc

    verdicts = grade_lines(
        registry.get("grader", "exact")(), (b'{"id":%d,"gold":"1","prediction":"1"}' % i for i in range(1_000_000)), "x"
    )
    for _ in range(1000):
        next(verdicts)
    tracemalloc.start()
    for _ in range(3000):
        next(verdicts)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_the_command_reads_standard_input_and_counts() -> None:
    done = run("grade", "-", "grader=numeric", given=b"".join(lines(ROWS)))
    assert done.returncode == 0, done.stderr
    assert [json.loads(x)["id"] for x in done.stdout.splitlines()] == list(range(30))
    assert b"30 graded: 20 MATCH, 10 MISMATCH" in done.stderr
    told = run("grade", "-", given=b"")
    assert told.returncode == 1 and b"needs to be told the grader" in told.stderr


def test_regrade_and_agree_on_an_old_artifact(tmp_path: Path) -> None:
    home = f"home={tmp_path}"
    made = run("run", "model=fake", "rounds=1", "task.train=30", "task.dev=10", "name=demo", home)
    assert made.returncode == 0, made.stderr
    told = run("agree", "demo/round-1/generate", "exact", "any_of", home, "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["samples"] == sum(r["n"] for r in found["table"]) > 0
    assert run("regrade", "demo/round-1/generate", "grader=exact", home).returncode == 0


def test_confusion_counts_reasons_and_lists_what_flipped() -> None:
    def verdict(i: int, reason: str) -> Verdict:
        return Verdict(problem_id=str(i), sample=0, correct=reason == "MATCH", answer=None, reason=reason)

    class Fake:
        stage, key = "filter", "k" * 32

        def __init__(self, reasons: dict[int, str]) -> None:
            self.rows = [verdict(i, r) for i, r in reasons.items()]

        def has(self, kind: Any) -> bool:
            return True

        def read(self, kind: Any) -> Any:
            return iter(self.rows)

    a = Fake({0: "MATCH", 1: "MATCH", 2: "MISMATCH", 3: "NO_ANSWER", 4: "MATCH"})
    b = Fake({0: "MATCH", 1: "MISMATCH", 2: "MISMATCH", 3: "MISMATCH", 9: "MATCH"})
    found: Confusion = confusion(a, b)  # type: ignore[arg-type]
    assert found.total == 4 and found.agreement == 0.75 and (found.only_a, found.only_b) == (1, 1)
    assert found.table["NO_ANSWER", "MISMATCH"] == 1 and [x.problem_id for x, _ in found.flipped] == ["1"]
    assert found.kappa == pytest.approx(0.5)
    with pytest.raises(StarError, match="judge no sample in common"):
        confusion(Fake({0: "MATCH"}), Fake({1: "MATCH"}))  # type: ignore[arg-type]


def test_a_million_verdicts_stream_in_bounded_memory() -> None:
    """All of them, from a pipe to a pipe: the process stays within 60 MB of where it was after ten thousand."""
    program = """
import resource, sys
from star_cli.core import registry
from star_cli.report.grading import sentences
from star_cli.run.grade_file import Summary, grade_lines
from star_cli.run.labels import read_labels
rows = (b'{"id":%d,"gold":"1","prediction":"%d"}' % (i, i % 2) for i in range(1_000_000))
right = n = 0
for n, v in enumerate(grade_lines(registry.get("grader", "exact")(), rows, "x"), 1):
    right += v["correct"]
    if n == 10_000:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(n, right, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=500)
    count, right, grown = map(int, done.stdout.split())
    assert (count, right) == (1_000_000, 500_000) and grown < 60_000, f"grew by {grown} kB"


def test_sql_is_graded_on_a_file_and_on_a_folder_of_instances(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "pets").mkdir()
    for name, ages in (("a", [1, 2]), ("b", [1, 1])):
        with sqlite3.connect(tmp_path / "pets" / f"{name}.sqlite") as db:
            db.execute("CREATE TABLE pet (id INTEGER PRIMARY KEY, age INTEGER)")
            db.executemany("INSERT INTO pet (age) VALUES (?)", [(a,) for a in ages])
        db.close()
    before = {p: p.read_bytes() for p in (tmp_path / "pets").iterdir()}
    asked = {"gold": "SELECT count(DISTINCT age) FROM pet"}
    rows = [
        {"id": "same", **asked, "prediction": asked["gold"], "database": str(tmp_path / "pets")},
        {"id": "folder", **asked, "prediction": "SELECT count(age) FROM pet", "database": str(tmp_path / "pets")},
        {
            "id": "file",
            **asked,
            "prediction": "SELECT count(age) FROM pet",
            "database": str(tmp_path / "pets/a.sqlite"),
        },
        {"id": "drop", **asked, "prediction": "DROP TABLE pet", "database": str(tmp_path / "pets")},
    ]
    done = run("grade", "-", "grader=sql", given=b"".join(lines(rows)))
    assert done.returncode == 0, done.stderr
    found = {x["id"]: x["correct"] for x in map(json.loads, done.stdout.splitlines())}
    assert found == {"same": True, "folder": False, "file": True, "drop": False}, (
        "a folder is right only on every instance"
    )
    assert {p: p.read_bytes() for p in (tmp_path / "pets").iterdir()} == before


def test_a_grader_that_fails_too_often_stops_the_stage_and_names_what_it_failed_on() -> None:
    from star_cli.stages.grading.judge import Errors

    errors = Errors()
    for i in range(100):
        reason = "GRADER_ERROR" if i < 3 else "MATCH"
        errors.add(Verdict(problem_id=f"p{i}", sample=0, correct=i >= 3, answer="it broke", reason=reason))
    errors.refuse(0.03)
    with pytest.raises(
        StarError, match=r"3 of 100 rationales \(3.0%\), more than filter.max_errors=0.02:\n  p0 sample 0"
    ):
        errors.refuse(0.02)


LABELLED = [
    {"id": "a", "gold": "1", "prediction": "#### 1", "label": True},
    {"id": "b", "gold": "1", "prediction": "#### 1", "label": "wrong"},
    {"id": "c", "gold": "1", "prediction": "#### 2", "label": 1},
    {"id": "d", "gold": "1", "prediction": "I cannot say."},
]


def test_labels_beside_the_texts_are_counted_and_disagreements_named() -> None:
    summary = Summary()
    results = list(grade_lines(registry.get("grader", "numeric")(), lines(LABELLED), "x", 0, None, summary))
    assert [r.get("label") for r in results] == [True, False, True, None]
    found = summary.as_json()
    assert found["reasons"] == {"MATCH": 2, "MISMATCH": 1, "NO_ANSWER": 1}
    assert (found["labelled"], found["false_accepts"], found["false_refusals"]) == (3, 1, 1)
    assert found["agreement"] == pytest.approx(1 / 3)
    assert [r["id"] for r in found["accepted"]] == ["b"] and [r["id"] for r in found["refused"]] == ["c"]


def test_labels_of_a_file_win_and_those_of_no_line_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"id": "b", "label": "right"}\n\n{"id": "nobody", "label": false}\n')
    summary = Summary()
    list(grade_lines(registry.get("grader", "numeric")(), lines(LABELLED), "x", 0, read_labels(str(file)), summary))
    assert (summary.false_accepts, summary.false_refusals, summary.unused) == (0, 1, 1)
    assert "1 labels belong to no line of the file" in sentences(summary)


def test_several_samples_of_one_problem_have_their_own_labels(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"id": "a", "sample": 0, "label": true}\n{"problem_id": "a", "sample": 1, "label": false}\n')
    rows = [{"id": "a", "sample": i, "gold": "1", "prediction": f"#### {i + 1}"} for i in range(2)]
    summary = Summary()
    list(grade_lines(registry.get("grader", "numeric")(), lines(rows), "x", 0, read_labels(str(file)), summary))
    assert (summary.labelled, summary.agreement) == (2, 1.0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("nonsense", r"mine.jsonl:1: not valid JSON"),
        ("[1]", r"mine.jsonl:1: no id and label; it has list"),
        ('{"id": 1}', r"mine.jsonl:1: no id and label; it has id"),
        ('{"id": 1, "label": "perhaps"}', r"mine.jsonl:1: the label is 'perhaps'"),
        ('{"id": 1, "sample": "x", "label": true}', r"mine.jsonl:1: the sample is 'x', expected a whole number"),
        ('{"id": 1, "label": 1}\n{"id": 1, "label": 0}', r"mine.jsonl:2: the id 1 has two labels for sample 0"),
    ],
)
def test_a_wrong_label_is_a_sentence_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "mine.jsonl").write_text(row + "\n")
    with pytest.raises(StarError, match=message):
        read_labels(str(tmp_path / "mine.jsonl"))


def test_labels_that_are_not_there_are_a_sentence() -> None:
    with pytest.raises(StarError, match="the labels nowhere.jsonl cannot be read: No such file"):
        read_labels("nowhere.jsonl")


def test_the_summary_stands_in_place_of_the_verdicts(tmp_path: Path) -> None:
    done = run("grade", "-", "grader=numeric", "--summary", given=b"".join(lines(LABELLED)))
    assert done.returncode == 0, done.stderr
    assert b"4 graded: 2 MATCH, 1 MISMATCH, 1 NO_ANSWER" in done.stdout
    assert b"accepted b: MATCH '1'" in done.stdout and b"refused c: MISMATCH '2'" in done.stdout
    (tmp_path / "mine.jsonl").write_text('{"id": "d", "label": false}\n')
    mine = str(tmp_path / "mine.jsonl")
    done = run("grade", "-", "grader=numeric", "--summary", "--labels", mine, "--json", given=b"".join(lines(LABELLED)))
    found = json.loads(done.stdout)
    assert (found["graded"], found["labelled"], found["false_accepts"]) == (4, 4, 1)


def test_a_text_above_the_cap_is_counted() -> None:
    from star_cli.stages.grading.pool import LONGEST

    rows = [{"id": "long", "gold": "1", "prediction": "x" * LONGEST + "#### 1"}, ROWS[1]]
    summary = Summary()
    results = list(grade_lines(registry.get("grader", "numeric")(), lines(rows), "x", 0, None, summary))
    assert [r["reason"] for r in results] == ["NO_ANSWER", "MATCH"] and summary.unread == 1
    assert "1 texts were too long to be read and count as NO_ANSWER" in sentences(summary)


def test_a_grader_is_set_against_labels(tmp_path: Path) -> None:
    home = f"home={tmp_path}"
    made = run("run", "model=fake", "rounds=1", "task.train=30", "task.dev=10", "name=demo", home)
    assert made.returncode == 0, made.stderr
    regraded = run("regrade", "demo/round-1/generate", "grader=exact", home, "--json")
    verdicts = Path(json.loads(regraded.stdout)["path"]) / "verdicts.jsonl"
    rows = [json.loads(line) for line in verdicts.read_text().splitlines()][:10]
    labels = [
        {"problem_id": r["problem_id"], "sample": r["sample"], "label": r["correct"] if i else not r["correct"]}
        for i, r in enumerate(rows)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, labels)))
    done = run("agree", "demo/round-1/generate", "exact", "--labels", str(tmp_path / "mine.jsonl"), home, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["samples"] == 10 and found["agreement"] == pytest.approx(0.9)
    alone = run("agree", "demo/round-1/generate", "exact", home)
    assert alone.returncode == 1 and b"needs a second grader, or labels" in alone.stderr
