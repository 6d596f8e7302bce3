"""The pilot: a few samples of the base model, made and judged by the ordinary stages, and counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
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
class SampleCounts:
    """Judged samples of some problems: ``by_problem`` has (right, samples) of each.

    Of the right samples ``checked`` have known steps, and ``wrong`` of these hold a wrong one.
    """

    by_problem: dict[str, tuple[int, int]] = field(default_factory=dict)
    right: int = 0
    samples: int = 0
    checked: int = 0
    wrong: int = 0

    @property
    def solved(self) -> int:
        """How many problems have a right sample."""
        return sum(right > 0 for right, _ in self.by_problem.values())


@dataclass
class PilotResult:
    """What a pilot measured, and how many problems of each group the run will have."""

    own: SampleCounts  # at the sampling temperature: what will be kept
    evaluated: SampleCounts  # at the evaluation temperature: what will be measured
    hinted: SampleCounts | None  # with the answer shown, of those that ``own`` left unsolved
    right_steps: list[int]  # of each step of a chain, how often right given the state before
    groups: dict[str, str]  # the group of every pilot problem
    train: dict[str, int]  # training problems of a round by group
    held_out: dict[str, int]  # evaluation problems by group

    def wrong_shares(self) -> list[float]:
        """[the share of the right samples that hold a wrong step]; [] where no steps are known."""
        return [self.own.wrong / self.own.checked] if self.own.checked else []

    def as_json(self) -> dict[str, Any]:
        """The pilot in numbers, for people."""
        numbers: dict[str, Any] = {
            "problems": len(self.own.by_problem),
            "samples": self.own.samples,
            "right": self.own.right,
            "solved": self.own.solved,
        }
        if self.own.checked:
            numbers["right_with_wrong_step"] = self.own.wrong
        if self.hinted:
            numbers.update(hinted=self.hinted.samples, hinted_right=self.hinted.right)
        return numbers


def run_pilot(lab: Lab) -> PilotResult:
    """Sample the base on some training problems as round 1 will: ``pilot`` and ``filter-pilot`` of round 0."""
    x = lab.x
    lab = Lab(x, lab.builder)  # what it judges is no part of any round
    base = lab.base_model()
    drawn = Problems(task=x.task, split="train", draw=x.pilot.problems, seed=seed_of(x.seed, "pilot"))
    problems = lab.build(drawn, {}, 0, "pilot-problems")
    samples = x.pilot.samples if x.sampling.temperature else 1  # greedy samples are all the same
    every = replace(x.sampling, stop_after=0)
    rationales = lab.generate(base, problems, round=0, samples=samples, sampling=every, name="pilot")
    kept = lab.filter(problems, rationales, name="filter-pilot")
    own, hinted = count_samples(kept), None
    if getattr(x.method, "rationalize", False):
        hinted_rationales = lab.generate(
            base, problems, round=0, hint=True, unless=kept, samples=samples, sampling=every, name="pilot-hinted"
        )
        hinted = count_samples(lab.filter(problems, hinted_rationales, name="filter-pilot-hinted"))
    evaluated = own
    if x.evaluation.temperature != x.sampling.temperature:
        sampling = Sampling(temperature=x.evaluation.temperature, max_tokens=x.sampling.max_tokens)
        answers = lab.generate(
            base,
            problems,
            round=0,
            samples=samples if sampling.temperature else 1,
            sampling=sampling,
            name="pilot-evaluation",
        )
        evaluated = count_samples(lab.filter(problems, answers, name="filter-pilot-evaluation"))
    return PilotResult(
        own=own,
        evaluated=evaluated,
        hinted=hinted,
        right_steps=_right_steps(x.task, problems, rationales),
        groups={p.id: group_of(x.task, p) for p in problems.read(Problem)},
        train=group_sizes(x.task, lab.problems("train", round=1).read(Problem)),
        held_out=group_sizes(x.task, lab.problems(x.evaluation.split, limit=x.evaluation.limit).read(Problem)),
    )


def count_samples(verdicts: Artifact) -> SampleCounts:
    """Count a filter's verdicts."""
    counts = SampleCounts()
    for verdict in verdicts.read(Verdict):
        right, samples = counts.by_problem.get(verdict.problem_id, (0, 0))
        counts.by_problem[verdict.problem_id] = (right + verdict.correct, samples + 1)
        counts.samples += 1
        counts.right += verdict.correct
        if verdict.correct and verdict.wrong_steps is not None:
            counts.checked += 1
            counts.wrong += verdict.wrong_steps > 0
    return counts


def group_of(task: Task, problem: Problem) -> str:
    """The group a problem belongs to: its value of the first breakdown the task has."""
    return next((f"{name}={value}" for name, value in task.groups(problem).items()), ALL)


def group_sizes(task: Task, problems: Iterable[Problem]) -> dict[str, int]:
    """How many problems each group has."""
    sizes: dict[str, int] = {}
    for problem in problems:
        name = group_of(task, problem)
        sizes[name] = sizes.get(name, 0) + 1
    return sizes


def _right_steps(task: Task, problems: Artifact, rationales: Artifact) -> list[int]:
    """Of each step of a chain, in how many rationales it is right given the state before; [] for other tasks."""
    if not isinstance(task, ChainTask):
        return []
    right = [0] * task.chain()[0]
    for problem, rationale in joined(problems, rationales):
        for n, is_right in enumerate(task.right_steps(problem, rationale.text) or ()):
            right[n] += is_right
    return right
