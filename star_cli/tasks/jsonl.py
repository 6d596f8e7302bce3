"""jsonl: anybody's problems: a file or directory of JSON lines, JSON, CSV or parquet, or a set on the hub; streaming.

{"question": "What is 2 + 2?", "answer": "4"}

    star run task=jsonl task.path=my.jsonl task.question=prompt task.answer=target grader=numeric
    star run task=jsonl task.dataset=owner/name task.revision=<commit> task.choices=options grader=choice
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.parts import Prompt
from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.tasks.base.dataset import Sourced


@register("task", "jsonl")
class Jsonl(Sourced):
    """``question``, ``answer``, ``choices``, ``images`` and ``id`` name the fields; ``keep`` names more that graders
    need.

    ``template`` is the prompt: {question} and {choices} (lettered lines) are filled in, the few-shot examples of
    ``shots=FILE`` stand before it. ``hint`` is what shows the bare {answer}. The grader is chosen with ``grader=``.
    """

    dataset: str = ""
    config: str | None = None
    question: str = "question"
    answer: str = "answer"
    choices: str | None = None
    images: str | None = None
    id: str = "id"
    keep: list[str] = field(default_factory=list)
    template: str = "Q: {question}\nA:"
    hint: str = " ({answer})"

    max_tokens: ClassVar[int] = 512

    def check(self) -> None:
        need("{question}" in self.template, f"task.template={self.template!r} has no {{question}}")
        need("{answer}" in self.hint, f"task.hint={self.hint!r} has no {{answer}}")
        super().check()

    def source(self) -> tuple[str, str | None]:
        return self.dataset, self.config

    def id_field(self) -> str:
        return self.id

    def fields(self) -> dict[str, type]:
        named = [self.question, self.answer, self.choices, self.images, *self.keep]
        return {name: object for name in named if name}

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        choices = row[self.choices] if self.choices else None
        if isinstance(choices, dict) and "text" in choices:
            choices = choices["text"]
        if choices is not None and not (isinstance(choices, list) and choices):
            raise StarError(f"{where}: {self.choices!r} is {str(choices)[:60]!r}, expected a list of choices")
        if row[self.answer] is None or str(row[self.answer]).strip() == "":
            raise StarError(f"{where}: the known answer ({self.answer}) is empty", hint="mend or remove this row")
        return Problem(
            id=id,
            question=str(row[self.question]),
            answer=str(row[self.answer]).strip(),
            choices=[str(c) for c in choices] if choices is not None else None,
            images=self.pictures(row, where),
            meta={name: row[name] for name in self.keep},
        )

    def pictures(self, row: dict[str, Any], where: str) -> list[str]:
        """The pictures of a row, as paths that exist; a path may be relative to the data."""
        told = row[self.images] if self.images else []
        base = Path(self.path or ".").expanduser()
        base = base if base.is_dir() else base.parent
        found = [p if p.is_absolute() else base / p for p in map(Path, [told] if isinstance(told, str) else told or [])]
        for path in found:
            if not path.is_file():
                raise StarError(
                    f"{where}: the picture {path} does not exist", hint="paths are relative to the data file"
                )
        return [str(p.resolve()) for p in found]

    def ask(self, problem: Problem) -> str:
        lines = [f"({letter}) {text}" for letter, text in zip("abcdefghij", problem.choices or [], strict=False)]
        if lines and "{choices}" not in self.template:
            return "\n".join([problem.question, "Answer Choices:", *lines])
        return problem.question

    def show(self, question: str, final: str) -> str:
        return question + self.hint.replace("{answer}", final)

    def final_of(self, answer: str) -> str:
        return answer.strip().splitlines()[-1].rpartition("####")[2].strip()

    def filled(self, problem: Problem, asked: str) -> str:
        """The template with this problem in it."""
        lines = "\n".join(f"({x}) {t}" for x, t in zip("abcdefghij", problem.choices or [], strict=False))
        return self.template.replace("{choices}", lines).replace("{question}", asked)

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        asked = self.show(self.ask(problem), problem.answer) if hint else self.ask(problem)
        blocks = [
            f"Q: {self.show(s.question, self.final_of(s.answer)) if hint else s.question}\nA: {s.answer}"
            for s in self.examples()
        ]
        return Prompt("\n\n".join([*blocks, self.filled(problem, asked)]), tuple(problem.images))

    def training_prompt(self, problem: Problem) -> str:
        return self.filled(problem, self.ask(problem))

    def answer_only(self, problem: Problem) -> str:
        return f" {problem.answer}"
