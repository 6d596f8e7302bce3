"""gsm8k: grade-school word problems (Cobbe et al. 2021, arXiv 2110.14168), asked as in STaR.

{"id": "pens", "question": "Ana buys 3 pens at $2 each. How much does she pay?",
 "answer": "3 * 2 = <<3*2=6>>6\\n#### 6"}

Data: openai/gsm8k on the hub, or JSON lines like these with ``task.path``. It has no dev split: a tenth of the training
rows is held out as dev, by a hash.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.tasks.base.dataset import FewShotDatasetTask


@register("task", "gsm8k", version=3)
class GSM8K(FewShotDatasetTask):
    """The known answer is what stands after ``####``.

    ``annotations`` says whether the gold rationale keeps its ``<<48/2=24>>`` calculator marks: keep, strip, or auto
    (strip, unless the method learns from them, as RFT does).
    """

    annotations: str = "auto"

    hub: ClassVar[str] = "openai/gsm8k"
    hub_revision: ClassVar[str | None] = "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"
    hub_config: ClassVar[str | None] = "main"
    required: ClassVar[dict[str, type]] = {"question": str, "answer": str}
    prompt_file: ClassVar[str] = "gsm8k.txt"
    instruction: ClassVar[str] = "Think step by step, then give the answer on a last line as: #### <number>"
    grader: ClassVar[dict[str, Any]] = {"name": "numeric"}
    max_tokens: ClassVar[int] = 320

    def check(self) -> None:
        need(
            self.annotations in ("auto", "keep", "strip"),
            f"task.annotations must be keep, strip or auto, got {self.annotations!r}",
        )
        if self.annotations == "auto":
            self.annotations = "strip"
        super().check()

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        solution, mark, answer = row["answer"].rpartition("####")
        if not mark or not answer.strip():
            raise StarError(
                f"{where}: the answer has no '####' before its number: {row['answer'][-40:]!r}",
                hint="end it like GSM8K's, '...\\n#### 72', or use task=jsonl grader=numeric for bare answers",
            )
        rationale = (solution if self.annotations == "keep" else re.sub(r"<<[^<>]*>>", "", solution)).strip()
        return Problem(
            id=id,
            question=row["question"].strip(),
            answer=answer.strip(),
            meta={"gold": f"{rationale}\n#### {answer.strip()}"} if rationale else {},
        )
