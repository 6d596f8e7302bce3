"""Text-to-SQL: the prompt holds a database's schema and a question, the answer is a query, the hint the gold query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.lib.sql.forms import exact_match
from star_cli.lib.sql.text import sql_of
from star_cli.tasks.base.few_shot import FewShotTask


@dataclass(kw_only=True)
class TextToSQLTask(FewShotTask):
    """A task whose answers are SQL, graded by execution.

    A problem's ``meta`` holds ``schema`` (its text), ``database`` (its address, lib/sql/files.py), ``hardness``
    (Spider's level of the gold query), ``links`` (its foreign keys) and ``flags`` (what the gold leaves undetermined).
    """

    grader: ClassVar[dict[str, Any]] = {"name": "sql"}
    instruction: ClassVar[str] = (
        "Write one SQLite query that answers the question. Think step by step first, then give the query in one "
        "```sql block."
    )

    def question_text(self, problem: Problem) -> str:
        """The schema, a line for each table, and the question below it."""
        return f"{problem.meta['schema']}\n{problem.question}"

    def with_answer(self, question: str, answer: str) -> str:
        return f"{question}\n(SQL: {answer})"

    def final_answer(self, shot: str) -> str:
        return _one_line(sql_of(shot)[0] or "")

    def hint_text(self, problem: Problem) -> str:
        return _one_line(problem.answer)

    def chat_message(self, question: str) -> str:
        return f"{self.instruction}\n\n{question}"

    def answer_only(self, problem: Problem) -> str:
        return f" ```sql\n{problem.answer}\n```"

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"hardness": str(problem.meta["hardness"])}

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """Exact-set match (Spider's EM, without values), where the gold query can be parsed."""
        links = [(str(a), str(b)) for a, b in problem.meta.get("links", [])]
        match = exact_match(problem.answer, sql_of(text)[0] or "", links)
        return {} if match is None else {"exact_set_match": float(match)}


def _one_line(sql: str) -> str:
    return " ".join(sql.splitlines())
