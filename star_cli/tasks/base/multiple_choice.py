"""Tasks that offer options to choose from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.errors import StarError
from star_cli.tasks.base.dataset import Sourced


@dataclass(kw_only=True)
class Choosing(Sourced):
    """A task with answer choices, put as STaR puts CommonsenseQA; the hint marks the right line with (CORRECT)."""

    grader: ClassVar[dict[str, Any]] = {"name": "choice"}
    max_tokens: ClassVar[int] = 160
    instruction: ClassVar[str] = "Think step by step, then end with: Therefore, the answer is <choice> (<letter>)."

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        stem, labels, texts = options_of(row, where)
        told = str(row["answerKey"])
        if told not in labels:
            reason = (
                "is empty: the answers of this split are not public" if not told else f"is none of {', '.join(labels)}"
            )
            raise StarError(f"{where}: answerKey {told!r} {reason}", hint="use another split, or mend this row")
        return Problem(id=id, question=stem, answer="ABCDEFGHIJ"[labels.index(told)], choices=texts)

    def ask(self, problem: Problem) -> str:
        lines = [f"({letter}) {text}" for letter, text in zip("abcdefghij", problem.choices or [], strict=False)]
        return "\n".join([problem.question, "Answer Choices:", *lines])

    def show(self, question: str, final: str) -> str:
        clean = re.sub(r" \(CORRECT\)$", "", question, flags=re.M)
        return re.sub(
            rf"^\({re.escape(final.lower())}\) .*$", lambda m: f"{m.group()} (CORRECT)", clean, count=1, flags=re.M
        )

    def final_of(self, answer: str) -> str:
        letters = re.findall(r"\(([a-j])\)", answer)
        if not letters:
            raise StarError(
                f"a few-shot answer names no choice: {answer[-60:]!r}", hint="end it like: the answer is blotter (e)."
            )
        return str(letters[-1])

    def answer_only(self, problem: Problem) -> str:
        place = "ABCDEFGHIJ".index(problem.answer)
        return f" The answer is {(problem.choices or [])[place]} ({problem.answer.lower()})."


def options_of(row: dict[str, Any], where: str) -> tuple[str, list[str], list[str]]:
    """(question, labels, texts) of a row in the layout of CommonsenseQA's files, or in that of ARC and the hub."""
    try:
        asked = row["question"]
        stem, choices = (asked["stem"], asked["choices"]) if isinstance(asked, dict) else (asked, row["choices"])
        if isinstance(choices, dict):
            labels, texts = list(choices["label"]), list(choices["text"])
        else:
            labels, texts = [c["label"] for c in choices], [c["text"] for c in choices]
    except (KeyError, TypeError) as e:
        raise StarError(
            f"{where}: no question with choices ({type(e).__name__}: {e}); it has {', '.join(row)}",
            hint="expected question {stem, choices: [{label, text}]}, or question and choices {label: [], text: []}",
        ) from None
    if not 2 <= len(labels) == len(texts) <= 10:
        raise StarError(f"{where}: {len(labels)} labels and {len(texts)} texts of choices; expected 2 to 10 of each")
    return str(stem), [str(x) for x in labels], [str(x) for x in texts]
