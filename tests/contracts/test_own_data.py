"""Data of one's own: formats and encodings, field names, splits, prompts and files beside the data; what is wrong with
any of them is a sentence.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import call
from PIL import Image

from star_cli.core import registry
from star_cli.core.keys import key
from star_cli.core.records import Metric, Problem, encode
from star_cli.errors import StarError
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run
from star_cli.tasks.base import datafiles, formats

ROW = {"question": "What is 2 + 2?", "answer": "4"}


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def jsonl(path: Path, **settings: Any) -> Any:
    task = registry.get("task", "jsonl")(path=str(path), **settings)
    task.check()
    return task


def problems(task: Any) -> list[Problem]:
    return [p for split in ("train", "dev", "test") if split in have(task) for p in task.problems(split)]


def have(task: Any) -> list[str]:
    return datafiles._splits(datafiles.states(task.local_path)).have()


def only(path: Path, **settings: Any) -> Problem:
    [problem] = jsonl(path, **settings).problems("test")
    return problem


# ---- formats and encodings -------------------------------------------------------------------------------------------
def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    for name, text in (("test.jsonl", json.dumps(ROW) + "\n"), ("test.json", json.dumps([ROW]))):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert only(tmp_path / name).question == ROW["question"]
    (tmp_path / "test.csv").write_bytes(b"\xef\xbb\xbfquestion,answer\nhow many?,4\n")
    assert only(tmp_path / "test.csv").question == "how many?"


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_spreadsheet_s_columns_are_found_whatever_separates_them(sign: str, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(f'question{sign}answer\n"a, b; or c\tof\n""d""?"{sign}5\n')
    assert (only(path).question, only(path).answer) == ('a, b; or c\tof\n"d"?', "5")


BROKEN = {
    "utf-16": ("test.jsonl", json.dumps(ROW).encode("utf-16"), "is UTF-16, expected UTF-8"),
    "utf-16 table": ("test.csv", "question,answer\na,b\n".encode("utf-16"), "is UTF-16, expected UTF-8"),
    "latin-1": ("test.jsonl", b'{"question": "caf\xe9", "answer": 1}\n', "test.jsonl:1: not UTF-8"),
    "latin-1 table": ("test.csv", b"question,answer\ncaf\xe9,1\n", "not UTF-8 after row"),
    "latin-1 list": ("test.json", b'[{"question": "caf\xe9", "answer": 1}]', "not valid JSON"),
    "not a number": ("test.jsonl", b'{"question": "a", "answer": NaN}\n', "test.jsonl:1: not valid JSON: NaN"),
    "half a character": ("test.jsonl", b'{"question": "\\ud83d", "answer": 1}\n', "half of a character"),
    "deep": ("test.jsonl", b'{"question": ' + b"[" * 200_000 + b"\n", "nested too deeply|not valid JSON"),
    "long number": ("test.jsonl", b'{"question": "a", "answer": ' + b"9" * 5000 + b"}\n", "not valid JSON"),
    "a list": ("test.jsonl", b"[1]\n", "test.jsonl:1: a list, not a JSON object"),
    "a column too many": ("test.csv", b"question,answer\na,b,c\n", "row 1: it has 3 columns, but the header 2"),
    "a column twice": ("test.csv", b"answer,question,answer\na,b,c\n", "the header names 'answer' twice"),
    "an open quote": ("test.csv", b'question,answer\n"a,b\n', "no CSV after row"),
    "no gzip": ("test.jsonl.gz", b"{}", "is no whole gzip file"),
    "half a gzip": ("test.jsonl.gz", gzip.compress(json.dumps(ROW).encode() * 99)[:40], "is no whole gzip file"),
    "no parquet": ("test.parquet", b"PAR1", "no parquet after row 0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_not_what_its_ending_says_is_a_sentence(name: str, tmp_path: Path) -> None:
    file, content, sentence = BROKEN[name]
    if file.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / file).write_bytes(content)
    with pytest.raises(StarError, match=sentence) as e:
        problems(jsonl(tmp_path / file))
    assert str(tmp_path / file) in e.value.what and e.value.hint


@pytest.mark.parametrize("block", [bytes(1 << 20), b"\n" * (1 << 20), b'{"question": "a", "answer": "b"}\n' * 32768])
def test_a_decompression_bomb_is_refused_before_it_is_read(block: bytes, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "test.jsonl.gz", "wb") as f:
        for _ in range(300):
            f.write(block)
    with pytest.raises(StarError, match="times its size, as no text does") as e:
        next(jsonl(tmp_path / "test.jsonl.gz").problems("test"))
    assert "gunzip" in str(e.value.hint)


def test_a_packed_file_of_honest_text_is_read_to_its_end(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "test.jsonl.gz", "wt") as f:
        f.writelines(json.dumps({"question": f"{i} + 1?", "answer": i + 1}) + "\n" for i in range(5000))
    assert [p.answer for p in jsonl(tmp_path / "test.jsonl.gz").problems("test")] == [str(i + 1) for i in range(5000)]


def test_a_line_or_list_beyond_all_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LINE", 1000)
    monkeypatch.setattr(formats, "WHOLE", 1000)
    row = {"question": "a" * 2000, "answer": "1"}
    with pytest.raises(StarError, match="a line has more than 1,000 bytes"):
        only(write(tmp_path / "test.jsonl", row))
    (tmp_path / "test.json").write_text(json.dumps([row]))
    with pytest.raises(StarError, match="more than the 1,000 of a .json file") as e:
        only(tmp_path / "test.json")
    assert ".jsonl" in str(e.value.hint)


def test_a_path_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    for path, sentence in (
        ("", "task.path is empty"),
        (" ", "task.path is empty"),
        ("x" * 5000, "cannot be read"),
        (str(tmp_path / "a.jsonl" / "b.jsonl"), "does not exist"),
    ):
        with pytest.raises(StarError, match=sentence):
            registry.get("task", "jsonl")(path=path).check()


# ---- fields ----------------------------------------------------------------------------------------------------------
def test_a_missing_field_lists_those_there_are_and_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", {"questions": "a", "answer": "1"})
    with pytest.raises(
        StarError, match=r"no field 'question'; it has questions, answer. Did you mean 'questions'"
    ) as e:
        only(path)
    assert "task.question=question" in str(e.value.hint)
    assert only(path, question="questions").question == "a"
    with pytest.raises(StarError, match="no field 'level'"):
        only(path, question="questions", groups_by=["level"])


def test_a_conversation_of_one_user_message_is_its_text(tmp_path: Path) -> None:
    user = {"role": "user", "content": "What is 3+1?"}
    path = write(tmp_path / "test.jsonl", {"question": [user], "answer": 4})
    assert jsonl(path).prompt(only(path)).text == "Q: What is 3+1?\nA:" and only(path).answer == "4"
    both = write(tmp_path / "test.jsonl", {"question": [{"role": "system", "content": "Be short."}, user], "answer": 4})
    with pytest.raises(StarError, match=r"conversation of 2 messages \(system, user\), expected a text or one user"):
        only(both)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"question": None}, "'question' is a NoneType"),
        ({"question": " \n"}, "'question' is empty"),
        ({"question": 5}, r"'question' is a int \(5\), expected a text"),
        ({"question": ["a"]}, "'question' is a list"),
        ({"question": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, "'question' is a list"),
        ({"answer": None}, r"the known answer \(answer\) is empty"),
        ({"answer": ""}, "is empty"),
        ({"answer": " "}, "is empty"),
        ({"answer": ["4"]}, r"the known answer \(answer\) is a list \(\['4'\]\), expected one text or number"),
        ({"answer": {"value": 4}}, "is a dict"),
        ({"id": True}, r"the id \(id\) is 'True'"),
        ({"id": " "}, r"the id \(id\) is ' '"),
        ({"id": ["a"]}, r"the id \(id\) is "),
    ],
)
def test_a_value_that_no_prompt_or_grader_could_use_names_its_line(
    changed: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "test.jsonl", {**ROW, "id": "a"}, {**ROW, "id": "b", **changed})
    with pytest.raises(StarError, match=sentence) as e:
        problems(jsonl(path))
    assert "test.jsonl:2" in e.value.what and e.value.hint


def test_ids_occur_once_and_numbers_are_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", {**ROW, "id": 1}, {**ROW, "id": 2.5}, {**ROW, "id": None}, ROW)
    assert [p.id for p in problems(jsonl(path))] == ["1", "2.5", "test-2", "test-3"]
    write(path, {**ROW, "id": 1}, {**ROW, "id": "1"})
    with pytest.raises(StarError, match=r"test.jsonl:2: the id '1' occurs twice, first at .*test.jsonl:1"):
        problems(jsonl(path))


@pytest.mark.parametrize("choices", [["only"], list("abcdefghijk"), "a or b", None])
def test_choices_are_two_to_ten(choices: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", {**ROW, "options": choices})
    with pytest.raises(StarError, match="expected a list of 2 to 10 texts"):
        only(path, choices="options")


# ---- splits ----------------------------------------------------------------------------------------------------------
def rows(n: int) -> list[dict[str, Any]]:
    return [{"question": f"{i} + 1?", "answer": i + 1} for i in range(n)]


@pytest.mark.parametrize("n", [3, 9, 30, 1000])
def test_one_file_is_split_exactly_and_every_split_holds_rows(n: int, tmp_path: Path) -> None:
    task = jsonl(write(tmp_path / "mine.jsonl", *rows(n)))
    splits = {s: {p.question for p in task.problems(s)} for s in ("train", "dev", "test")}
    held = max(1, n // 10)
    assert {s: len(questions) for s, questions in splits.items()} == {"train": n - 2 * held, "dev": held, "test": held}
    assert len(set.union(*splits.values())) == n


def test_a_row_stays_in_its_split_when_others_are_shuffled(tmp_path: Path) -> None:
    one = jsonl(write(tmp_path / "a.jsonl", *rows(100)))
    two = jsonl(write(tmp_path / "b.jsonl", *reversed(rows(100))))
    assert {p.question for p in one.problems("dev")} == {p.question for p in two.problems("dev")}


def test_many_rows_are_split_without_being_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafiles, "RANKED", 100)
    task = jsonl(write(tmp_path / "mine.jsonl", *rows(2000)))
    counts = Counter({s: sum(1 for _ in task.problems(s)) for s in ("train", "dev", "test")})
    assert counts.total() == 2000 and 140 < counts["dev"] < 260 and 140 < counts["test"] < 260
    assert "1 of 10 rows are dev" in str(task.split_note("dev"))


def test_a_split_by_hash_is_said(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "mine.jsonl", *rows(30))
    assert "mine.jsonl names no splits: 24 of 30 rows are train" in str(jsonl(path).split_note("train"))
    result = call(home, "run", "model=fake", "method=direct", "rounds=1", "task=jsonl", f"task.path={path}")
    assert result.code == 0, result.err
    for sentence in ("24 of 30 rows are train", "3 of 30 rows are dev"):
        assert sentence in result.out + result.err
    assert "field split" in str(jsonl(path).split_note("dev"))
    named = write(tmp_path / "named.jsonl", {**ROW, "split": "train"}, {**ROW, "split": "validation"})
    assert jsonl(named).split_note("train") is None and jsonl(named).split_note("dev") is None


def test_a_held_out_tenth_of_the_training_rows_is_said_and_never_empty(tmp_path: Path) -> None:
    task = jsonl(write(tmp_path / "train.jsonl", *rows(300)))
    assert "a tenth of its training rows is held out as dev" in str(task.split_note("dev"))
    assert task.split_note("train") is None
    few = jsonl(write(tmp_path / "few" / "train.jsonl", {"id": "x", **ROW}))
    with pytest.raises(StarError, match="none of its few training rows is in the tenth"):
        list(few.problems("dev"))


def test_an_unknown_split_of_a_row_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", {**ROW, "split": "train"}, {**ROW, "split": "holdout"})
    with pytest.raises(StarError, match=r"mine.jsonl:2: 'split' is 'holdout', expected train, dev or test"):
        problems(jsonl(path))


def test_no_rows_at_all_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StarError, match="zero.jsonl has no rows"):
        list(jsonl(write(tmp_path / "zero.jsonl")).problems("dev"))
    two = jsonl(write(tmp_path / "two.jsonl", *rows(2)))
    with pytest.raises(StarError, match="has no dev split, only train"):
        list(two.problems("dev"))


# ---- prompts ---------------------------------------------------------------------------------------------------------
def test_a_typed_line_break_is_one_and_a_command_of_latex_asks_for_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", ROW)
    task = jsonl(path, template=r"Question: {question}\nAnswer:", hint=r"\n[{answer}]")
    assert task.prompt(only(path), hint=True).text == "Question: What is 2 + 2?\n[4]\nAnswer:"
    task.check()  # a second time changes nothing
    assert task.template == "Question: {question}\nAnswer:"
    with pytest.raises(StarError, match=r"task.template holds \\neq") as e:
        jsonl(path, template=r"Let $x \neq 0$. {question}")
    assert "task.template=@FILE" in str(e.value.hint)


def test_a_template_in_a_file_is_part_of_the_key_by_its_text(tmp_path: Path) -> None:
    path, mine = write(tmp_path / "test.jsonl", ROW), tmp_path / "prompt.txt"
    mine.write_text("Let $x \\neq 0$.\n{question}\nAnswer:\n")
    task = jsonl(path, template=f"@{mine}")
    assert task.prompt(only(path)).text == "Let $x \\neq 0$.\nWhat is 2 + 2?\nAnswer:"
    moved = mine.rename(tmp_path / "other.txt")
    assert key(jsonl(path, template=f"@{moved}")) == key(task)
    moved.write_text("{question} =")
    assert key(jsonl(path, template=f"@{moved}")) != key(task)
    for content, sentence in (
        (None, "cannot be read"),
        (b"caf\xe9 {question}", "is not UTF-8"),
        (b"@ {question}", "@"),
    ):
        moved.unlink(missing_ok=True)
        if content is not None:
            moved.write_bytes(content)
        with pytest.raises(StarError, match=sentence):
            jsonl(path, template=f"@{moved}")


def test_any_field_of_a_row_can_stand_in_the_template(tmp_path: Path) -> None:
    row = {**ROW, "question": "Is it {context} or {choices}?", "context": "It is {question}.", "options": ["a", "b"]}
    path = write(tmp_path / "test.jsonl", row)
    task = jsonl(path, template="{context}\n{question}\n{choices}\n{nothing}", choices="options")
    [problem] = task.problems("test")
    text = "It is {question}.\nIs it {context} or {choices}?\n(a) a\n(b) b\n{nothing}"
    assert task.prompt(problem).text == task.training_prompt(problem) == text
    assert problem.meta == {"context": "It is {question}."}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"template": "{question} {answer}"}, "task.template shows the answer"),
        ({"template": "{question} {target}", "answer": "target"}, "task.template shows the answer"),
        ({"template": "no place"}, "has no {question}"),
        ({"hint": "no place"}, "has no {answer}"),
        ({"template": "{question} {choices}"}, "task.choices names no field"),
        ({"keep": ["database"]}, "'database' cannot be kept"),
        ({"keep": ["gold"]}, "'gold' cannot be kept"),
        ({"revision": "0" * 40}, "task.revision=.* has no effect"),
        ({"form": "chat", "shots": "mine.txt"}, "task.shots=mine.txt has no effect"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(StarError, match=sentence) as e:
        jsonl(write(tmp_path / "test.jsonl", ROW), **settings)
    assert e.value.hint or "has no {" in sentence


def test_a_chat_model_is_asked_the_bare_question_unless_there_is_a_template(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", ROW)
    assert jsonl(path, form="chat").prompt(only(path)).text == "What is 2 + 2?"
    assert jsonl(path, form="chat", template="Solve: {question}").prompt(only(path)).text == "Solve: What is 2 + 2?"


def test_few_shot_examples_are_read_once(tmp_path: Path) -> None:
    path, shots = write(tmp_path / "test.jsonl", ROW), tmp_path / "shots.txt"
    shots.write_text("Q: What is 1 + 1?\nA: 2\n")
    task = jsonl(path, shots=str(shots))
    before = task.prompt(only(path)).text
    shots.write_text("Q: changed\nA: in the middle of a run\n")
    assert task.prompt(only(path)).text == before == "Q: What is 1 + 1?\nA: 2\n\nQ: What is 2 + 2?\nA:"
    shots.write_bytes(b"Q: caf\xe9\nA: 1\n")
    with pytest.raises(StarError, match="is not UTF-8"):
        jsonl(path, shots=str(shots))
    shots.write_text("no blocks")
    with pytest.raises(StarError, match="holds no example"):
        jsonl(path, shots=str(shots))


def test_accuracy_is_broken_down_by_a_field_of_one_s_own(tmp_path: Path, home: Path) -> None:
    data = [
        {**row, "level": ("hard", "easy")[i % 2], "split": ("train", "dev")[i % 4 > 1]}
        for i, row in enumerate(rows(24))
    ]
    path = write(tmp_path / "mine.jsonl", *data)
    result = call(
        home, "run", "model=fake", "method=direct", "rounds=1", "task=jsonl", f"task.path={path}",
        "task.groups_by=[level]", "name=mine",
    )  # fmt: skip
    assert result.code == 0, result.err
    evaluate = Run(home, "mine").artifact(Store(home / "artifacts"), 1, "evaluate")
    metrics = {m.name: m.n for m in evaluate.read(Metric)}
    assert metrics["accuracy/level=easy"] == metrics["accuracy/level=hard"] == 6


def test_a_gold_rationale_of_one_s_own_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", {**ROW, "solution": "Two and two."}, {**ROW, "solution": None})
    task = jsonl(path, rationale="solution")
    assert [task.gold(p) for p in task.problems("test")] == [" Two and two.", None]


# ---- files beside the data -------------------------------------------------------------------------------------------
def database(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT)")
        db.executemany("INSERT INTO pet (name) VALUES (?)", [(name,) for name in names])
    db.close()
    return path


def with_files(folder: Path) -> Path:
    database(folder / "pets" / "pets.sqlite", "Ann", "Bo")
    Image.new("RGB", (8, 8), "red").save(folder / "red.png")
    row = {"question": "How many?", "answer": "SELECT count(*) FROM pet", "db": "pets", "picture": "red.png"}
    return write(folder / "test.jsonl", row)


def test_problems_name_no_path_of_this_machine(tmp_path: Path) -> None:
    tasks = [
        jsonl(with_files(tmp_path / "one"), database="db", images="picture"),
        registry.get("task", "tiny_sql")(train=4, dev=4, test=4),
        registry.get("task", "tiny_scenes")(train=4, dev=4, test=4),
        spider(tmp_path / "spider"),
    ]
    for task in tasks:
        task.check()
        split = "test" if task is tasks[0] else "dev"
        lines = [encode(p).decode() for p in task.problems(split)]
        assert lines and not any("/tmp" in line or str(tmp_path) in line or "star-" in line for line in lines)


def test_pictures_and_databases_are_part_of_the_key_and_their_place_is_not(tmp_path: Path) -> None:
    path = with_files(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    def task(folder: str = "one") -> Any:
        return jsonl(tmp_path / folder / "test.jsonl", database="db", images="picture")

    first, problem = key(task()), only(path, database="db", images="picture")
    assert key(task("two")) == first
    assert task("two").prompt(problem).images == (str(tmp_path / "two" / "red.png"),)
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "one" / "red.png")
    second = key(task())
    assert second != first
    database(tmp_path / "one" / "pets" / "pets.sqlite", "Ann", "Cy")
    assert key(task()) not in (first, second)


@pytest.mark.parametrize("field", ["picture", "db"])
def test_files_that_are_missing_or_lie_elsewhere_are_sentences(field: str, tmp_path: Path) -> None:
    path = with_files(tmp_path)
    row = json.loads(path.read_text())
    for value in ("gone", "/etc/passwd", "../x", "", 7, ["a", "b"] if field == "db" else [""]):
        write(path, {**row, field: value})
        if field == "picture" and value == "":
            continue  # a problem without a picture
        with pytest.raises(StarError, match="test.jsonl:1"):
            only(path, database="db", images="picture")
    with pytest.raises(StarError, match="so it needs task.path"):
        registry.get("task", "jsonl")(dataset="a/b", revision="0" * 40, images="picture").check()


def spider(root: Path) -> Any:
    database(root / "database" / "pets" / "pets.sqlite", "Ann", "Bo")
    tables = {
        "db_id": "pets",
        "table_names_original": ["pet"],
        "column_names_original": [[-1, "*"], [0, "id"], [0, "name"]],
        "column_types": ["text", "number", "text"],
        "primary_keys": [1],
        "foreign_keys": [],
    }
    (root / "tables.json").write_text(json.dumps([tables]))
    (root / "dev.json").write_text(json.dumps([{"db_id": "pets", "question": "Who?", "query": "SELECT name FROM pet"}]))
    return registry.get("task", "spider")(path=str(root))


def test_a_changed_database_is_another_task_and_spoils_no_old_verdict(tmp_path: Path) -> None:
    from star_cli.core.records import Rationale

    def answer(problem: Problem) -> tuple[str, str | None]:
        sample = Rationale(
            problem_id=problem.id, sample=0, text="SELECT name FROM pet", hinted=False, finish="stop", tokens=1,
            logprob=None, seed=0, prompt_key="",
        )  # fmt: skip
        verdict = registry.get("grader", "sql")().grade(problem, sample)
        return verdict.reason, verdict.answer

    task = spider(tmp_path)
    task.check()
    [old] = task.problems("dev")
    assert answer(old)[0] == "MATCH"
    file = tmp_path / "database" / "pets" / "pets.sqlite"
    file.touch()
    assert answer(old)[0] == "MATCH", "the same bytes with another time"
    database(file, "Cy", "Di")
    reason, why = answer(old)
    assert reason == "GRADER_ERROR" and "was changed since these problems were made" in str(why)
    changed = registry.get("task", "spider")(path=str(tmp_path))
    changed.check()
    assert changed.content != task.content and key(changed) != key(task)
    [new] = changed.problems("dev")
    assert new.meta["database"] != old.meta["database"] and answer(new)[0] == "MATCH"
    database(file.with_name("pets_b.sqlite"), "Eva")
    assert "was changed" in str(answer(new)[1]), "another instance is another database"


def test_a_changed_file_of_a_generated_database_is_written_again() -> None:
    from star_cli.lib.sql.execute import BadDatabase
    from star_cli.lib.sql.files import address_of_scripts, locate

    scripts = ["CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (4711)"]
    address = address_of_scripts("own_data", scripts)
    file = locate(address) / "own_data.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(BadDatabase, match="was changed"):
        locate(address)
    assert address_of_scripts("own_data", scripts) == address and file.read_bytes() == content
    with pytest.raises(BadDatabase, match="is not known on this machine"):
        locate("sqlite:0123456789abcdef/nowhere")


def test_databases_given_to_the_grader_are_part_of_its_key(tmp_path: Path) -> None:
    def grader() -> Any:
        part = registry.get("grader", "sql")(databases=str(tmp_path))
        part.check()
        return part

    database(tmp_path / "pets" / "pets.sqlite", "Ann")
    first = key(grader())
    assert key(grader()) == first != key(registry.get("grader", "sql")())
    database(tmp_path / "pets" / "pets.sqlite", "Bo")
    assert key(grader()) != first


# ---- the hub ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["gsm8k", "math", "commonsense_qa", "arc", "mbpp", "humaneval"])
def test_a_task_knows_the_commit_of_its_data(name: str) -> None:
    task = registry.get("task", name)(**({"config": "algebra"} if name == "math" else {}))
    task.check()
    assert len(task.revision) == 40 and int(task.revision, 16)
    with pytest.raises(StarError, match="branches and tags move") as e:
        registry.get("task", name)(revision="main", **({"config": "algebra"} if name == "math" else {})).check()
    assert "git ls-remote" in str(e.value.hint)


def test_math_on_the_hub_is_one_subject() -> None:
    with pytest.raises(StarError, match="task.config must name a subject") as e:
        registry.get("task", "math")().check()
    assert "algebra" in str(e.value.hint)
