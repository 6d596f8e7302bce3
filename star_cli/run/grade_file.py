"""Grading text from anywhere: JSON lines in, JSON lines out, in order, streaming."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale
from star_cli.errors import StarError
from star_cli.stages.grading.judge import judged

EXPECTED = "id, gold, prediction and, where the grader needs them, choices, question, database, tests, finish, sample"


def grade_lines(
    grader: Grader, lines: Iterable[bytes], name: str, workers: int = 0, tally: Counter[str] | None = None
) -> Iterator[dict[str, Any]]:
    """{"id", "correct", "answer", "reason"} for every line; ``tally`` counts the reasons. Lines without an id get
    their number."""
    for problem, rationale, verdict in judged(grader, _items(lines, name), workers):
        if tally is not None:
            tally[verdict.reason] += 1
        told: dict[str, Any] = {
            "id": problem.meta.pop("as given"),
            "correct": verdict.correct,
            "answer": verdict.answer,
            "reason": verdict.reason,
        }
        if "sample" in problem.meta:
            told["sample"] = rationale.sample
        yield told


def _items(lines: Iterable[bytes], name: str) -> Iterator[tuple[Problem, Rationale]]:
    seen: set[int] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            row = json.loads(line)
        except ValueError as e:
            raise StarError(
                f"{where}: not valid JSON: {e}", hint=f"expected one JSON object a line with {EXPECTED}"
            ) from None
        if not isinstance(row, dict):
            raise StarError(f"{where}: a {type(row).__name__}, not a JSON object", hint=f"expected {EXPECTED}")
        for wanted in ("gold", "prediction"):
            if wanted not in row:
                raise StarError(
                    f"{where}: no field {wanted!r}; it has {', '.join(row) or 'no fields'}", hint=f"expected {EXPECTED}"
                )
        if not isinstance(row["prediction"], str):
            raise StarError(f"{where}: the prediction is a {type(row['prediction']).__name__}, expected text")
        choices = row.get("choices")
        if choices is not None and not (isinstance(choices, list) and all(isinstance(c, str) for c in choices)):
            raise StarError(f"{where}: choices is {str(choices)[:60]}, expected a list of texts")
        given, sample = row.get("id", number), row.get("sample", 0)
        mark = hash((str(given), sample))
        if mark in seen:
            raise StarError(
                f"{where}: the id {given!r} occurs twice", hint="give every line its own id, or a field 'sample'"
            )
        seen.add(mark)
        rest = {k: v for k, v in row.items() if k not in ("id", "gold", "prediction", "choices", "question", "finish")}
        problem = Problem(
            id=str(given),
            question=str(row.get("question", "")),
            answer=_text(row["gold"]),
            choices=choices,
            meta={**rest, "as given": given},
        )
        yield (
            problem,
            Rationale(
                problem_id=str(given),
                sample=int(sample),
                text=row["prediction"],
                hinted=False,
                finish=str(row.get("finish", "stop")),
                tokens=0,
                logprob=None,
                seed=0,
                prompt_key="",
            ),
        )


def _text(gold: Any) -> str:
    return gold if isinstance(gold, str) else json.dumps(gold)
