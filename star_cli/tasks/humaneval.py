"""humaneval: Python functions to complete from signature and docstring (Chen et al. 2021, arXiv 2107.03374).

{"task_id": "x/1", "prompt": "def twice(x):\\n    '''Twice x.'''\\n", "entry_point": "twice",
 "canonical_solution": "    return 2 * x\\n", "test": "def check(candidate):\\n    assert candidate(2) == 4\\n"}

Data: openai/openai_humaneval on the hub, or its JSON lines with ``task.path``. It is a test set: there is nothing to
train on unless a file holds a train split of the same format. The hint shows the tests in a comment, and no solution.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.tasks.base.dataset import FewShotDatasetTask


@register("task", "humaneval", version=2)
class HumanEval(FewShotDatasetTask):
    """A base model continues the text; with ``form=chat`` it is asked for the whole function."""

    hub: ClassVar[str] = "openai/openai_humaneval"
    hub_revision: ClassVar[str | None] = "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544"
    hub_config: ClassVar[str | None] = "openai_humaneval"
    hub_splits: ClassVar[dict[str, str]] = {"test": "test"}
    required: ClassVar[dict[str, type]] = {"prompt": str, "entry_point": str, "canonical_solution": str, "test": str}
    instruction: ClassVar[str] = "Complete this function. Give the whole program in one ```python block."
    grader: ClassVar[dict[str, Any]] = {"name": "code"}
    max_tokens: ClassVar[int] = 512
    stop: ClassVar[tuple[str, ...]] = ("\ndef ", "\nclass ", "\nif __name__", "\nprint(", "\n#", "\nassert ")

    def check(self) -> None:
        need(
            self.shots in ("default", "none"),
            f"task.shots={self.shots} has no effect on task=humaneval: a model completes the function it is shown",
            "leave it out",
        )
        super().check()

    def id_field(self) -> str:
        return "id" if self.path else "task_id"

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        entry = row["entry_point"]
        return Problem(
            id=id,
            question=row["prompt"],
            answer=row["test"].strip(),
            meta={
                "tests": [row["test"], f"check({entry})"],
                "names": [entry],
                "given": row["prompt"] + "\n    pass\n",
                "prompt": row["prompt"],
                "gold": row["canonical_solution"],
            },
        )

    def with_answer(self, question: str, answer: str) -> str:
        """The function to complete, below the tests ``answer`` as comments."""
        body = re.sub(r"^\s*(?:METADATA = \{.*?^\}|def check.*?)\s*$", "", answer, flags=re.S | re.M)
        comments = "\n".join(f"# {line}".rstrip() for line in body.strip().splitlines() if line.strip())
        return f"# These tests must pass:\n{comments}\n\n{question}"

    def bare_prompt(self, problem: Problem, hint: bool = False) -> str:
        code = self.with_answer(problem.question, problem.answer) if hint else problem.question
        return f"{self.instruction}\n\n```python\n{code.rstrip()}\n```" if self.form == "chat" else code

    def gold(self, problem: Problem) -> str | None:
        body = str(problem.meta["gold"])
        return f"```python\n{problem.question}{body}```" if self.form == "chat" else body

    def answer_only(self, problem: Problem) -> str:
        return self.gold(problem) or ""
