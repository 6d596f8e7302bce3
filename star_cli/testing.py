"""Checks for parts of your own, and a run on fakes: no model, no GPU, a second or two. Works with any test runner.

    from star_cli.testing import check_cases, check_resume, check_task, run_on_fakes

    def test_parity():
        check_task(Parity())

    def test_my_method(tmp_path):
        book = run_on_fakes(tmp_path, "method=mine", "samples=4")
        assert book(1, "finetune").count(Example) > 0

A check raises AssertionError that names what failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from star_cli.core import plugins, records, registry
from star_cli.core.parts import Grader, Prompt, Task
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.run.sweeps import run_all
from star_cli.stages.base import STAGES
from star_cli.store.artifacts import Artifact, open_store
from star_cli.store.runs import Run

FAKES = ("model=fake", "rounds=2", "tracking=none", "runtime.progress=none")
ADDITION = ("task.train=100", "problems=200", "task.dev=20")  # the default task, made small
Case = tuple[Problem, Rationale, str]


class Book:
    """The artifacts of a run, by round and name: ``book(1, "filter")``."""

    def __init__(self, home: Path, name: str) -> None:
        self.run = Run(home, name)
        self.events = self.run.events()
        store = open_store(home)
        self.rows = {(e.round, e.name): store.get(e.key) for e in self.events}

    def __call__(self, round: int, name: str) -> Artifact:
        artifact = self.rows.get((round, name))
        if artifact is None:
            raise AssertionError(f"the run has no round-{round}/{name}; it has {sorted(self.rows)}")
        return artifact


def run_on_fakes(home: Path, *overrides: str, name: str = "demo") -> Book:
    """Run an experiment in this process on a fake model, engine and trainer, and give back what it made.

    ``overrides`` are those of ``star run``; two rounds of a small addition task where they name no other. The fake
    engine solves sums; to other prompts it gives the same answer always. Raises what ends the run.
    """
    run_all([*small(overrides), f"name={name}", f"home={home}"])
    return Book(home, name)


def small(overrides: tuple[str, ...]) -> list[str]:
    """Overrides for a run on fakes: ``overrides`` come last, and win."""
    return [*FAKES, *(() if any(o.startswith("task=") for o in overrides) else ADDITION), *overrides]


def hashes(home: Path) -> dict[str, dict[str, str]]:
    """The sha256 of every file of every artifact, by key."""
    store = open_store(home)
    artifacts = {key: store.get(key) for key in store.keys()}
    return {key: {n: f.sha256 for n, f in a.manifest.files.items()} for key, a in artifacts.items() if a}


# ---- methods and stages ----------------------------------------------------------------------------------------------
def check_resume(home: Path, *overrides: str, at: float = 0.5) -> None:
    """A run that is killed (SIGKILL) after the share ``at`` of its samples and run again ends with the same bytes.

    The run that is killed is a process of its own: name the file of your parts among the ``overrides`` (parts=FILE),
    unless they are installed.
    """
    whole, killed, count = home / "whole", home / "killed", home / "count"
    args = [*small(overrides), "name=demo", "runtime.sync_seconds=0.02", f"engine.count_file={count}"]
    run_all([*args, f"home={whole}"])
    total = count.stat().st_size
    count.unlink()
    command = [sys.executable, "-m", "star_cli", "run", *args, f"home={killed}", "engine.seconds=0.003"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while process.poll() is None and (count.stat().st_size if count.exists() else 0) < at * total:
        time.sleep(0.002)
    early = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    _check(not early, f"the run ended before it wrote {at:.0%} of its {total} samples:\n{out}")
    _check(hashes(killed) != hashes(whole), "the run was killed when everything was written already")
    run_all([*args, f"home={killed}"])
    first, second = hashes(whole), hashes(killed)
    strange = sorted(key for key in {*first, *second} if first.get(key) != second.get(key))
    _check(not strange, f"these artifacts are not what an undisturbed run makes: {', '.join(strange)}")
    _check(not open_store(killed).partials(), "there are unfinished artifacts at the end")


def check_same_again(home: Path, *overrides: str) -> None:
    """The same run a second time builds nothing: every setting that changes what a stage makes is in its key."""
    run_on_fakes(home, *overrides)
    book = run_on_fakes(home, *overrides)
    built = [f"round-{e.round}/{e.name}" for e in book.run.latest() if not e.hit]
    _check(not built, f"these stages were built again: {', '.join(built)}")


# ---- graders ---------------------------------------------------------------------------------------------------------
def cases(grader: Grader | type[Grader]) -> list[Case]:
    """A grader's own table of cases as (problem, rationale, reason expected)."""
    return [case(*row) for row in grader.CASES]


def case(gold: str, text: str, reason: str, extras: dict[str, Any] | None = None) -> Case:
    """A row of CASES; ``extras`` may hold question, choices, meta and finish."""
    facts = extras or {}
    problem = Problem(
        id="p",
        question=facts.get("question", ""),
        answer=gold,
        choices=facts.get("choices"),
        meta=facts.get("meta", {}),
    )
    return problem, rationale(problem, text, finish=facts.get("finish", "stop")), reason


def check_cases(grader: Grader) -> None:
    """A grader has cases, and judges every one as its table says, in a form that can be stored."""
    _check(bool(grader.CASES), f"{registry.name_of(grader)} has no CASES: (gold, text, reason) rows")
    for problem, text, reason in cases(grader):
        verdict = grader.grade(problem, text)
        where = f"gold {problem.answer!r}, text {text.text!r}"
        _check(isinstance(verdict, Verdict), f"{where}: grade gives a {type(verdict).__name__}, not a Verdict")
        _check(
            verdict.reason in records.REASONS, f"{where}: {verdict.reason!r} is none of {', '.join(records.REASONS)}"
        )
        _check(verdict.reason == reason, f"{where}: expected {reason}, got {verdict.reason} ({verdict.answer!r})")
        _check(verdict.correct == (reason == "MATCH"), f"{where}: {reason}, and correct={verdict.correct}")
        same = (verdict.problem_id, verdict.sample) == (text.problem_id, text.sample)
        _check(same, f"{where}: the verdict is of {verdict.problem_id!r}, sample {verdict.sample}")


