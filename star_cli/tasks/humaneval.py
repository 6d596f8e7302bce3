"""humaneval: Python functions to complete from signature and docstring (Chen et al. 2021, arXiv 2107.03374).

{"task_id": "x/1", "prompt": "def twice(x):\\n    '''Twice x.'''\\n", "entry_point": "twice", "canonical_solution":
 "    return 2 * x\\n", "test": "def check(candidate):\\n    assert candidate(2) == 4\\n"}

Data: openai/openai_humaneval on the hub, or its JSON lines. It is a test set: there is nothing to train on unless a
file holds a train split of the same format. The hint shows the tests in a comment, never the solution.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.parts import Prompt
from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.tasks.base.dataset import Sourced


@register("task", "humaneval")
class HumanEval(Sourced):
    """A base model continues the text; with ``form=chat`` it is asked for the whole function."""

    hub: ClassVar[str] = "openai/openai_humaneval"
    hub_config: ClassVar[str | None] = "openai_humaneval"
    hub_splits: ClassVar[dict[str, str]] = {"test": "test"}
    wants: ClassVar[dict[str, type]] = {"prompt": str, "entry_point": str, "canonical_solution": str, "test": str}
    instruction: ClassVar[str] = "Complete this function. Give the whole program in one ```python block."
    grader: ClassVar[dict[str, Any]] = {"name": "code"}
    max_tokens: ClassVar[int] = 512
    stop: ClassVar[tuple[str, ...]] = ("\ndef ", "\nclass ", "\nif __name__", "\nprint(", "\n#", "\nassert ")

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

    def show(self, question: str, final: str) -> str:
        body = re.sub(r"^\s*(?:METADATA = \{.*?^\}|def check.*?)\s*$", "", final, flags=re.S | re.M)
        told = "\n".join(f"# {line}".rstrip() for line in body.strip().splitlines() if line.strip())
        return f"# These tests must pass:\n{told}\n\n{question}"

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        asked = self.show(problem.question, problem.answer) if hint else problem.question
        return Prompt(f"{self.instruction}\n\n```python\n{asked.rstrip()}\n```" if self.form == "chat" else asked)

    def training_prompt(self, problem: Problem) -> str:
        return self.prompt(problem).text

    def gold(self, problem: Problem) -> str | None:
        text = problem.meta["gold"]
        return f"```python\n{problem.question}{text}```" if self.form == "chat" else str(text)

    def answer_only(self, problem: Problem) -> str:
        return self.gold(problem) or ""
