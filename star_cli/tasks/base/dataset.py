"""Tasks whose problems come from a data set: a local file or a pinned revision on the hub, with few-shot prompts as
files."""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core import registry
from star_cli.core.keys import seed_of
from star_cli.core.parts import RUNTIME, Prompt, Task
from star_cli.core.records import Example, Problem
from star_cli.errors import StarError, need
from star_cli.tasks.base.datafiles import Row, content_of, hub_rows, rows

LESSON = 700  # characters of the longest lesson of a tiny model


@dataclass(frozen=True)
class Shot:
    """One few-shot example: a question, and its answer with the rationale."""

    question: str
    answer: str


@cache
def shipped(name: str) -> str:
    """The text of a few-shot file of this package."""
    return resources.files("star_cli.tasks.prompts").joinpath(name).read_text(encoding="utf-8")


def read_shots(shots: str, form: str, prompt_file: str) -> str:
    """The text of the few-shot file that ``task.shots`` names: of ``default`` the shipped ``prompt_file``; empty for
    none.
    """
    if shots == "none" or form == "chat" or (shots == "default" and not prompt_file):
        return ""
    if shots == "default":
        return shipped(prompt_file)
    try:
        return Path(shots).expanduser().read_text(encoding="utf-8")
    except OSError as e:
        raise StarError(
            f"task.shots={shots} cannot be read: {e.strerror}",
            hint="give a text file of Q: and A: blocks, or default, or none",
        ) from None


@lru_cache(maxsize=16)
def parse_shots(text: str) -> list[Shot]:
    """The examples of a text of ``Q:`` and ``A:`` blocks."""
    return [
        Shot(q.strip(), a.strip())
        for block in re.split(r"^Q:\s", text, flags=re.M)[1:]
        for q, mark, a in [block.partition("\nA:")]
        if mark
    ]


