"""Multiple choice: lettered options in a prompt, the letter of a known answer, and tasks in CommonsenseQA's manner."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.errors import StarError
from star_cli.tasks.base.dataset import FewShotDatasetTask

LETTERS = "ABCDEFGHIJ"  # of the options, in order; a question has at most ten


def option_lines(options: Sequence[str], line: str = "({letter}) {text}") -> str:
    """The options with their letters, a line each: ``(a) shed``. ``line`` is how one is written."""
    return "\n".join(
        line.replace("{letter}", letter.lower()).replace("{text}", text)
        for letter, text in zip(LETTERS, options, strict=False)
    )


def letter_of(answer: Any, options: Any) -> str | None:
    """The letter of the right option; None where there are not 2 to 10 options or the answer is none of them.

    ``answer`` is a letter, with or without parentheses, the number of an option from 0, or the text of one.
    """
    if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
        return None
    if isinstance(answer, int) and not isinstance(answer, bool):
        return LETTERS[answer] if 0 <= answer < len(options) else None
    text = str(answer).strip()
    bare = text.strip("().").upper()
    if len(bare) == 1 and bare in LETTERS[: len(options)]:
        return bare
    equal = [i for i, option in enumerate(options) if str(option).strip().casefold() == text.casefold()]
    return LETTERS[equal[0]] if len(equal) == 1 else None


@dataclass(kw_only=True)
class MultipleChoiceTask(FewShotDatasetTask):
    """A task with options, asked as STaR asks CommonsenseQA; the hint marks the right line with (CORRECT)."""

    grader: ClassVar[dict[str, Any]] = {"name": "choice"}
    max_tokens: ClassVar[int] = 160
    instruction: ClassVar[str] = "Think step by step, then end with: Therefore, the answer is <choice> (<letter>)."

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        question, labels, options = options_of(row, where)
        label = str(row["answerKey"])
        if label not in labels:
            reason = (
                f"is none of {', '.join(labels)}" if label else "is empty: the answers of this split are not public"
            )
            raise StarError(f"{where}: answerKey {label!r} {reason}", hint="use another split, or mend this row")
        return Problem(id=id, question=question, answer=LETTERS[labels.index(label)], choices=options)

    def question_text(self, problem: Problem) -> str:
        return f"{problem.question}\nAnswer Choices:\n{option_lines(problem.choices or [])}"

    def with_answer(self, question: str, answer: str) -> str:
        """The question with (CORRECT) behind the option of the letter ``answer``, and behind no other."""
        unmarked = re.sub(r" \(CORRECT\)$", "", question, flags=re.M)
        right_line = rf"^\({re.escape(answer.lower())}\) .*$"
        return re.sub(right_line, lambda line: f"{line.group()} (CORRECT)", unmarked, count=1, flags=re.M)

    def final_answer(self, shot: str) -> str:
        letters = re.findall(r"\(([a-j])\)", shot)
        if not letters:
            raise StarError(
                f"a few-shot answer names no choice: {shot[-60:]!r}", hint="end it like: the answer is blotter (e)."
            )
        return str(letters[-1])

    def answer_only(self, problem: Problem) -> str:
        option = (problem.choices or [])[LETTERS.index(problem.answer)]
        return f" The answer is {option} ({problem.answer.lower()})."


def options_of(row: dict[str, Any], where: str) -> tuple[str, list[str], list[str]]:
    """(question, labels, texts) of a row in the layout of CommonsenseQA's files, or in that of ARC and the hub.

    Raises StarError that names the place, ``where``, for any other layout and unless there are 2 to 10 options.
    """
    try:
        question = row["question"]
        stem, choices = (
            (question["stem"], question["choices"]) if isinstance(question, dict) else (question, row["choices"])
        )
        if isinstance(choices, dict):
            labels, texts = list(choices["label"]), list(choices["text"])
        else:
            labels, texts = [c["label"] for c in choices], [c["text"] for c in choices]
    except (KeyError, TypeError) as e:
        raise StarError(
            f"{where}: no question with choices ({type(e).__name__}: {e}); it has {', '.join(row)}",
            hint="expected question {stem, choices: [{label, text}]}, or question and choices {label: [], text: []}",
        ) from None
    if not 2 <= len(labels) == len(texts) <= len(LETTERS):
        raise StarError(f"{where}: {len(labels)} labels and {len(texts)} texts of choices; expected 2 to 10 of each")
    return str(stem), [str(x) for x in labels], [str(x) for x in texts]
