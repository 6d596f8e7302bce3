"""visual_qa: multiple-choice questions about pictures, in files like those of M3CoT, ScienceQA and MathVision.

{"id": "7", "question": "How many sides has it?", "options": ["3", "4"], "answer": "B", "image": "images/7.jpg"}

Data: JSON lines, JSON, CSV or parquet with ``task.path``. The answer is a letter, an option's number from 0 (an int) or
an option's text; the picture's path is relative to the data file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field, replace
from itertools import islice
from typing import Any, ClassVar

from star_cli.core.keys import stable
from star_cli.core.parts import RUNTIME
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib import images
from star_cli.tasks.base.attachments import content_with_files, relative_paths
from star_cli.tasks.base.datafiles import content_of
from star_cli.tasks.base.dataset import DatasetTask
from star_cli.tasks.base.lessons import lesson
from star_cli.tasks.base.multiple_choice import LETTERS, letter_of
from star_cli.tasks.base.visual import VisualTask

MARK = re.compile(r"\s*<image\s*\d*>\s*")  # where a data set marks the picture's place in the text


@register("task", "visual_qa", version=2)
class VisualQA(VisualTask, DatasetTask):
    """``question``, ``options``, ``answer``, ``image``, ``id`` and ``rationale`` name the fields; the value of
    ``image`` is a path or a list of paths. ``groups_by`` names fields that accuracy is broken down by.

    ``content`` is the hash of the data and of every picture it names. ``bad_images`` says what happens to a problem
    whose picture is missing, damaged, no picture or above ``max_pixels``: refuse (an error) or skip (left out and
    counted). ``bad_answers`` says it of a question without options or an answer among them.
    """

    question: str = "question"
    options: str = "options"
    answer: str = "answer"
    image: str = "image"
    id: str = "id"
    rationale: str = "solution"
    groups_by: list[str] = field(default_factory=list)
    bad_images: str = "refuse"
    bad_answers: str = "refuse"
    max_pixels: int = images.PIXELS
    lessons: dict[str, int] = field(metadata=RUNTIME, default_factory=lambda: {"answer": 512})
    max_tokens: ClassVar[int] = 512

    def __post_init__(self) -> None:
        self._left_out: dict[str, dict[str, int]] = {}  # by split and reason how many problems

    def check(self) -> None:
        for name in ("bad_images", "bad_answers"):
            need(
                getattr(self, name) in ("refuse", "skip"),
                f"task.{name} must be refuse or skip, got {getattr(self, name)!r}",
            )
        need(self.max_pixels >= 1, f"task.max_pixels must be >= 1, got {self.max_pixels}")
        need(
            self.path is not None,
            "task=visual_qa does not know its data",
            "give it with task.path=FILE; pictures lie beside it",
        )
        super().check()

    def local_content(self) -> str:
        return content_with_files(self.local_path, content_of(self.local_path), self.image, images.digest)

    def id_field(self) -> str:
        return self.id

    def fields(self) -> dict[str, type]:
        return dict.fromkeys((self.question, self.options, self.answer, self.image), object)

    def problems(self, split: str) -> Iterator[Problem]:
        left_out = self._left_out[split] = {"bad_picture": 0, "bad_answer": 0}
        for problem in super().problems(split):
            fault = problem.meta.pop("fault", None)
            if fault:
                left_out[fault] += 1
            else:
                yield problem

    def left_out(self, split: str) -> dict[str, int]:
        return dict(self._left_out.get(split, {}))

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        names = relative_paths(row[self.image], "picture", where)
        fault = self._fault(names, where)
        choices = row[self.options]
        letter = letter_of(row[self.answer], choices)
        if letter is None:
            if self.bad_answers == "refuse":
                raise StarError(
                    f"{where}: the answer {str(row[self.answer])[:60]!r} is none of the options {str(choices)[:120]}",
                    hint="expected a letter, a number from 0 or an option's text among 2 to "
                    "10 options; task.bad_answers=skip leaves such questions out and counts them",
                )
            fault = fault or "bad_answer"
        question = MARK.sub("\n", str(row[self.question])).strip()
        meta = {name: stable(row[name], f"{where}: {name!r}") for name in self.groups_by if name in row}
        if isinstance(row.get(self.rationale), str) and row[self.rationale].strip():
            meta["gold"] = row[self.rationale].strip()
        return Problem(
            id=id,
            question=question,
            answer=letter or "",
            choices=[str(c) for c in choices] if letter else None,
            images=names,
            meta={**meta, **({"fault": fault} if fault else {})},
        )

    def _fault(self, names: list[str], where: str) -> str | None:
        try:
            for name in names:
                images.check(self.picture(name), self.max_pixels)
        except StarError as e:
            if self.bad_images == "refuse":
                raise StarError(f"{where}: {e.what}", hint=e.hint) from None
            return "bad_picture"
        return None

    def gold(self, problem: Problem) -> str | None:
        solution = problem.meta.get("gold")
        if not solution or self.asks != "no_caption":
            return None
        return f"{self.tag('REASONING')}: {solution}\n{self.answer_only(problem)}"

    def groups(self, problem: Problem) -> dict[str, str]:
        return {name: str(problem.meta[name]) for name in self.groups_by if name in problem.meta}

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        """``answer`` lessons are the first training questions with the letter alone, in the form that asks for it.

        ``full`` lessons have all headings, around an empty caption and a reasoning that is the right option.
        """
        for name, count in lessons.items():
            need(
                name in ("answer", "full"),
                f"unknown lesson {name!r} of task=visual_qa, expected answer or full",
                "full teaches the three headings around an empty caption and reasoning",
            )
            task = replace(self, asks=name)
            for p in islice(self.problems("train"), count):
                completion = self.answer_only(p)
                if name == "full":
                    option = (p.choices or [])[LETTERS.index(p.answer)]
                    completion = f"{self.tag('CAPTION')}: a picture\n{self.tag('REASONING')}: {option}\n{completion}"
                yield lesson(name, p.id, task.training_prompt(p), completion, p.images)
