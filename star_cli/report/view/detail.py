"""One sample with everything that is known of it: prompt, marked text, pictures, what its SQL gave, other verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.parts import Task
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.lib import images
from star_cli.lib.text.thoughts import THOUGHTS
from star_cli.report.samples import Sample, prompt_of
from star_cli.report.sql import is_sql
from star_cli.report.view import marks
from star_cli.report.view.library import SampleSet
from star_cli.report.view.problem import of_problem

EDGE = 480  # pixels of a picture on the page


@dataclass(frozen=True)
class ShownPrompt:
    """The prompt, and whether it is proved to be what the model saw; ``fault`` is why it cannot be shown."""

    text: str = ""
    proved: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URL, or why it cannot be shown."""

    name: str
    url: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Detail:
    """What the page of a sample adds to its row. ``text`` is HTML."""

    problem: Problem
    text: str
    answer_marked: bool
    prompt: ShownPrompt
    pictures: list[Picture]
    groups: dict[str, str] = field(default_factory=dict)
    sql: bool = False


def detail(one: SampleSet, problem: Problem, rationale: Rationale, verdict: Verdict | None, task: Task | None, *,
           search: str = "", as_written: bool = False) -> Detail:  # fmt: skip
    """All of a sample that its page shows. ``task`` is None where it cannot be had."""
    answer = verdict.answer if verdict else None
    thoughts = thoughts_of(one)
    lines = task.wrong_lines(problem, rationale.text) if task and verdict and verdict.wrong_steps else []
    text = (
        marks.raw(rationale.text)
        if as_written
        else marks.rendered(
            rationale.text,
            answer=answer,
            correct=verdict.correct if verdict else None,
            wrong_lines=lines,
            thoughts=thoughts,
            search=search,
        )
    )
    return Detail(
        problem=problem,
        text=text,
        answer_marked=bool(answer) and marks.answer_place(rationale.text, answer or "", thoughts) is not None,
        prompt=shown_prompt(problem, rationale, task),
        pictures=pictures(problem, task),
        groups=task.groups(problem) if task else {},
        sql=is_sql(problem),
    )


def thoughts_of(one: SampleSet) -> Sequence[str]:
    """The tokens between which the set's grader finds thoughts."""
    grader = one.verdicts.tag.get("grader") if one.verdicts else None
    tokens = grader.get("thoughts") if isinstance(grader, dict) else None
    return tokens if isinstance(tokens, list) else THOUGHTS


def shown_prompt(problem: Problem, rationale: Rationale, task: Task | None) -> ShownPrompt:
    """The prompt of a sample, made anew."""
    if task is None:
        return ShownPrompt(fault="the prompt is not known: its task cannot be had here")
    try:
        prompt, proved = prompt_of(Sample(problem, rationale, None), task)
    except StarError as e:
        return ShownPrompt(fault=e.what)
    return ShownPrompt(prompt.text, proved)


def pictures(problem: Problem, task: Task | None) -> list[Picture]:
    """The pictures of a problem, inside the page."""
    shown = []
    for name in problem.images:
        try:
            shown.append(Picture(name, images.embedded(task.picture(name) if task else name, EDGE)))
        except StarError as e:
            shown.append(Picture(name, fault=e.what))
    return shown


def whole_problem(one: SampleSet, id: str) -> Problem | None:
    """A problem with its pictures and all that its task noted."""
    return next((p for artifact in one.problems for p in of_problem(artifact, Problem, id)), None)


def records_of(row: dict[str, Any]) -> tuple[Rationale, Verdict | None]:
    """The records that a row of a table was made of."""
    written = ("problem_id", "sample", "text", "hinted", "finish", "tokens", "logprob", "prompt_key")
    rationale = Rationale(**{name: row[name] for name in written}, seed=0)
    if row["reason"] is None:
        return rationale, None
    judged = ("problem_id", "sample", "correct", "answer", "reason", "wrong_steps")
    return rationale, Verdict(**{name: row[name] for name in judged})
