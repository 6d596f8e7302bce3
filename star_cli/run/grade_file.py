"""Grading text from anywhere: JSON lines in, JSON lines out, in order, streaming."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale
from star_cli.errors import StarError
from star_cli.run.labels import Labels, label_of
from star_cli.stages.grading.judge import judged
from star_cli.stages.grading.pool import UNREAD

EXPECTED = (
    "id, gold, prediction and, where the grader needs them, choices, question, database, tests, finish, sample, label"
)
LISTED = 1000  # disagreements that are kept


@dataclass
class Summary:
    """What came of grading a file: counts by reason and, where there are labels, how they agree with the verdicts.

    ``accepted`` lists results that are right to the grader and wrong by their label, ``refused`` the opposite; the
    first LISTED of each. ``unread`` texts were too long. ``unused`` counts labels of samples that were not in the file.
    """

    reasons: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    labelled: int = 0
    unused: int = 0
    false_accepts: int = 0
    false_refusals: int = 0
    accepted: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    @property
    def graded(self) -> int:
        """How many texts were graded."""
        return sum(self.reasons.values())

    @property
    def agreement(self) -> float | None:
        """Share of the labelled texts on which grader and label agree; None without labels."""
        return 1 - (self.false_accepts + self.false_refusals) / self.labelled if self.labelled else None

    def add(self, result: dict[str, Any]) -> None:
        """Count one result of ``grade_lines``."""
        self.reasons[result["reason"]] += 1
        self.unread += (result["answer"] or "").startswith(UNREAD)
        if "label" not in result:
            return
        self.labelled += 1
        if result["correct"] and not result["label"]:
            self.false_accepts += 1
            self.accepted += [result][: LISTED - len(self.accepted)]
        elif result["label"] and not result["correct"]:
            self.false_refusals += 1
            self.refused += [result][: LISTED - len(self.refused)]

    def as_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        counts = {"graded": self.graded, "reasons": dict(self.reasons.most_common()), "unread": self.unread}
        if not self.labelled and not self.unused:
            return counts
        return {
            **counts,
            "labelled": self.labelled,
            "unused_labels": self.unused,
            "agreement": self.agreement,
            "false_accepts": self.false_accepts,
            "false_refusals": self.false_refusals,
            "accepted": self.accepted,
            "refused": self.refused,
        }


def grade_lines(
    grader: Grader,
    lines: Iterable[bytes],
    name: str,
    workers: int = 0,
    labels: Labels | None = None,
    summary: Summary | None = None,
) -> Iterator[dict[str, Any]]:
    """{"id", "correct", "answer", "reason"} for every line, with its label where there is one.

    ``labels`` win over a line's own field ``label``; ``summary`` counts. Lines without an id get their number.
    """
    used = 0
    for problem, rationale, verdict in judged(grader, _items(lines, name), workers):
        label = problem.meta.pop("label", None)
        if labels is not None and (problem.id, rationale.sample) in labels:
            label = labels[problem.id, rationale.sample]
            used += 1
        result: dict[str, Any] = {
            "id": problem.meta.pop("id in the file"),
            "correct": verdict.correct,
            "answer": verdict.answer,
            "reason": verdict.reason,
        }
        if "sample" in problem.meta:
            result["sample"] = rationale.sample
        if label is not None:
            result["label"] = label
        if summary is not None:
            summary.add(result)
        yield result
    if summary is not None and labels is not None:
        summary.unused = len(labels) - used


def _items(lines: Iterable[bytes], name: str) -> Iterator[tuple[Problem, Rationale]]:
    seen: set[int] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        row = _row(line, where)
        id, sample = row.get("id", number), row.get("sample", 0)
        if not isinstance(sample, int):
            raise StarError(f"{where}: the sample is {str(sample)[:60]!r}, expected a whole number")
        mark = hash((str(id), sample))
        if mark in seen:
            raise StarError(
                f"{where}: the id {id!r} occurs twice", hint="give every line its own id, or a field 'sample'"
            )
        seen.add(mark)
        yield _item(row, id, sample, where)


def _row(line: bytes, where: str) -> dict[str, Any]:
    """One line as an object with a gold and a prediction. Raises StarError for anything else."""
    try:
        row = json.loads(line)
    except ValueError as e:
        raise StarError(
            f"{where}: not valid JSON: {e}", hint=f"expected one JSON object a line with {EXPECTED}"
        ) from None
    if not isinstance(row, dict):
        raise StarError(f"{where}: a {type(row).__name__}, not a JSON object", hint=f"expected {EXPECTED}")
    for required in ("gold", "prediction"):
        if required not in row:
            raise StarError(
                f"{where}: no field {required!r}; it has {', '.join(row) or 'no fields'}", hint=f"expected {EXPECTED}"
            )
    if not isinstance(row["prediction"], str):
        raise StarError(f"{where}: the prediction is a {type(row['prediction']).__name__}, expected text")
    choices = row.get("choices")
    if choices is not None and not (isinstance(choices, list) and all(isinstance(c, str) for c in choices)):
        raise StarError(f"{where}: choices is {str(choices)[:60]}, expected a list of texts")
    return row


def _item(row: dict[str, Any], id: Any, sample: int, where: str) -> tuple[Problem, Rationale]:
    taken = ("id", "gold", "prediction", "choices", "question", "finish", "label")
    meta = {name: value for name, value in row.items() if name not in taken}
    if row.get("label") is not None:
        meta["label"] = label_of(row["label"], where)
    problem = Problem(
        id=str(id),
        question=str(row.get("question", "")),
        answer=row["gold"] if isinstance(row["gold"], str) else json.dumps(row["gold"]),
        choices=row.get("choices"),
        meta={**meta, "id in the file": id},
    )
    rationale = Rationale(
        problem_id=str(id),
        sample=sample,
        text=row["prediction"],
        hinted=False,
        finish=str(row.get("finish", "stop")),
        tokens=0,
        logprob=None,
        seed=0,
        prompt_key="",
    )
    return problem, rationale
