r"""math: competition problems with a boxed answer (Hendrycks et al. 2021, arXiv 2103.03874), or data in that format.

{"problem": "What is $1 + \\frac{1}{2}$?", "solution": "It is $\\boxed{\\frac{3}{2}}$.",
 "level": "Level 1", "type": "Prealgebra"}

Data: EleutherAI/hendrycks_math on the hub, one subject at a time (``task.config``), another hub set of that format with
``task.dataset`` and ``task.revision``, or JSON lines with ``task.path``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.text.answers import boxed, finals
from star_cli.tasks.base.dataset import FewShotDatasetTask

HUB = "EleutherAI/hendrycks_math"
SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


@register("task", "math", version=2)
class Math(FewShotDatasetTask):
    """The known answer is the last box of the solution, or the field ``answer`` where there is one."""

    dataset: str = HUB
    config: str | None = None
    hub: ClassVar[str] = HUB
    hub_revision: ClassVar[str | None] = "21a5633873b6a120296cce3e2df9d5550074f4a3"
    required: ClassVar[dict[str, type]] = {"problem": str, "solution": str}
    prompt_file: ClassVar[str] = "math.txt"
    instruction: ClassVar[str] = r"Think step by step, then give the final answer as \boxed{...}."
    grader: ClassVar[dict[str, Any]] = {"name": "math"}
    max_tokens: ClassVar[int] = 512

    def check(self) -> None:
        need(
            bool(self.path) or self.dataset != HUB or self.config in SUBJECTS,
            f"task.config must name a subject of {HUB}, got {self.config!r}",
            f"one of {', '.join(SUBJECTS)}; or give your own data with task.path=FILE",
        )
        super().check()

    def source(self) -> tuple[str, str | None]:
        return self.dataset, self.config

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        last = boxed(row["solution"])
        answer = str(row["answer"]) if row.get("answer") else last.text if last is not None else ""
        if not answer.strip():
            raise StarError(
                f"{where}: the solution has no \\boxed answer: {row['solution'][-60:]!r}",
                hint="box the final answer, or add a field 'answer'",
            )
        meta = {name: str(row[name]) for name in ("level", "type", "subject") if row.get(name)}
        return Problem(
            id=id,
            question=row["problem"].strip(),
            answer=answer.strip(),
            meta={**meta, "gold": row["solution"].strip()},
        )

    def final_answer(self, shot: str) -> str:
        return next((final.text for final in finals(shot)), shot)

    def answer_only(self, problem: Problem) -> str:
        return f" The answer is $\\boxed{{{problem.answer}}}$."

    def groups(self, problem: Problem) -> dict[str, str]:
        return {name: problem.meta[name] for name in ("level", "type") if name in problem.meta}
