"""jsonl: problems of your own: a file or directory of JSON lines, JSON, CSV or parquet, or a set on the hub; streaming.

{"question": "What is 2 + 2?", "answer": "4"}

    star run task=jsonl task.path=my.jsonl task.question=prompt task.answer=target grader=numeric
    star run task=jsonl task.path=my.jsonl task.choices=options grader=choice 'task.groups_by=[level]'
    star run task=jsonl task.path=my.jsonl task.template=@prompt.txt 'task.keep=[context]' grader=math
    star run task=jsonl task.dataset=owner/name task.revision=<commit> grader=exact

A file that is named after a split (train.jsonl, dev.jsonl, test.jsonl) belongs to it; else a field ``split`` of each
row decides; else a hash of the row, 8:1:1, and the command says so. An ``id`` is optional.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.keys import stable
from star_cli.core.parts import Prompt
from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib import images
from star_cli.lib.sql.execute import BadDatabase
from star_cli.lib.sql.files import address_of_files
from star_cli.tasks.base.attachments import content_with_files, relative_paths
from star_cli.tasks.base.datafiles import content_of
from star_cli.tasks.base.dataset import FewShotDatasetTask
from star_cli.tasks.base.multiple_choice import LETTERS, option_lines
from star_cli.tasks.base.templates import fill, places, template_text

TEMPLATE = "Q: {question}\nA:"
# settings that name a field which a row must have
SETTINGS = ("question", "answer", "choices", "images", "database", "rationale")


@register("task", "jsonl", version=2)
class Jsonl(FewShotDatasetTask):
    r"""``question``, ``answer``, ``choices``, ``images``, ``database``, ``rationale`` and ``id`` name a row's fields.

    ``keep`` names more that a grader needs, ``groups_by`` those that accuracy is broken down by. Pictures and SQLite
    databases are named by paths relative to the data; their content is part of ``content``.

    ``template`` is the prompt: {question}, {choices} (lettered lines) and any other field of the row are filled in, a
    typed \n is a line break, and @FILE means the text of a file. The few-shot examples of ``shots=FILE`` stand before
    it. ``hint`` is what shows the bare {answer}, behind the question. With ``form=chat`` the prompt is the bare
    question unless there is a template. The grader is chosen with ``grader=``.
    """

    dataset: str = ""
    config: str | None = None
    question: str = "question"
    answer: str = "answer"
    choices: str | None = None
    images: str | None = None
    database: str | None = None
    rationale: str | None = None
    id: str = "id"
    keep: list[str] = field(default_factory=list)
    groups_by: list[str] = field(default_factory=list)
    template: str = TEMPLATE
    hint: str = " ({answer})"

    max_tokens: ClassVar[int] = 512

    def check(self) -> None:
        self.template = template_text(self.template, "task.template")
        self.hint = template_text(self.hint, "task.hint")
        need("{question}" in self.template, f"task.template={self.template!r} has no {{question}}")
        need("{answer}" in self.hint, f"task.hint={self.hint!r} has no {{answer}}")
        for name in ("answer", self.answer):
            need(
                name == "question" or name not in places(self.template),
                f"task.template shows the answer: it holds {{{name}}}",
                "the answer belongs into task.hint",
            )
        for setting in ("images", "database"):
            need(
                not getattr(self, setting) or self.path is not None,
                f"task.{setting}={getattr(self, setting)} names files beside the data, so it needs task.path",
                "save the data and its files, and give task.path=FILE",
            )
        need(
            bool(self.choices) or "choices" not in places(self.template),
            "task.template holds {choices}, but task.choices names no field",
            "name it with task.choices=FIELD",
        )
        for name, setting in (("database", "database"), ("gold", "rationale")):
            need(
                name not in (*self.keep, *self.groups_by, *places(self.template)),
                f"the field {name!r} cannot be kept as it is: graders and methods read a {setting} there",
                f"give task.{setting}={name}, or call the field otherwise",
            )
        super().check()

    def source(self) -> tuple[str, str | None]:
        return self.dataset, self.config

    def id_field(self) -> str:
        return self.id

    def fields(self) -> dict[str, type]:
        own = [getattr(self, setting) for setting in SETTINGS]
        return {name: object for name in (*own, *self.keep, *self.groups_by) if name}

    def expectation(self) -> str:
        named = ", ".join(f"task.{name}={getattr(self, name)}" for name in SETTINGS if getattr(self, name))
        return f"say what the fields are called; now {named}" + "".join(
            f", task.{name}=[{','.join(getattr(self, name))}]" for name in ("keep", "groups_by") if getattr(self, name)
        )

    def local_content(self) -> str:
        content = content_of(self.local_path)
        if self.images:
            content = content_with_files(self.local_path, content, self.images, images.digest)
        if self.database:
            content = content_with_files(self.local_path, content, self.database, database_address)
        return content

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        question = text_of(row[self.question], self.question, where)
        in_template = [name for name in places(self.template) if name in row and name not in ("question", "choices")]
        kept = [*self.keep, *self.groups_by, *in_template]
        meta = {name: stable(row[name], f"{where}: {name!r}") for name in kept}
        if self.rationale and row[self.rationale]:
            meta["gold"] = text_of(row[self.rationale], self.rationale, where).strip()
        if self.database:
            paths = relative_paths(row[self.database], "database", where)
            need(len(paths) == 1, f"{where}: it names {len(paths)} databases", "put them into one folder and name that")
            meta["database"] = database_address(self.folder / paths[0], where)
        return Problem(
            id=id,
            question=question,
            answer=answer_of(row[self.answer], self.answer, where),
            choices=self._options(row, where),
            images=self._pictures(row, where),
            meta=meta,
        )

    def _options(self, row: dict[str, Any], where: str) -> list[str] | None:
        """The options of a row, as a list of texts or in ARC's layout {"text": [...], "label": [...]}."""
        if not self.choices:
            return None
        options = row[self.choices]
        if isinstance(options, dict) and "text" in options:
            options = options["text"]
        if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
            raise StarError(
                f"{where}: the choices ({self.choices}) are {str(options)[:60]!r}, expected a list of 2 to "
                f"{len(LETTERS)} texts",
                hint="mend or remove this row",
            )
        return [str(option) for option in options]

    def _pictures(self, row: dict[str, Any], where: str) -> list[str]:
        if not self.images or row[self.images] in (None, "", []):
            return []
        names = relative_paths(row[self.images], "picture", where)
        try:
            for name in names:
                images.check(self.picture(name))
        except StarError as e:
            raise StarError(f"{where}: {e.what}", hint="replace the file, or remove this row") from None
        return names

    def groups(self, problem: Problem) -> dict[str, str]:
        return {name: str(problem.meta[name]) for name in self.groups_by}

    def question_text(self, problem: Problem) -> str:
        if problem.choices and "{choices}" not in self.template:
            return f"{problem.question}\nAnswer Choices:\n{option_lines(problem.choices)}"
        return problem.question

    def with_answer(self, question: str, answer: str) -> str:
        return question + fill(self.hint, {"answer": answer})

    def final_answer(self, shot: str) -> str:
        return shot.strip().splitlines()[-1].rpartition("####")[2].strip()

    def bare_prompt(self, problem: Problem, hint: bool = False) -> str:
        template = "{question}" if self.form == "chat" and self.template == TEMPLATE else self.template
        question = self.question_text(problem)
        values = {name: str(value) for name, value in problem.meta.items()}
        values["choices"] = option_lines(problem.choices or [])
        values["question"] = self.with_answer(question, problem.answer) if hint else question
        return fill(template, values)

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        text = super().prompt(problem, hint).text
        return Prompt(text, tuple(self.picture(name) for name in problem.images))

    def answer_only(self, problem: Problem) -> str:
        return f" {problem.answer}"


