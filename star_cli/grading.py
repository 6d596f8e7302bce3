"""Problems and rationales joined in one pass and judged, in order."""

from __future__ import annotations

from typing import Iterator

import msgspec

from star_cli.errors import StarError
from star_cli.parts import Grader, Task
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
                    hint="give the problems artifact that the rationales were generated from")
        yield problem, rationale


def grade_all(grader: Grader, task: Task, problems: Artifact,
              rationales: Artifact) -> Iterator[tuple[Problem, Rationale, Verdict]]:
    """Every rationale of an artifact with its problem and verdict, in file order."""
    for problem, rationale in joined(problems, rationales):
        verdict = grader.grade(problem, rationale)
        steps = task.wrong_steps(problem, rationale.text)
        if steps is not None:
            verdict = msgspec.structs.replace(verdict, wrong_steps=steps)
        yield problem, rationale, verdict
