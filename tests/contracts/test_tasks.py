"""Every task that reads data: samples of our own, public data where there is a copy, and whatever can be wrong with a
file."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from star_cli.core import registry
from star_cli.core.records import Problem
from star_cli.errors import StarError
from star_cli.tasks.base.dataset import DatasetTask
from star_cli.testing import check_prompts, check_task, rationale

DATA = Path(__file__).parents[1] / "data"
PUBLIC = Path(os.environ.get("STAR_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
TASKS = ["gsm8k", "math", "commonsense_qa", "arc", "mbpp", "humaneval", "jsonl"]
COPIES = {"gsm8k": "gsm8k", "commonsense_qa": "commonsenseqa", "arc": "arc", "mbpp": "mbpp", "humaneval": "humaneval"}
SIZES = {"gsm8k": 8473, "commonsense_qa": 10641, "arc": 1500, "mbpp": 824, "humaneval": 114}
HEAVY = {"math": "math_verify"}


def task_of(name: str, path: Path | None = None, **settings: Any) -> Any:
    task = registry.get("task", name)(path=str(path or DATA / f"{name}.jsonl"), **settings)
    task.check()
    return task


def everything(task: Any) -> list[Problem]:
    found = []
    for split in ("train", "dev", "test"):
        try:
            found += list(task.problems(split))
        except StarError as e:
            assert "has no" in e.what
    return found


def public(name: str) -> Any:
    path = PUBLIC / COPIES[name]
    if not path.is_dir():
        pytest.skip(f"no copy of the public data at {path} (STAR_TEST_DATA names another place)")
    return task_of(name, path)


def grade(task: Any, problem: Problem, text: str) -> str:
    settings = dict(task.grader)
    return registry.get("grader", settings.pop("name"))(**settings).grade(problem, rationale(problem, text)).reason


def test_every_task_with_a_source_is_tested_here() -> None:
    assert TASKS == [n for n in TASKS if issubclass(registry.get("task", n), DatasetTask)]
    sourced = {n for n in registry.names("task") if issubclass(registry.get("task", n), DatasetTask)}
    assert sourced - {"visual_qa"} <= set(TASKS), "tests/unit/test_images.py has visual_qa"


def check_all_prompts(task: Any, problem: Problem) -> None:
    """The prompts of the contract, and what holds for data sets: the question is learnt from, and no few-shot text."""
    check_prompts(task, problem)
    assert problem.question.strip()[:40] in task.training_prompt(problem)
    assert len(task.training_prompt(problem)) <= len(task.prompt(problem).text)


MADE = {  # tasks that make their own data, and what does not hold for them
    "addition": {},
    "tiny_sql": {},
    "tiny_scenes": {"hints": False},  # See-Think-Learn shows no answer
    "zip": {"disjoint": False},  # its chains have 64 starts, and every split has them all
}


@pytest.mark.parametrize("name", MADE)
def test_a_task_that_makes_its_data_keeps_the_contract(name: str) -> None:
    check_task(registry.get("task", name)(), n=20, **MADE[name])


@pytest.mark.parametrize("form", ["few-shot", "chat"])
@pytest.mark.parametrize("name", TASKS)
def test_a_prompt_holds_its_answer_only_when_hinted(name: str, form: str) -> None:
    task = task_of(name, form=form)
    problems = everything(task)
    assert len(problems) >= 10 and len({p.id for p in problems}) == len(problems)
    for problem in problems:
        check_all_prompts(task, problem)


@pytest.mark.parametrize("name", list(COPIES))
def test_public_data_is_read_whole_and_prompts_hold_no_answer(name: str) -> None:
    task = public(name)
    problems = everything(task)
    assert len(problems) == SIZES[name] and len({p.id for p in problems}) == len(problems)
    for problem in random.Random(0).sample(problems, 100):
        check_all_prompts(task, problem)


@pytest.mark.parametrize("name", TASKS)
def test_gold_rationale_and_bare_answer_are_graded_right(name: str) -> None:
    if name in HEAVY:
        pytest.importorskip(HEAVY[name])
    task = task_of(name)
    for problem in everything(task):
        assert grade(task, problem, task.answer_only(problem)) == "MATCH" or name == "jsonl"
        gold = task.gold(problem)
        assert gold is None or grade(task, problem, gold) == "MATCH"


def test_gsm8k_solutions_are_right_for_their_own_problem_and_wrong_for_the_next() -> None:
    task = public("gsm8k")
    problems = everything(task)
    grader = registry.get("grader", "numeric")()
    for problem, after in zip(problems, [*problems[1:], problems[0]], strict=True):
        own, strange = (
            grader.judge(problem.answer, problem.meta["gold"]),
            grader.judge(problem.answer, after.meta["gold"]),
        )
        assert own[2] == "MATCH", (problem.id, own)
        same = problem.answer.replace(",", "") == after.answer.replace(",", "")
        assert strange[0] == same, (problem.id, strange)


def mutants(code: str) -> str:
    """The program with every returned value replaced by something it is not."""
    return code + "\n\ndef _wrong(f):\n    def g(*a, **k):\n        return ('mutant', f(*a, **k))\n    return g\n"


def check_programs(name: str, problems: list[Problem], task: Any) -> None:
    from star_cli.stages.grading.pool import graded

    def items(wrong: bool) -> Any:
        for p in problems:
            names = p.meta["names"]
            gold = task.gold(p)
            code = (
                p.meta["prompt"] + gold
                if name == "humaneval"
                else gold.strip().removeprefix("```python\n").removesuffix("```")
            )
            tail = "".join(
                f"{n} = _wrong({n}) if callable({n}) and not isinstance({n}, type) else {n}\n" for n in names
            )
            yield p, rationale(p, "```python\n" + (mutants(code) + tail if wrong else code) + "\n```")

    grader = registry.get("grader", "code")(seconds=30.0)
    right = [(p.id, v.reason) for p, _, v in graded(grader, items(False), 2) if v.reason != "MATCH"]
    wrong = [(p.id, v.reason) for p, _, v in graded(grader, items(True), 2) if v.reason != "MISMATCH"]
    assert right == [] and wrong == []


@pytest.mark.parametrize("name", ["mbpp", "humaneval"])
def test_reference_programs_pass_and_mutated_ones_fail(name: str) -> None:
    task = public(name)
    check_programs(name, random.Random(1).sample(everything(task), 10), task)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["mbpp", "humaneval"])
def test_all_reference_programs_pass_and_all_mutated_ones_fail(name: str) -> None:
    task = public(name)
    check_programs(name, everything(task), task)


@pytest.mark.parametrize("name", TASKS)
def test_a_tiny_model_finds_lessons(name: str) -> None:
    task = task_of(name)
    try:
        list(task.problems("train"))
    except StarError:
        pytest.skip("this sample has no training split")
    rows = list(task.lesson_examples(task.lessons, 0))
    assert rows and len({(e.problem_id, e.sample, e.origin) for e in rows}) == len(rows)
    assert rows == list(task.lesson_examples(task.lessons, 0)) and all(e.prompt and e.completion for e in rows)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


GOOD = {"id": "a", "question": "1 + 1?", "answer": "#### 2"}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [{"id": "a", "prompt": "x", "answer": "#### 2"}],
            r"train.jsonl:1: no field 'question'; it has id, prompt, answer",
        ),
        ([GOOD, {**GOOD, "answer": 2, "id": "b"}], r"train.jsonl:2: 'answer' is a int, expected str"),
        ([GOOD, {**GOOD, "question": "2?"}], r"train.jsonl:2: the id 'a' occurs twice, first at .*train.jsonl:1"),
        ([{**GOOD, "answer": "two"}], r"no '####' before its number: 'two'"),
        ([GOOD, "{broken"], r"train.jsonl:2: not valid JSON"),
        (["[1]"], r"train.jsonl:1: a list, not a JSON object"),
    ],
)
def test_wrong_data_is_a_sentence_with_file_and_line(tmp_path: Path, rows: list[Any], told: str) -> None:
    task = task_of("gsm8k", write(tmp_path / "train.jsonl", rows))
    with pytest.raises(StarError, match=told):
        for split in ("train", "dev"):
            list(task.problems(split))
        list(task.problems("train"))


def test_unknown_splits_missing_files_and_missing_pins_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(StarError, match="unknown split 'tset'"):
        list(task_of("gsm8k").problems("tset"))
    path = write(tmp_path / "train.jsonl", [{**GOOD, "id": str(i)} for i in range(50)])
    with pytest.raises(StarError, match="has no test split, only dev, train"):
        list(task_of("gsm8k", path).problems("test"))
    for path, told in (
        (tmp_path / "gone.jsonl", "does not exist"),
        (tmp_path / "train.txt", "of no kind"),
        (tmp_path / "d", "no data"),
    ):
        if path.name == "d":
            path.mkdir()
        elif path.name != "gone.jsonl":
            path.write_text("x")
        with pytest.raises(StarError, match=told):
            task_of("gsm8k", path)
    for task in (registry.get("task", "jsonl")(), registry.get("task", "math")(dataset="owner/name")):
        with pytest.raises(StarError, match="does not know its data") as e:
            task.check()
        assert "git ls-remote" in (e.value.hint or "")
    with pytest.raises(StarError, match="branches and tags move"):
        registry.get("task", "gsm8k")(revision="main").check()


def test_content_is_identity_and_the_place_is_not(tmp_path: Path) -> None:
    from star_cli.core.keys import key

    rows = [{**GOOD, "id": str(i)} for i in range(3)]
    (tmp_path / "x").mkdir()
    here, there = write(tmp_path / "train.jsonl", rows), write(tmp_path / "x" / "train.jsonl", rows)
    assert key(task_of("gsm8k", here)) == key(task_of("gsm8k", there))
    write(there, rows[:2])
    assert key(task_of("gsm8k", here)) != key(task_of("gsm8k", there))
    with pytest.raises(StarError, match="is another one or was changed"):
        task_of("gsm8k", there, content=task_of("gsm8k", here).content)


def test_shots_are_a_file_a_user_can_point_at(tmp_path: Path) -> None:
    shots = tmp_path / "mine.txt"
    shots.write_text("Q: What is 2 + 3?\nA: 2 + 3 = 5.\n#### 5\n")
    task = task_of("gsm8k", shots=str(shots))
    problem = next(task.problems("train"))
    assert task.prompt(problem).text == f"Q: What is 2 + 3?\nA: 2 + 3 = 5.\n#### 5\n\nQ: {problem.question}\nA:"
    assert task.prompt(problem, hint=True).text.startswith("Q: What is 2 + 3? (5)\nA:")
    assert (
        task_of("gsm8k", shots="none").prompt(problem).text
        == task.training_prompt(problem)
        == f"Q: {problem.question}\nA:"
    )
    with pytest.raises(StarError, match="cannot be read"):
        task_of("gsm8k", shots=str(tmp_path / "gone.txt"))


def test_the_hint_of_a_choice_marks_one_line() -> None:
    task = task_of("commonsense_qa")
    problem = next(task.problems("train"))
    hinted, plain = task.prompt(problem, hint=True).text, task.prompt(problem).text
    assert hinted.replace(" (CORRECT)", "") == plain and hinted.count("(CORRECT)") == 8


def test_a_dev_split_is_carved_out_of_train_without_overlap(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [{**GOOD, "id": str(i)} for i in range(1000)])
    task = task_of("gsm8k", path)
    train, dev = ({p.id for p in task.problems(s)} for s in ("train", "dev"))
    assert not train & dev and len(train | dev) == 1000 and 60 < len(dev) < 140


def test_jsonl_takes_csv_json_parquet_and_names_of_fields(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text('ask,target\n"What, is it?",4\n')
    (tmp_path / "train.json").write_text(json.dumps([{"ask": "x?", "target": 5, "extra": [1]}]))
    task = task_of(
        "jsonl",
        tmp_path,
        question="ask",
        answer="target",
        template="Problem: {question}\nSolution:",
        hint=" [{answer}]",
    )
    [problem] = task.problems("test")
    assert (problem.question, problem.answer) == ("What, is it?", "4")
    assert task.prompt(problem, hint=True).text == "Problem: What, is it? [4]\nSolution:"
    pyarrow = pytest.importorskip("pyarrow.parquet")
    import pyarrow as arrow

    pyarrow.write_table(arrow.table({"question": ["a", "b"], "answer": ["1", "2"]}), tmp_path / "dev.parquet")
    assert [p.answer for p in task_of("jsonl", tmp_path / "dev.parquet").problems("dev")] == ["1", "2"]
    with pytest.raises(StarError, match="the picture .* does not exist"):
        list(
            task_of(
                "jsonl",
                write(tmp_path / "test.jsonl", [{"question": "a", "answer": "1", "images": "no.png"}]),
                images="images",
            ).problems("test")
        )
