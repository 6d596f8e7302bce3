"""visual_qa: multiple-choice questions about pictures, in files like those of M3CoT, ScienceQA and MathVision.

{"id": "7", "question": "How many sides has it?", "options": ["3", "4"], "answer": "B", "image": "images/7.jpg"}

The answer is a letter, an option's number from 0 (an int) or an option's text; the picture's path is relative to the
data file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.parts import RUNTIME
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib import images
from star_cli.tasks.base.datafiles import files, read
from star_cli.tasks.base.dataset import Sourced
from star_cli.tasks.base.visual import LETTERS, Seeing

MARK = re.compile(r"\s*<image\s*\d*>\s*")  # where a data set marks the picture's place in the text
LIMIT = 16


@register("task", "visual_qa")
class VisualQA(Seeing, Sourced):
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
    stop: ClassVar[tuple[str, ...]] = ()

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
        told, self.content = self.content, None
        super().check()
        self.content = pictured(str(self.base()), str(self.content), self.image, tuple(self._files()))
        need(
            told in (None, self.content),
            f"task.content={told}, but the data and its pictures are {self.content}",
            "the data or a picture is another one or was changed; leave task.content out to take them as they are",
        )

    def base(self) -> Path:
        """The directory that pictures are relative to."""
        path = Path(self.path or ".").expanduser().resolve()
        return path if path.is_dir() else path.parent

    def _files(self) -> list[str]:
        return [str(p) for p in files(Path(self.path or ".").expanduser())]

    def picture(self, name: str) -> str:
        return str(self.base() / name)

    def id_field(self) -> str:
        return self.id

    def fields(self) -> dict[str, type]:
        return dict.fromkeys((self.question, self.options, self.answer, self.image), object)

    def problems(self, split: str) -> Iterator[Problem]:
        lost: dict[str, int] = {"bad_picture": 0, "bad_answer": 0}
        self.__dict__.setdefault("_lost", {})[split] = lost
        for problem in Sourced.problems(self, split):
            fault = problem.meta.pop("fault", None)
            if fault:
                lost[fault] += 1
            else:
                yield problem

    def left_out(self, split: str) -> dict[str, int]:
        return dict(self.__dict__.get("_lost", {}).get(split, {}))

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        names = named(row[self.image], where)
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
        meta = {name: row[name] for name in self.groups_by if name in row}
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
        told = problem.meta.get("gold")
        return (
            f"{self.tag('REASONING')}: {told}\n{self.answer_only(problem)}"
            if told and self.asks == "no_caption"
            else None
        )

    def groups(self, problem: Problem) -> dict[str, str]:
        return {name: str(problem.meta[name]) for name in self.groups_by if name in problem.meta}

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        """``answer`` lessons: the first training questions with the letter alone, in the form that asks for it."""
        from dataclasses import replace
        from itertools import islice

        for name, count in lessons.items():
            need(
                name in ("answer", "full"),
                f"unknown lesson {name!r} of task=visual_qa, expected answer or full",
                "full teaches the three headings around an empty caption and reasoning",
            )
            form = replace(self, asks=name)
            for p in islice(self.problems("train"), count):
                told = self.answer_only(p)
                if name == "full":
                    said = (p.choices or [])[LETTERS.index(p.answer)]
                    told = f"{self.tag('CAPTION')}: a picture\n{self.tag('REASONING')}: {said}\n{told}"
                yield Example(
                    problem_id=f"lesson/{name}/{p.id}",
                    sample=0,
                    prompt=form.training_prompt(p),
                    completion=told,
                    origin="gold",
                    images=p.images,
                )


def named(value: Any, where: str) -> list[str]:
    """The paths a field gives, relative ones only: a picture of a data set lies with it."""
    told = [value] if isinstance(value, str) else value if isinstance(value, list) else None
    if not told or len(told) > LIMIT or not all(isinstance(x, str) and x.strip() for x in told):
        raise StarError(
            f"{where}: the picture is {str(value)[:80]!r}, expected a path or a list of 1 to {LIMIT} paths",
            hint="save embedded pictures as files and name them relative to the data file",
        )
    for name in told:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise StarError(
                f"{where}: the picture {name} does not lie below the data file's directory",
                hint="name pictures relative to the data file, without ..",
            )
    return told


def letter_of(answer: Any, options: Any) -> str | None:
    """The letter of the right option; None where there are not 2 to 10 options or the answer is none of them."""
    if not isinstance(options, list) or not 2 <= len(options) <= 10:
        return None
    if isinstance(answer, int) and not isinstance(answer, bool):
        return LETTERS[answer] if 0 <= answer < len(options) else None
    told = str(answer).strip()
    bare = told.strip("().").upper()
    if len(bare) == 1 and bare in LETTERS[: len(options)]:
        return bare
    same = [i for i, o in enumerate(options) if str(o).strip().casefold() == told.casefold()]
    return LETTERS[same[0]] if len(same) == 1 else None


def pictured(base: str, content: str, field: str, paths: tuple[str, ...]) -> str:
    """What addresses data and pictures together; a picture that cannot be read counts as such, by its name."""
    marks = []
    for path in paths:
        marks.append((path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns))
    names = _names(field, tuple(marks))
    digests = hashlib.sha256(content.encode())
    for name in names:
        try:
            digests.update(f"{name} {images.digest(Path(base) / name)}\n".encode())
        except StarError:
            digests.update(f"{name} -\n".encode())
    return digests.hexdigest()[:32]


@lru_cache(maxsize=8)
def _names(field: str, marks: tuple[tuple[str, int, int], ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, _, _ in marks:
        for _, row in read(Path(path)):
            value = row.get(field)
            told = value if isinstance(value, list) else [value]
            found.update(dict.fromkeys(x for x in told if isinstance(x, str)))
    return tuple(found)
