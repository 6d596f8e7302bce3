"""arc: science questions for school pupils with three to five choices (Clark et al. 2018, arXiv 1803.05457).

{"id": "x1", "question": "What melts first?", "answerKey": "1",
 "choices": {"text": ["ice", "iron", "rock"], "label": ["1", "2", "3"]}}

Data: allenai/ai2_arc on the hub (``task.subset`` names Challenge or Easy), or its JSON lines with ``task.path``. Labels
may be letters or numbers; a prompt always has (a), (b), ...
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.tasks.base.multiple_choice import MultipleChoiceTask


@register("task", "arc", version=2)
class ARC(MultipleChoiceTask):
    """``subset`` is ARC-Challenge or ARC-Easy on the hub; a local file is read whole."""

    subset: str = "ARC-Challenge"
    hub: ClassVar[str] = "allenai/ai2_arc"
    hub_revision: ClassVar[str | None] = "210d026faf9955653af8916fad021475a3f00453"
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "dev": "validation", "test": "test"}
    required: ClassVar[dict[str, type]] = {"question": str, "choices": object, "answerKey": str}
    prompt_file: ClassVar[str] = "arc.txt"

    def check(self) -> None:
        need(
            self.subset in ("ARC-Challenge", "ARC-Easy"),
            f"task.subset must be ARC-Challenge or ARC-Easy, got {self.subset!r}",
        )
        super().check()

    def source(self) -> tuple[str, str | None]:
        return self.hub, self.subset

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        problem = super().problem(row, id, where)
        if row.get("difficulty"):
            problem.meta["difficulty"] = str(row["difficulty"])
        return problem

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"difficulty": problem.meta["difficulty"]} if "difficulty" in problem.meta else {}
