"""The pilot: a few samples of the base model, made and judged by the ordinary stages, and counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.keys import seed_of
from star_cli.core.parts import ChainTask, Task
from star_cli.core.records import Problem, Verdict
from star_cli.core.settings import Sampling
from star_cli.run.lab import Lab
from star_cli.stages.grading.judge import joined
from star_cli.stages.problems import Problems
from star_cli.store.artifacts import Artifact

ALL = "all"


@dataclass
class Tally:
    """Samples of some problems: for each problem (right, asked), and how many right ones had a wrong step."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    right: int = 0
    samples: int = 0
    checked: int = 0  # right ones whose steps are known
    wrong: int = 0

    @property
    def solved(self) -> int:
        return sum(right > 0 for right, _ in self.counts.values())


@dataclass
class Evidence:
    """What a pilot found. ``groups`` names every pilot problem's group; the shares are of problems by group."""

    own: Tally  # at the sampling temperature: what is kept
    shown: Tally  # at the evaluation temperature: what is measured
    hinted: Tally | None  # with the answer shown, of those that ``own`` left unsolved
    right_steps: list[int]  # of each step of a chain, how often right given the state before
    groups: dict[str, str]
    train: dict[str, int]  # training problems of a round by group
    held_out: dict[str, int]  # evaluation problems by group

    def record(self) -> dict[str, Any]:
        """The pilot in numbers, for people."""
        told: dict[str, Any] = {
            "problems": len(self.own.counts),
            "samples": self.own.samples,
            "right": self.own.right,
            "solved": self.own.solved,
        }
        if self.own.checked:
            told["right_with_wrong_step"] = self.own.wrong
        if self.hinted:
            told.update(hinted=self.hinted.samples, hinted_right=self.hinted.right)
        return told


def run_pilot(lab: Lab) -> Evidence:
    """Sample the base on some training problems as round 1 will: ``pilot`` and ``filter-pilot`` of round 0."""
    x = lab.x
    lab = Lab(x, lab.builder)  # what it judges is no part of any round
    base = lab.base_model()
    chosen = Problems(task=x.task, split="train", draw=x.pilot.problems, seed=seed_of(x.seed, "pilot"))
    problems = lab.build(chosen, {}, 0, "pilot-problems")
    samples = x.pilot.samples if x.sampling.temperature else 1  # greedy samples are all the same
    drafts = lab.generate(base, problems, round=0, samples=samples, name="pilot")
    kept = lab.filter(problems, drafts, name="filter-pilot")
    own, hinted = tally(kept), None
    if getattr(x.method, "rationalize", False):
        again = lab.generate(base, problems, round=0, hint=True, unless=kept, samples=samples, name="pilot-hinted")
        hinted = tally(lab.filter(problems, again, name="filter-pilot-hinted"))
    shown = own
    if x.evaluation.temperature != x.sampling.temperature:
        other = Sampling(temperature=x.evaluation.temperature, max_tokens=x.sampling.max_tokens)
        answers = lab.generate(
            base,
            problems,
            round=0,
            samples=samples if other.temperature else 1,
            sampling=other,
            name="pilot-evaluation",
        )
        shown = tally(lab.filter(problems, answers, name="filter-pilot-evaluation"))
    return Evidence(
        own=own,
        shown=shown,
        hinted=hinted,
        right_steps=_steps(x.task, problems, drafts),
        groups={p.id: group_of(x.task, p) for p in problems.read(Problem)},
        train=shares(x.task, lab.problems("train", round=1).read(Problem)),
        held_out=shares(x.task, lab.problems(x.evaluation.split, limit=x.evaluation.limit).read(Problem)),
    )


def tally(verdicts: Artifact) -> Tally:
    """Count a filter's verdicts."""
    found = Tally()
    for v in verdicts.read(Verdict):
        right, asked = found.counts.get(v.problem_id, (0, 0))
        found.counts[v.problem_id] = (right + v.correct, asked + 1)
        found.samples += 1
        found.right += v.correct
        if v.correct and v.wrong_steps is not None:
            found.checked += 1
            found.wrong += v.wrong_steps > 0
    return found


def group_of(task: Task, problem: Problem) -> str:
    """The group a problem belongs to: its value of the first breakdown the task has."""
    return next((f"{k}={v}" for k, v in task.groups(problem).items()), ALL)


def shares(task: Task, problems: Iterable[Problem]) -> dict[str, int]:
    """How many problems each group has."""
    found: dict[str, int] = {}
    for problem in problems:
        name = group_of(task, problem)
        found[name] = found.get(name, 0) + 1
    return found


def _steps(task: Task, problems: Artifact, drafts: Artifact) -> list[int]:
    if not isinstance(task, ChainTask):
        return []
    right = [0] * task.chain()[0]
    for problem, rationale in joined(problems, drafts):
        for n, good in enumerate(task.right_steps(problem, rationale.text) or ()):
            right[n] += good
    return right
