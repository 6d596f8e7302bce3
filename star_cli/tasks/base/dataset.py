"""Tasks whose problems come from a data set: a local file, or a pinned commit of one on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core import registry
from star_cli.core.parts import RUNTIME, Task
from star_cli.core.records import Example, Problem
from star_cli.errors import StarError, need
from star_cli.tasks.base.attachments import folder_of
from star_cli.tasks.base.datafiles import content_of, held_out, hub_rows, rows, split_note
from star_cli.tasks.base.few_shot import FewShotTask
from star_cli.tasks.base.formats import Row
from star_cli.tasks.base.lessons import solved_lessons

LESSON = 700  # characters of the longest lesson of a tiny model


@dataclass(kw_only=True)
class DatasetTask(Task):
    """``path`` is a file or directory in the data set's own format; without it the hub's commit ``revision`` is read.

    ``content`` is filled in with the hash of the files at ``path`` (give it to be sure of them), ``revision`` with the
    commit that this task was written for. A subclass says how a row becomes a Problem.
    """

    path: str | None = field(default=None, metadata=RUNTIME)
    revision: str | None = None
    content: str | None = None

    hub: ClassVar[str] = ""
    hub_config: ClassVar[str | None] = None
    hub_revision: ClassVar[str | None] = None  # the commit that is read unless another one is asked for
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "test": "test"}
    required: ClassVar[dict[str, type]] = {}

    # ---- what a task says -----------------------------------------------------------------------------------------
    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        """The problem of one row, which has the ``fields`` with their types. Raises StarError that names ``where``."""
        raise NotImplementedError

    def fields(self) -> dict[str, type]:
        """The fields that a row must have, and their types."""
        return self.required

    def id_field(self) -> str:
        """The field with the id of a row."""
        return "id"

    def source(self) -> tuple[str, str | None]:
        """The name of the data set on the hub, and its configuration."""
        return self.hub, self.hub_config

    def local_content(self) -> str:
        """What addresses the files at ``path``."""
        return content_of(self.local_path)

    # ---- what all of them share -----------------------------------------------------------------------------------
    @property
    def local_path(self) -> Path:
        """``path`` as a Path."""
        return Path(self.path or "").expanduser()

    @property
    def folder(self) -> Path:
        """The directory that files named in rows are relative to."""
        return folder_of(self.local_path)

    def picture(self, name: str) -> str:
        return str(self.folder / name)

    def check(self) -> None:
        if self.path is not None:
            self._check_path()
        else:
            self._check_revision()
        super().check()

    def _check_path(self) -> None:
        need(bool(str(self.path).strip()), "task.path is empty", "give a file or a directory")
        need(
            self.revision is None,
            f"task.revision={self.revision} has no effect: the data is read from task.path={self.path}",
            "leave one of them out",
        )
        content = self.local_content()
        need(
            self.content in (None, content),
            f"task.content={self.content}, but the data at {self.path} is {content}",
            "a file is another one or was changed; leave task.content out to take it as it is",
        )
        self.content = content

    def _check_revision(self) -> None:
        hub = self.source()[0]
        if self.revision is None and hub == self.hub:
            self.revision = self.hub_revision
        need(
            bool(self.revision and hub),
            f"task={registry.name_of(self)} does not know its data",
            f"give a local copy with task.path=FILE, or a pinned commit of {hub or 'task.dataset'} on the hub with "
            f"task.revision=<40 hex digits>; git ls-remote https://huggingface.co/datasets/{hub or 'OWNER/NAME'} HEAD "
            "prints it",
        )
        need(
            bool(re.fullmatch(r"[0-9a-f]{40}", self.revision or "")),
            f"task.revision={self.revision} is no commit; branches and tags move",
            f"give its 40 hex digits: git ls-remote https://huggingface.co/datasets/{hub} {self.revision}",
        )
        need(
            self.content is None,
            f"task.content={self.content} has no effect: without task.path the data is addressed by its commit",
            "leave it out",
        )

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        places: dict[str, str] = {}
        for number, (where, row) in enumerate(self.rows(split)):
            id = self._id(row, f"{split}-{number}", where)
            if id in places:
                raise StarError(
                    f"{where}: the id {id!r} occurs twice, first at {places[id]}",
                    hint="every problem needs an id of its own; remove the repeated row",
                )
            places[id] = where
            self._check_fields(row, where)
            yield self.problem(row, id, where)

    def _id(self, row: dict[str, Any], default: str, where: str) -> str:
        value = row.get(self.id_field())
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
            raise StarError(
                f"{where}: the id ({self.id_field()}) is {str(value)[:40]!r}, expected a text or a number",
                hint="give every row an id of its own, or none any",
            )
        return str(value)

    def _check_fields(self, row: dict[str, Any], where: str) -> None:
        for name, kind in self.fields().items():
            if name not in row:
                near = get_close_matches(name, row, n=1)
                guess = f". Did you mean {near[0]!r}?" if near else ""
                raise StarError(
                    f"{where}: no field {name!r}; it has {', '.join(row) or 'no fields'}{guess}",
                    hint=self.expectation(),
                )
            if not isinstance(row[name], kind):
                raise StarError(
                    f"{where}: {name!r} is a {type(row[name]).__name__}, expected {kind.__name__}",
                    hint=self.expectation(),
                )

    def expectation(self) -> str:
        """What fields a row must have, as a sentence."""
        fields = ", ".join(
            name if kind is object else f"{name} ({kind.__name__})" for name, kind in self.fields().items()
        )
        return f"task={registry.name_of(self)} expects {fields}"

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, from the file or from the hub."""
        if self.path is not None:
            return rows(self.local_path, split)
        self.check()
        return self._hub_rows(split)

    def _hub_rows(self, split: str) -> Iterator[Row]:
        dev_from_train = "dev" not in self.hub_splits
        name = self.hub_splits.get("train" if split == "dev" and dev_from_train else split)
        if name is None:
            raise StarError(
                f"{self.source()[0]} has no {split} split, only {', '.join(self.hub_splits)}",
                hint=f"evaluation.split={next(iter(self.hub_splits))}, or task.path=FILE with data of your own",
            )
        for number, (where, row) in enumerate(hub_rows(*self.source(), str(self.revision), name)):
            row.setdefault("id", f"{name}-{number}")
            is_dev = dev_from_train and name == "train" and held_out(str(row["id"]))
            if name != "train" or is_dev == (split == "dev"):
                yield where, row

    def split_note(self, split: str) -> str | None:
        if self.path is not None:
            return split_note(self.local_path, split)
        if split == "dev" and "dev" not in self.hub_splits:
            return f"{self.source()[0]} has no dev split: a tenth of its training rows is held out as dev, by a hash"
        return None


@dataclass(kw_only=True)
class FewShotDatasetTask(FewShotTask, DatasetTask):
    """A data set whose questions are asked in text.

    ``lessons`` are what a tiny base model is pretrained on: solutions of the training split ("gold") or bare answers
    ("answer"), with the answer shown in the prompt ("/hinted") or not; none is longer than 700 characters.
    """

    lessons: dict[str, int] = field(metadata=RUNTIME, default_factory=lambda: {"gold": 256, "answer/hinted": 768})

    def gold(self, problem: Problem) -> str | None:
        rationale = problem.meta.get("gold")
        return f" {rationale}" if rationale else None

    def answer_only(self, problem: Problem) -> str:
        return f" #### {problem.answer}"

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        def write(problem: Problem, kind: str, hinted: bool) -> tuple[str, str]:
            rationale = self.gold(problem) if kind == "gold" else None
            return self.bare_prompt(problem, hinted), rationale or self.answer_only(problem)

        return solved_lessons(list(self.problems("train")), lessons, seed, ("gold", "answer"), write, LESSON)
