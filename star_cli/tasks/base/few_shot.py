"""Tasks that ask in text: worked examples and the question for a base model, one message for a chat model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import ClassVar

from star_cli.core.keys import CHANGED
from star_cli.core.parts import RUNTIME, Prompt, Task
from star_cli.core.records import Problem
from star_cli.core.settings import check_thinking
from star_cli.errors import StarError, need
from star_cli.tasks.base.templates import file_text, text_sha256
from star_cli.tasks.prompts import shipped

FORMS = ("few-shot", "few-shot-always", "chat")


@dataclass(frozen=True)
class Shot:
    """One few-shot example: a question, and its answer with the rationale."""

    question: str
    answer: str


@lru_cache(maxsize=16)
def parse_shots(text: str) -> list[Shot]:
    """The examples in a text of ``Q:`` and ``A:`` blocks; a block without ``A:`` is none."""
    return [
        Shot(question.strip(), answer.strip())
        for block in re.split(r"^Q:\s", text, flags=re.M)[1:]
        for question, mark, answer in [block.partition("\nA:")]
        if mark
    ]


@dataclass(kw_only=True)
class FewShotTask(Task):
    """A prompt is ``Q: ... A: ...`` blocks and the question, or with ``form=chat`` the question and an instruction.
    With ``form=few-shot-always`` the blocks stand in training prompts, too.

    ``shots`` is "default" (the examples that come with the task), "none", or a file of ``Q:`` and ``A:`` blocks; its
    text is part of the key as ``shots_content``, which is filled in (give it to be sure of the file).

    ``thinking`` is told to a chat template that knows such a switch: on or off (``enable_thinking`` of Qwen3, SmolLM3
    and others), or low, medium or high (``reasoning_effort`` of gpt-oss); auto tells it nothing.
    """

    shots: str = field(default="default", metadata=RUNTIME)
    shots_content: str | None = None
    form: str = "few-shot"
    thinking: str = field(default="auto", metadata={"identity": CHANGED})

    prompt_file: ClassVar[str] = ""  # the shipped examples
    instruction: ClassVar[str] = ""  # said to a chat model
    stop: ClassVar[tuple[str, ...]] = ("\nQ:", "\n\nQ:")

    # ---- what a task may say otherwise ----------------------------------------------------------------------------
    def question_text(self, problem: Problem) -> str:
        """The question as the model reads it, without any answer."""
        return problem.question

    def with_answer(self, question: str, answer: str) -> str:
        """The question with the bare final answer shown, as in STaR (section 3.3): ``... in May? (72)``."""
        return f"{question} ({answer})"

    def final_answer(self, shot: str) -> str:
        """The final answer within the answer of a few-shot example."""
        return shot.rpartition("####")[2].strip()

    def hint_text(self, problem: Problem) -> str:
        """The answer as a hint shows it."""
        return problem.answer

    def chat_message(self, question: str) -> str:
        """What a chat model is asked."""
        return f"{question}\n\n{self.instruction}".rstrip()

    def bare_prompt(self, problem: Problem, hint: bool = False) -> str:
        """The prompt without few-shot examples."""
        question = self.question_text(problem)
        if hint:
            question = self.with_answer(question, self.hint_text(problem))
        return self.chat_message(question) if self.form == "chat" else f"Q: {question}\nA:"

    # ---- what all of them share -----------------------------------------------------------------------------------
    def check(self) -> None:
        check_thinking(self.thinking)
        need(self.form in FORMS, f"task.form must be {', '.join(FORMS)}, got {self.form!r}")
        need(
            self.form != "chat" or self.shots in ("default", "none"),
            f"task.shots={self.shots} has no effect: with task.form=chat a prompt holds no examples",
            "leave one of them out",
        )
        content = text_sha256(self.shots_text)
        need(
            self.shots_content in (None, content),
            f"task.shots_content={self.shots_content}, but {self.shots} is {content}",
            "the file is another one or was changed; leave task.shots_content out to take it as it is",
        )
        self.shots_content = content
        self.examples()
        super().check()

    @cached_property
    def shots_text(self) -> str:
        """The text of the few-shot file, read once; empty where there is none."""
        if self.shots == "none" or self.form == "chat" or (self.shots == "default" and not self.prompt_file):
            return ""
        if self.shots == "default":
            return shipped(self.prompt_file)
        return file_text(self.shots, "task.shots", "give a text file of Q: and A: blocks, or default, or none")

    def examples(self) -> list[Shot]:
        """The few-shot examples. Raises StarError for a file without any."""
        shots = parse_shots(self.shots_text)
        if not shots and self.shots not in ("default", "none"):
            raise StarError(
                f"task.shots={self.shots} holds no example", hint="a block is 'Q: ...' and, on a line below, 'A: ...'"
            )
        return shots

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        blocks = []
        for shot in self.examples():
            question = self.with_answer(shot.question, self.final_answer(shot.answer)) if hint else shot.question
            blocks.append(f"Q: {question}\nA: {shot.answer}")
        return Prompt("\n\n".join([*blocks, self.bare_prompt(problem, hint)]))

    def without_shots(self) -> Task | None:
        if self.form == "chat":
            return None
        bare = replace(self, shots="none", shots_content=None)
        bare.check()
        return bare

    def with_shots_in_training(self) -> Task | None:
        return None if self.form == "chat" else replace(self, form="few-shot-always")

    def training_prompt(self, problem: Problem, hint: bool = False) -> str:
        return self.prompt(problem, hint).text if self.form == "few-shot-always" else self.bare_prompt(problem, hint)
