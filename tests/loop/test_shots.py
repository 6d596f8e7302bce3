"""Where a task's worked examples stand: in sampling, in training, in evaluation; and STaR's kept hints."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
from conftest import SMALL, call

from star_cli.core.records import Example, Problem
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run
from star_cli.tasks.addition import Addition
from star_cli.tasks.gsm8k import GSM8K

DATA = Path(__file__).parents[1] / "data" / "gsm8k.jsonl"
ARGS = ["model=fake", "engine=fake", "trainer=fake", "task=gsm8k", f"task.path={DATA}", "method.rationalize=false"]


def plan(home, *args) -> dict[tuple[int, str], str]:
    done = call(home, "plan", *ARGS, "rounds=2", *args, "--json")
    assert done.code == 0, done.err
    return {(s["round"], s["stage"]): s["key"] for s in done.json["stages"]}


def differing(a: dict, b: dict) -> set[tuple[int, str]]:
    return {at for at in a if a[at] != b[at]}


def test_each_setting_reaches_its_own_stages_first(home):
    plain = plan(home)
    evaluated = differing(plain, plan(home, "evaluation.shots=none"))
    assert {name for _, name in evaluated} == {"generate-dev", "evaluate"}, "what is trained on stays as it is"
    sampled = differing(plain, plan(home, "sampling.shots=none"))
    assert (1, "generate") in sampled and (0, "generate-dev") not in sampled
    later = differing(plain, plan(home, "sampling.shots=first"))
    assert (1, "generate") not in later and (1, "finetune") not in later and (2, "generate") in later


def test_a_prompt_holds_the_examples_where_it_should():
    tasks = {
        name: GSM8K(path=str(DATA), **settings)
        for name, settings in {"usual": {}, "bare": {"shots": "none"}, "always": {"form": "few-shot-always"}}.items()
    }
    for task in tasks.values():
        task.check()
    problem = next(tasks["usual"].problems("train"))
    sampled = {name: task.prompt(problem).text.count("Q: ") for name, task in tasks.items()}
    trained = {name: task.training_prompt(problem).count("Q: ") for name, task in tasks.items()}
    assert sampled["usual"] == sampled["always"] > sampled["bare"] == 1
    assert trained == {"usual": 1, "bare": 1, "always": sampled["always"]}


def test_training_shots_are_in_what_is_trained_on(home):
    done = call(home, "run", *ARGS[:-1], "method=direct", "training.shots=true", "rounds=1", "name=s")
    assert done.code == 0, done.err
    rows = list(Run(home, "s").artifact(Store(home / "artifacts"), 1, "answers").read(Example))
    assert rows and all(row.prompt.count("Q: ") > 3 for row in rows)


@pytest.mark.parametrize("setting", ["sampling.shots=none", "evaluation.shots=none", "training.shots=true"])
def test_a_task_without_worked_examples_says_so(home, setting):
    done = call(home, "run", *SMALL, setting)
    assert done.code == 1 and f"{setting.partition('=')[0]} has no effect" in done.err


def test_a_share_of_the_rationalized_examples_keeps_its_hint(home):
    for name, share in (("none", 0), ("some", 0.3), ("all", 1)):
        done = call(home, "run", *SMALL, "rounds=1", "problems=400", f"method.show_hint={share}", f"name={name}")
        assert done.code == 0, done.err
    store, shown = Store(home / "artifacts"), {}
    for name in ("none", "some", "all"):
        run = Run(home, name)
        problems = {p.id: p for p in run.artifact(store, 1, "problems").read(Problem)}
        own = list(run.artifact(store, 1, "filter").read(Example))
        rows = list(run.artifact(store, 1, "filter-rationalized").read(Example))
        hinted = [r for r in rows if f"Target: {problems[r.problem_id].answer}" in r.prompt.replace("\n", " ")]
        shown[name] = len(hinted) / len(rows)
        assert not any(problems[r.problem_id].answer in r.prompt for r in own if r.origin != "own")
        assert len(rows) > 50
    assert shown["none"] == 0 and shown["all"] == 1 and 0.15 < shown["some"] < 0.45


def test_a_share_that_has_no_effect_is_refused(home):
    done = call(home, "run", *SMALL, "method.show_hint=.3", "method.rationalize=false")
    assert done.code == 1 and "method.show_hint=0.3 has no effect" in done.err


def test_a_share_of_what_is_trained_on_are_lessons_of_the_pretraining(home):
    done = call(home, "run", *SMALL, "rounds=2", "training.replay=.25", "name=r")
    assert done.code == 0, done.err
    store, run = Store(home / "artifacts"), Run(home, "r")
    known = {(e.prompt, e.completion) for e in run.artifact(store, 0, "pretrain").read(Example)}
    drawn = []
    for n in (1, 2):
        model = run.artifact(store, n, "finetune")
        rows = list(model.read(Example))
        lessons = [e for e in rows if e.origin == "lesson"]
        assert {(e.prompt, e.completion) for e in lessons} <= known
        assert len(lessons) == pytest.approx(len(rows) / 4, abs=1) == model.metrics["origins"]["lesson"]
        drawn.append({e.problem_id for e in lessons})
    assert drawn[0] != drawn[1], "other ones each round"


def test_lessons_of_a_model_from_outside_cannot_be_replayed(home):
    done = call(home, "plan", "model=hf", "model.path=/nowhere", "training.replay=.2")
    assert done.code == 1 and "training.replay=0.2 has no lessons to replay" in done.err


def test_worked_examples_of_sums_show_the_answer_where_the_question_does():
    task = Addition(shots=3, min_digits=1, max_digits=3)
    task.check()
    for problem in islice(task.problems("train"), 0, 3000, 250):
        plain, hinted = task.prompt(problem).text, task.prompt(problem, hint=True).text
        assert plain.endswith(task.training_prompt(problem)) and hinted.endswith(task.training_prompt(problem, True))
        for text, shown in ((plain, 0), (hinted, 4)):
            assert text.count("Input:") == 4 and len(re.findall(r"^Target: \S", text, re.M)) == shown
        assert plain.count(f"Input:\n{problem.question}\n") == 1, "never its own solution"
    assert task.without_shots() == Addition(min_digits=1, max_digits=3) and Addition().without_shots() is None
    digits = [p.meta["digits"] for p in task.worked_examples(4, "shots")]
    assert digits == [1, 2, 1, 2], "they take turns up to shot_digits"
    lessons = list(task.lesson_examples({"2": 60}, seed=0))
    assert {e.prompt.count("Input:") for e in lessons} == {1, 2, 3, 4}
