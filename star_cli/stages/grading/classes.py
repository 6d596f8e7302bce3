"""Answer classes of a problem that are compared with each other, where a grader has no normal form for all answers."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import msgspec

from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.stages.grading.pool import graded, judge

NUMBER = re.compile(r"-?\d+(?:/\d+)?")
MERGED = 64  # different answers of a problem that are compared with each other
Judged = tuple[Problem, Rationale, Verdict]


def with_merged_classes(grader: Grader, rows: Iterable[Judged], workers: int = 0) -> Iterator[Judged]:
    """Verdicts of whole problems whose answer classes are made one where the grader finds the answers the same.

    Of the classes of a problem the first one that an answer equals is its class: numbers come before other formulas,
    then what was written first. More than MERGED different ones of a problem, or a comparison that takes too long, are
    left as they are.
    """
    if not grader.merges_classes:
        yield from rows
        return
    groups: deque[list[Judged]] = deque()

    def questions() -> Iterator[tuple[Problem, Rationale]]:
        for _, group in groupby(rows, key=lambda row: row[0].id):
            groups.append(list(group))
            problem = groups[-1][0][0]
            names = dict.fromkeys(v.answer_class for _, _, v in groups[-1] if v.answer_class is not None)
            yield problem, msgspec.structs.replace(unwritten(problem), text=json.dumps(list(names)))

    def alone(problem: Problem, rationale: Rationale) -> Verdict | None:
        trivial = not 1 < len(json.loads(rationale.text)) <= MERGED
        return Grader.verdict(rationale, "MATCH", answer="{}") if trivial else None

    merging = Merging(grader=grader)
    answers = (
        graded(merging, questions(), workers, known=alone)
        if grader.isolated
        else ((p, r, alone(p, r) or judge(merging, p, r)) for p, r in questions())
    )
    for _, _, verdict in answers:
        same = json.loads(verdict.answer or "{}") if verdict.correct else {}
        for problem, rationale, row in groups.popleft():
            name = same.get(row.answer_class, row.answer_class)
            yield problem, rationale, msgspec.structs.replace(row, answer_class=name)


@dataclass(kw_only=True)
class Behind(Grader):
    """Asks ``grader`` something else than for verdicts on texts, in the same process and under the same limits."""

    grader: Grader

    @property
    def isolated(self) -> bool:
        return self.grader.isolated

    @property
    def wall(self) -> float:
        return self.grader.wall


@dataclass(kw_only=True)
class Merging(Behind):
    """Judges the answer classes of a problem, a JSON list in place of a text: its verdict's answer says as a
    JSON object which class takes the place of which.
    """

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        names: list[str] = sorted(json.loads(rationale.text), key=lambda name: not NUMBER.fullmatch(name))
        first: list[str] = []
        same: dict[str, str] = {}
        for name in names:
            other = next((f for f in first if self.grader.same_answer(f, name)), None)
            if other is None:
                first.append(name)
            else:
                same[name] = other
        return self.verdict(rationale, "MATCH", answer=json.dumps(same))


def unwritten(problem: Problem) -> Rationale:
    """A rationale without a text, for judging a problem itself."""
    return Rationale(
        problem_id=problem.id,
        sample=0,
        text="",
        hinted=False,
        finish="stop",
        tokens=0,
        logprob=None,
        seed=0,
        prompt_key="",
    )
