"""Problems and rationales joined in one pass and judged, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from star_cli.core.keys import key
from star_cli.core.parts import Grader, Task
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.lib.clock import ticking
from star_cli.stages.grading.cache import VerdictCache, cache_file
from star_cli.stages.grading.classes import Behind, unwritten, with_merged_classes
from star_cli.stages.grading.pool import UNREAD, graded, judge
from star_cli.store.artifacts import Artifact

SHOWN = 10  # problems that cannot be graded are listed up to this many


def joined(problems: Artifact, rationales: Artifact) -> Iterator[tuple[Problem, Rationale]]:
    """Each rationale with its problem, streaming: both files are in the order of the problems."""
    source = problems.read(Problem)
    problem: Problem | None = None
    for rationale in rationales.read(Rationale):
        while problem is None or problem.id != rationale.problem_id:
            problem = next(source, None)
            if problem is None:
                raise StarError(
                    f"rationale ({rationale.problem_id}, sample {rationale.sample}) of {rationales.key} belongs to no "
                    f"problem of {problems.key}, or its file is not in the order of the problems",
                    hint="give the problems artifact that the rationales were generated from",
                )
        yield problem, rationale


def with_verdicts(
    problems: Artifact, rationales: Artifact, verdicts: Artifact
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Each rationale with its problem and verdict, streaming; verdicts of others are a StarError."""
    in_order = verdicts.read(Verdict)
    for problem, rationale in joined(problems, rationales):
        verdict = next(in_order, None)
        if verdict is None or verdict.identity() != rationale.identity():
            raise StarError(
                f"the verdicts of {verdicts.key} are not those of the rationales of {rationales.key}: "
                f"sample {rationale.sample} of problem {rationale.problem_id} has none",
                hint=f"give verdicts made from these rationales, or remove {verdicts.path} to make them again",
            )
        yield problem, rationale, verdict


def grade_all(
    grader: Grader,
    task: Task,
    problems: Artifact,
    rationales: Artifact,
    workers: int = 0,
    votes: Artifact | None = None,
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Every rationale of an artifact with its problem and verdict, in file order.

    Verdicts that this grader gave while the text was being written (early.py) are taken as they are. ``votes`` is what
    a model was asked before, for a grader that counts them.
    """
    if votes is not None:
        for problem, rationale, verdict in _voted(grader, joined(problems, rationales), votes):
            yield problem, rationale, with_wrong_steps(task, problem, rationale, verdict)
        return
    at = cache_file(rationales.path.parent, rationales.key, grader)
    with VerdictCache(at) if grader.isolated else nullcontext() as known:
        rows = judged(grader, joined(problems, rationales), workers, known)
        for problem, rationale, verdict in with_merged_classes(grader, rows, workers):
            yield problem, rationale, with_wrong_steps(task, problem, rationale, verdict)


def _voted(
    grader: Any, items: Iterable[tuple[Problem, Rationale]], votes: Artifact
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """The verdict that the votes give on each rationale; both are in the same order."""
    by_text = groupby(votes.read(Rationale), key=lambda vote: vote.problem_id)
    for problem, rationale in items:
        id, texts = next(by_text, ("", iter(())))
        if id != f"{rationale.problem_id}/{rationale.sample}":
            raise StarError(
                f"the votes {votes.key} are not about these rationales: {rationale.problem_id}/{rationale.sample} has "
                "none",
                hint=f"remove {votes.path} to ask the judge again",
            )
        yield problem, rationale, grader.decided(problem, rationale, [vote.text for vote in texts])


def with_wrong_steps(task: Task, problem: Problem, rationale: Rationale, verdict: Verdict) -> Verdict:
    """The verdict with the number of wrong steps, where the task knows the true ones."""
    steps = task.wrong_steps(problem, rationale.text)
    return verdict if steps is None else msgspec.structs.replace(verdict, wrong_steps=steps)


def judged(
    grader: Grader, items: Iterable[tuple[Problem, Rationale]], workers: int = 0, known: VerdictCache | None = None
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Every item with its verdict, in order: in this process, or in workers where judging can hang."""
    if grader.isolated:
        yield from graded(grader, items, workers, known=known or (lambda problem, rationale: None))
        return
    with ticking():
        for problem, rationale in items:
            yield problem, rationale, judge(grader, problem, rationale)


@dataclass(kw_only=True)
class Golds(Behind):
    """Judges problems instead of texts: whether ``grader`` can use what is known of them (Grader.gold_fault)."""

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        lost = next(
            (i for i in problem.images if Path(i).is_absolute() and not Path(i).is_file()), None
        )  # others: the task
        fault = f"the picture {lost} does not exist" if lost else self.grader.gold_fault(problem)
        reason = "MATCH" if fault is None else "GRADER_ERROR"
        return Verdict(problem_id=problem.id, sample=0, correct=fault is None, answer=fault, reason=reason)


_checked: set[tuple[str, str]] = set()  # (problems, grader) that this process has looked through


def check_golds(
    grader: Grader, problems: Artifact, limit: float, warn: Callable[[str], None], workers: int = 0
) -> None:
    """List the problems whose known answer, tests or pictures are no use to the grader, before anything is generated.

    Raises StarError where their share is above ``limit``.
    """
    mark = (problems.key, key(grader))
    if mark in _checked:
        return
    faults = total = 0
    first: list[str] = []
    for problem, _, verdict in judged(
        Golds(grader=grader), ((p, unwritten(p)) for p in problems.read(Problem)), workers
    ):
        total += 1
        if not verdict.correct:
            faults += 1
            if len(first) < SHOWN:
                first.append(f"\n  {problem.id}: {verdict.answer}")
    more = f"\n  and {faults - len(first):,} more" if faults > len(first) else ""
    count = f"{faults:,} of {total:,} problems ({faults / max(1, total):.1%}) cannot be graded"
    listed = "".join(first) + more
    if total and faults / total > limit:
        raise StarError(
            f"{count}, more than filter.max_gold_errors={limit:g}:{listed}",
            hint="mend the data, choose a grader that reads it, or raise filter.max_gold_errors",
        )
    if faults:
        warn(f"{count}; whatever is written for them counts as an error of the grader:{listed}")
    _checked.add(mark)


class Errors:
    """The verdicts that a grader could not give: how many, and the first few with what it said.

    ``unread`` counts the texts that were too long to be judged.
    """

    def __init__(self) -> None:
        self.count = self.total = self.unread = 0
        self.first: list[str] = []

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.total += 1
        self.unread += (verdict.answer or "").startswith(UNREAD)
        if verdict.reason == "GRADER_ERROR":
            self.count += 1
            if len(self.first) < 3:
                self.first.append(f"{verdict.problem_id} sample {verdict.sample}: {verdict.answer}")

    def refuse(self, limit: float) -> None:
        """Raise where their share is above ``limit``."""
        if self.total and self.count / self.total > limit:
            listed = "".join(f"\n  {line}" for line in self.first)
            raise StarError(
                f"the grader failed on {self.count} of {self.total} rationales ({self.count / self.total:.1%}), more "
                f"than filter.max_errors={limit:g}:{listed}",
                hint="look at them with star grade, mend the data or the grader, or raise filter.max_errors",
            )