def rationale(problem: Problem, text: str, *, finish: str = "stop") -> Rationale:
    """A text as if a model had written it for a problem."""
    return Rationale(
        problem_id=problem.id,
        sample=0,
        text=text,
        hinted=False,
        finish=finish,
        tokens=1,
        logprob=None,
        seed=0,
        prompt_key="",
    )


# ---- tasks -----------------------------------------------------------------------------------------------------------
def check_task(
    task: Task,
    *,
    n: int = 50,
    splits: tuple[str, ...] = (),
    hints: bool = True,
    graded: bool = True,
    disjoint: bool = True,
) -> None:
    """A task keeps its contract, tried on the first ``n`` problems of each of ``splits`` (all that the task names).

    Problems come in the same order each time, with ids of their own, and those of train are not held out, too
    (``disjoint``); prompts hold the answer only with a hint (``hints``: it has one); the bare answer and the gold
    rationale are right by the task's own grader (``graded``); there are lessons for a tiny model, the same each time.
    """
    task.check()
    questions: dict[str, set[str]] = {}
    for split in splits or task.splits:
        problems = list(task.problems(split))
        _check(bool(problems), f"the split {split} has no problems")
        _check(problems == list(task.problems(split)), f"the split {split} is another the second time it is read")
        ids = [p.id for p in problems]
        twice = sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []
        _check(not twice, f"these ids occur twice in {split}: {', '.join(twice[:5])}")
        questions[split] = {str((p.question, p.choices, p.images)) for p in problems}
        for problem in problems[:n]:
            check_prompts(task, problem, hints=hints)
            if graded:
                _check_answers(task, problem)
    for split, held_out in questions.items():
        shared = questions.get("train", set()) & held_out if split != "train" and disjoint else set()
        _check(not shared, f"{len(shared)} problems of {split} are in train, too: {next(iter(shared), '')}")
    if "train" in questions:
        lessons = list(task.lesson_examples(dict(task.lessons), 0))
        _check(bool(lessons), f"lessons={task.lessons} give a tiny model nothing to learn")
        _check(lessons == list(task.lesson_examples(dict(task.lessons), 0)), "lessons differ the second time")


def check_prompts(task: Task, problem: Problem, *, hints: bool = True) -> None:
    """Without a hint no prompt depends on the answer or the gold rationale; with one it does, on the answer alone."""
    where = f"problem {problem.id}"
    prompt, training = task.prompt(problem), task.training_prompt(problem)
    _check(
        isinstance(prompt, Prompt) and bool(prompt.text), f"{where}: prompt gives {prompt!r}, not a Prompt with text"
    )
    _check(task.prompt(problem) == prompt, f"{where}: its prompt differs the second time")
    changed = msgspec.structs.replace(problem, answer=_other(problem), meta={**problem.meta, "gold": GOLD})
    same = task.prompt(changed) == prompt and task.training_prompt(changed) == training
    _check(same, f"{where}: a prompt without hint depends on the answer")
    hinted, other = task.prompt(problem, hint=True).text, task.prompt(changed, hint=True).text
    _check(GOLD not in other, f"{where}: the hint shows the gold rationale")
    if hints:
        _check(hinted != prompt.text, f"{where}: the hint changes nothing")
        _check(hinted != other, f"{where}: the hint does not depend on the answer")
        _check(hinted != training, f"{where}: the training prompt holds the hint")


GOLD = "the_gold_rationale_4711"


def _other(problem: Problem) -> str:
    """Another answer of the same kind: another letter where it is one of the choices' letters."""
    if problem.choices and len(problem.answer) == 1:
        return "A" if problem.answer != "A" else "B"
    return "the_other_answer_4711"


def _check_answers(task: Task, problem: Problem) -> None:
    settings = dict(task.grader)
    grader = registry.get("grader", settings.pop("name"))(**settings)
    for what, text in (("bare answer", task.answer_only(problem)), ("gold rationale", task.gold(problem))):
        if text is not None:
            verdict = grader.grade(problem, rationale(problem, text))
            judgement = f"{verdict.reason} by its grader {registry.name_of(grader)}"
            _check(verdict.correct, f"problem {problem.id}: the {what} {text!r} is {judgement}")


# ---- registries ------------------------------------------------------------------------------------------------------
@contextmanager
def separate_registry() -> Iterator[None]:
    """What is registered, defined or loaded inside is forgotten at the end."""
    registry.discover()
    before = [
        {k: dict(v) for k, v in registry._parts.items()},
        dict(STAGES),
        dict(records._kinds),
        set(registry._loaded),
    ]
    path, modules, places = list(sys.path), set(sys.modules), os.environ.get(plugins.VARIABLE)
    try:
        yield
    finally:
        for store, old in zip((registry._parts, STAGES, records._kinds, registry._loaded), before, strict=True):
            store.clear()  # type: ignore[attr-defined]
            store.update(old)  # type: ignore[attr-defined]
        folders = tuple(f + os.sep for f in plugins.folders)
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folders):
                del sys.modules[name]
        sys.path[:] = path
        os.environ.pop(plugins.VARIABLE, None)
        if places is not None:
            os.environ[plugins.VARIABLE] = places


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)
