"""Tasks whose answers are SQL: the prompt with its schema, the gold query as a hint, exact-set match as a second
measure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from star_cli.core.keys import key
from star_cli.core.parts import RUNTIME, Prompt, Task
from star_cli.core.records import Problem
from star_cli.errors import StarError, need
from star_cli.lib.sql.forms import exact_match
from star_cli.lib.sql.text import sql_of
from star_cli.tasks.base.dataset import Shot, parse_shots, read_shots

INSTRUCTION = (
    "Write one SQLite query that answers the question. Think step by step first, then give the query in one "
    "```sql block."
)


@dataclass(kw_only=True)
class Querying(Task):
    """``shots`` is "default", "none" or a file of ``Q:``/``A:`` blocks; ``form=chat`` asks in a sentence without them.

    A problem's ``meta`` holds ``schema`` (the text of it), ``database`` (where its instances lie), ``hardness``
    (Spider's level of the gold query), ``links`` (its foreign keys) and ``flags`` (what the gold leaves undetermined).
    """

    shots: str = field(default="default", metadata=RUNTIME)
    shots_content: str | None = None
    form: str = "few-shot"
    prompt_file: ClassVar[str] = ""
    stop: ClassVar[tuple[str, ...]] = ("\nQ:", "\n\nQ:")

    def check(self) -> None:
        need(self.form in ("few-shot", "chat"), f"task.form must be few-shot or chat, got {self.form!r}")
        found = key(self.shots_text())
        need(
            self.shots_content in (None, found), f"task.shots_content={self.shots_content}, but {self.shots} is {found}"
        )
        self.shots_content = found

    def shots_text(self) -> str:
        """The text of the few-shot file; empty where there is none."""
        return read_shots(self.shots, self.form, self.prompt_file)

    def examples(self) -> list[Shot]:
        """The few-shot examples."""
        found = parse_shots(self.shots_text())
        if not found and self.shots not in ("default", "none") and self.form != "chat":
            raise StarError(
                f"task.shots={self.shots} holds no example",
                hint="a block is 'Q: ' with schema and question, and, on a line below, 'A: ' with the SQL fenced",
            )
        return found

    def ask(self, problem: Problem) -> str:
        """The schema, a line a table, and the question below it."""
        return f"{problem.meta['schema']}\n{problem.question}"

    def show(self, asked: str, sql: str) -> str:
        """The question with the gold query shown."""
        return f"{asked}\n(SQL: {sql})"

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        asked = self.show(self.ask(problem), " ".join(problem.answer.splitlines())) if hint else self.ask(problem)
        if self.form == "chat":
            return Prompt(f"{INSTRUCTION}\n\n{asked}")
        blocks = [
            f"Q: {self.show(s.question, ' '.join((sql_of(s.answer)[0] or '').splitlines())) if hint else s.question}\n"
            f"A: {s.answer}"
            for s in self.examples()
        ]
        return Prompt("\n\n".join([*blocks, f"Q: {asked}\nA:"]))

    def training_prompt(self, problem: Problem) -> str:
        return self.prompt(problem).text if self.form == "chat" else f"Q: {self.ask(problem)}\nA:"

    def answer_only(self, problem: Problem) -> str:
        return f" ```sql\n{problem.answer}\n```"

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"hardness": str(problem.meta["hardness"])}

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """Exact-set match (Spider's EM, without values), where the gold can be parsed."""
        links = [(str(a), str(b)) for a, b in problem.meta.get("links", [])]
        found = exact_match(problem.answer, sql_of(text)[0] or "", links)
        return {} if found is None else {"exact_set_match": float(found)}


def grader_of(databases: str | None = None) -> dict[str, Any]:
    """The grader of a task with SQL."""
    return {"name": "sql"} | ({"databases": databases} if databases else {})