@dataclass(kw_only=True)
class Sourced(Task):
    """``path`` is a file or directory in the data set's own format; without it the hub's ``revision`` (a commit) is
    read.

    ``content`` is filled in with the hash of the files at ``path`` (give it to be sure of them). ``shots`` is
    "default",
    "none" or a file of ``Q:``/``A:`` blocks; ``form=chat`` asks in a sentence, without few-shot examples, for chat
    models.
    ``lessons`` are what a tiny base model learns from: solutions of the training split, with the answer shown or not.
    """

    path: str | None = field(default=None, metadata=RUNTIME)
    revision: str | None = None
    content: str | None = None
    shots: str = field(default="default", metadata=RUNTIME)
    shots_content: str | None = None
    form: str = "few-shot"
    lessons: dict[str, int] = field(metadata=RUNTIME, default_factory=lambda: {"gold": 256, "answer/hinted": 768})

    hub: ClassVar[str] = ""
    hub_config: ClassVar[str | None] = None
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "test": "test"}
    wants: ClassVar[dict[str, type]] = {}
    prompt_file: ClassVar[str] = ""
    instruction: ClassVar[str] = ""
    stop: ClassVar[tuple[str, ...]] = ("\nQ:", "\n\nQ:")

    # ---- what a task says ------------------------------------------------------------------------
    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        """The problem of one row; its fields are there and of the right type."""
        raise NotImplementedError

    def ask(self, problem: Problem) -> str:
        """The question as the model reads it, without any answer."""
        return problem.question

    def show(self, question: str, final: str) -> str:
        """The question with the bare final answer shown, as STaR does: ``... in May? (72)``."""
        return f"{question} ({final})"

    def final_of(self, answer: str) -> str:
        """The final answer of a few-shot example."""
        return answer.rpartition("####")[2].strip()

    # ---- what all of them share ------------------------------------------------------------------
    def check(self) -> None:
        need(self.form in ("few-shot", "chat"), f"task.form must be few-shot or chat, got {self.form!r}")
        name = registry.name_of(self)
        if self.path is not None:
            found = content_of(Path(self.path).expanduser())
            need(
                self.content in (None, found),
                f"task.content={self.content}, but the data at {self.path} is {found}",
                "the file is another one or was changed; leave task.content out to take it as it is",
            )
            self.content = found
        else:
            need(
                bool(self.revision),
                f"task={name} does not know its data",
                "give a local copy with task.path=FILE, or a pinned commit of "
                f"{self.source()[0] or 'task.dataset'} on the hub with task.revision=<40 hex digits>",
            )
            need(
                bool(re.fullmatch(r"[0-9a-f]{40}", self.revision or "")),
                f"task.revision={self.revision} is no commit; branches and tags move",
                "give its 40 hex digits",
            )
        text = self.shots_text()
        found = hashlib.sha256(text.encode()).hexdigest()[:32]
        need(
            self.shots_content in (None, found), f"task.shots_content={self.shots_content}, but {self.shots} is {found}"
        )
        self.shots_content = found

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        seen: dict[str, str] = {}
        for number, (where, row) in enumerate(self.rows(split)):
            told = row.get(self.id_field(), None)
            name = f"{split}-{number}" if told is None else str(told)
            if name in seen:
                raise StarError(
                    f"{where}: the id {name!r} occurs twice, first at {seen[name]}",
                    hint="every problem needs an id of its own; remove the repeated row",
                )
            seen[name] = where
            for wanted, kind in self.fields().items():
                if wanted not in row:
                    raise StarError(
                        f"{where}: no field {wanted!r}; it has {', '.join(row) or 'no fields'}",
                        hint=f"task={registry.name_of(self)} expects {self.expected()}",
                    )
                if not isinstance(row[wanted], kind):
                    raise StarError(
                        f"{where}: {wanted!r} is a {type(row[wanted]).__name__}, expected {kind.__name__}",
                        hint=f"task={registry.name_of(self)} expects {self.expected()}",
                    )
            yield self.problem(row, name, where)

    def expected(self) -> str:
        """The fields of a row, for messages."""
        return ", ".join(f"{name} ({kind.__name__})" for name, kind in self.fields().items())

    def fields(self) -> dict[str, type]:
        """The fields a row must have, and their types."""
        return self.wants

    def source(self) -> tuple[str, str | None]:
        """The name of the data set on the hub, and its configuration."""
        return self.hub, self.hub_config

    def id_field(self) -> str:
        return "id"

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, from the file or from the hub."""
        if self.path is not None:
            return rows(Path(self.path).expanduser(), split)
        self.check()
        return self._from_hub(split)

    def _from_hub(self, split: str) -> Iterator[Row]:
        carved = split == "dev" and "dev" not in self.hub_splits
        told = self.hub_splits.get("train" if carved else split)
        need(told is not None, f"{self.source()[0]} has no {split} split, only {', '.join(self.hub_splits)}")
        for number, (where, row) in enumerate(hub_rows(*self.source(), str(self.revision), str(told))):
            row.setdefault("id", f"{told}-{number}")
            kept = "dev" not in self.hub_splits and told == "train" and seed_of("split", row["id"]) % 10 == 0
            if told != "train" or kept == (split == "dev"):
                yield where, row

    def shots_text(self) -> str:
        """The text of the few-shot file; empty where there is none."""
        return read_shots(self.shots, self.form, self.prompt_file)

    def examples(self) -> list[Shot]:
        """The few-shot examples."""
        found = parse_shots(self.shots_text())
        if not found and self.shots not in ("default", "none") and self.form != "chat":
            raise StarError(
                f"task.shots={self.shots} holds no example", hint="a block is 'Q: ...' and, on a line below, 'A: ...'"
            )
        return found

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        asked = self.show(self.ask(problem), problem.answer) if hint else self.ask(problem)
        if self.form == "chat":
            return Prompt(f"{asked}\n\n{self.instruction}".rstrip())
        blocks = [
            f"Q: {self.show(s.question, self.final_of(s.answer)) if hint else s.question}\nA: {s.answer}"
            for s in self.examples()
        ]
        return Prompt("\n\n".join([*blocks, f"Q: {asked}\nA:"]))

    def training_prompt(self, problem: Problem) -> str:
        return self.prompt(problem).text if self.form == "chat" else f"Q: {self.ask(problem)}\nA:"

    def gold(self, problem: Problem) -> str | None:
        told = problem.meta.get("gold")
        return f" {told}" if told else None

    def answer_only(self, problem: Problem) -> str:
        return f" #### {problem.answer}"

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        everything = list(self.problems("train"))
        for name, count in lessons.items():
            kind, _, form = name.partition("/")
            need(
                kind in ("gold", "answer") and form in ("", "hinted"),
                f"unknown lesson {name!r}, expected gold, answer, gold/hinted or answer/hinted",
            )
            chosen = heapq.nsmallest(count, everything, key=lambda p: seed_of("lesson", seed, name, p.id))
            for p in chosen:
                asked = self.show(self.ask(p), p.answer) if form else self.ask(p)
                prompt = f"Q: {asked}\nA:" if self.form != "chat" else self.prompt(p, bool(form)).text
                completion = (self.gold(p) if kind == "gold" else None) or self.answer_only(p)
                if len(prompt) + len(completion) <= LESSON:
                    yield Example(
                        problem_id=f"lesson/{name}/{p.id}",
                        sample=0,
                        prompt=prompt,
                        completion=completion,
                        origin="gold",
                    )
