"""arc: science questions for school pupils with three to five choices (Clark et al. 2018, arXiv 1803.05457).

{"id": "x1", "question": "What melts first?", "choices": {"text": ["ice", "iron", "rock"], "label": ["1", "2", "3"]},
 "answerKey": "1"}

Data: allenai/ai2_arc on the hub (task.subset names Challenge or Easy), or its JSON lines. Labels may be letters or
numbers; the model is always shown (a), (b), ...
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.tasks.base.multiple_choice import Choosing


@register("task", "arc")
class ARC(Choosing):
    """``subset`` is ARC-Challenge or ARC-Easy on the hub; a local file is taken as it is."""

    subset: str = "ARC-Challenge"
    hub: ClassVar[str] = "allenai/ai2_arc"
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "dev": "validation", "test": "test"}
    wants: ClassVar[dict[str, type]] = {"question": str, "choices": object, "answerKey": str}
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
        made = super().problem(row, id, where)
        if row.get("difficulty"):
            made.meta["difficulty"] = str(row["difficulty"])
        return made

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"difficulty": problem.meta["difficulty"]} if "difficulty" in problem.meta else {}
