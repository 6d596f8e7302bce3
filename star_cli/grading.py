"""Problems and rationales joined in one pass and judged, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from star_cli.errors import StarError
from star_cli.parts import Grader, Task
from star_cli.pool import graded, judge
from star_cli.records import Problem, Rationale, Verdict
from star_cli.store import Artifact


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


def grade_all(
    grader: Grader, task: Task, problems: Artifact, rationales: Artifact, workers: int = 0
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Every rationale of an artifact with its problem and verdict, in file order."""
    for problem, rationale, verdict in judged(grader, joined(problems, rationales), workers):
        steps = task.wrong_steps(problem, rationale.text)
        if steps is not None:
            verdict = msgspec.structs.replace(verdict, wrong_steps=steps)
        yield problem, rationale, verdict


def judged(
    grader: Grader, items: Iterable[tuple[Problem, Rationale]], workers: int = 0
) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Every item with its verdict, in order: in this process, or in workers where judging can hang."""
    if grader.isolated:
        yield from graded(grader, items, workers)
        return
    for problem, rationale in items:
        yield problem, rationale, judge(grader, problem, rationale)


class Errors:
    """The verdicts that a grader could not give: how many, and the first few with what it said."""

    def __init__(self) -> None:
        self.count = self.total = 0
        self.first: list[str] = []

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.total += 1
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