def text_of(value: Any, name: str, where: str) -> str:
    """The text in a field, for example the question: a text, or a conversation of one user message.

    Raises StarError for anything else, and for a conversation of several messages.
    """
    messages = value if isinstance(value, list) else []
    if messages and all(isinstance(message, dict) and {"role", "content"} <= message.keys() for message in messages):
        roles = [str(message["role"]) for message in messages]
        if roles != ["user"]:
            raise StarError(
                f"{where}: the field {name!r} is a conversation of {len(roles)} messages ({', '.join(roles)}), "
                "expected a text or one user message",
                hint="put what the model shall read into one text",
            )
        value = messages[0]["content"]
    if not isinstance(value, str):
        raise StarError(
            f"{where}: the field {name!r} is {_kind(value)}, expected a text", hint="mend or remove this row"
        )
    if not value.strip():
        raise StarError(f"{where}: the field {name!r} is empty", hint="mend or remove this row")
    return value


def answer_of(value: Any, name: str, where: str) -> str:
    """The known answer in a field, a text or a number, as a text. Raises StarError for anything else."""
    if value is None or value != value or str(value).strip() == "":  # a missing number is unequal to itself
        raise StarError(f"{where}: the known answer ({name}) is empty", hint="mend or remove this row")
    if not isinstance(value, (str, int, float)):
        raise StarError(
            f"{where}: the known answer ({name}) is {_kind(value)}, expected one text or number",
            hint="name the field with the bare answer: task.answer=FIELD",
        )
    return str(value).strip()


def database_address(place: Path, where: str = "") -> str:
    """The address of a database, lib/sql/files.py. Raises StarError where there is none to be read."""
    try:
        return address_of_files(place)
    except BadDatabase as e:
        raise StarError(
            f"{where}: {e.why}", hint="name a SQLite file or a folder of them relative to the data file"
        ) from None


def _kind(value: Any) -> str:
    return f"a {type(value).__name__} ({str(value)[:60]})"
