"""mbpp: short Python functions with three tests each (Austin et al. 2021, arXiv 2108.07732).

{"task_id": 1, "text": "Write a function to double a number.",
 "code": "def twice(x):\\n    return 2 * x", "test_setup_code": "",
 "test_list": ["assert twice(2) == 4", "assert twice(0) == 0", "assert twice(-1) == -2"],
 "challenge_test_list": []}

Data: google-research-datasets/mbpp on the hub, or its JSON lines with ``task.path``. A prompt shows the first test, as
the signature; the hint shows all of them, never the solution.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import StarError
from star_cli.lib.python_source import parse
from star_cli.tasks.base.dataset import FewShotDatasetTask

MUST_PASS = "It must pass:"


@register("task", "mbpp", version=3)
class MBPP(FewShotDatasetTask):
    """``shown_tests`` is how many tests an unhinted prompt shows (published figures show all three)."""

    shown_tests: int = 1
    hub: ClassVar[str] = "google-research-datasets/mbpp"
    hub_revision: ClassVar[str | None] = "4bb6404fdc6cacfda99d4ac4205087b89d32030c"
    hub_config: ClassVar[str | None] = "full"
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "dev": "validation", "test": "test"}
    required: ClassVar[dict[str, type]] = {"text": str, "code": str, "test_list": list}
    prompt_file: ClassVar[str] = "mbpp.txt"
    instruction: ClassVar[str] = "Explain briefly, then give the whole program in one ```python block."
    grader: ClassVar[dict[str, Any]] = {"name": "code"}
    max_tokens: ClassVar[int] = 512

    def id_field(self) -> str:
        return "id" if self.path else "task_id"

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        setup = str(row.get("test_setup_code") or "")
        tests = [t for t in (setup, *row["test_list"], *(row.get("challenge_test_list") or [])) if t.strip()]
        if not row["test_list"]:
            raise StarError(
                f"{where}: test_list is empty, so nothing can be graded", hint="add tests, or remove this row"
            )
        official = [t for t in (setup, *row["test_list"]) if t.strip()]
        code = row["code"].replace("\r\n", "\n")
        try:
            names = provided(code, tests)
        except SyntaxError as e:
            raise StarError(
                f"{where}: the solution or its tests are no Python: {e.msg}", hint="mend or remove this row"
            ) from None
        return Problem(
            id=id,
            question=row["text"].strip(),
            answer="\n".join(t.strip() for t in row["test_list"]),
            meta={
                "tests": tests,
                **({"official_tests": official} if official != tests else {}),
                "names": names,
                "shown": [t.strip() for t in row["test_list"][: self.shown_tests]],
                "gold": f"```python\n{code.strip()}\n```",
            },
        )

    def question_text(self, problem: Problem) -> str:
        tests = "\n".join(problem.meta["shown"])
        return f"{problem.question}\n{MUST_PASS}\n{tests}" if tests else problem.question

    def with_answer(self, question: str, answer: str) -> str:
        """The question with the tests ``answer`` in place of those it has."""
        return f"{question.partition(f'{chr(10)}{MUST_PASS}')[0]}\n{MUST_PASS}\n{answer}" if answer else question

    def final_answer(self, shot: str) -> str:
        return ""  # the question of a few-shot example shows its test anyway

    def answer_only(self, problem: Problem) -> str:
        return f" {problem.meta['gold']}"


def provided(code: str, tests: list[str]) -> list[str]:
    """The names that the tests use and the reference solution defines or imports: all that a program may bring.

    Raises SyntaxError where the code or a test is no Python.
    """
    defined: set[str] = set()
    for node in ast.walk(parse(code)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and not hasattr(builtins, node.id):
            defined.add(node.id)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).split(".")[0])
    used = {n.id for t in tests for n in ast.walk(parse(t)) if isinstance(n, ast.Name)}
    return sorted(used & defined)
