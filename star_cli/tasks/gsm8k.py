"""gsm8k: grade-school word problems (Cobbe et al. 2021, arXiv 2110.14168), asked as in STaR.

{"id": "pens", "question": "Ana buys 3 pens at $2 each. How much does she pay?",
 "answer": "3 * 2 = <<3*2=6>>6\\n#### 6"}

Data: openai/gsm8k on the hub, or its JSON lines. It has no dev split: a tenth of train is kept back by hash.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.records import Problem
from star_cli.core.registry import register
from star_cli.errors import StarError
from star_cli.tasks.base.dataset import Sourced


@register("task", "gsm8k")
class GSM8K(Sourced):
    """The known answer is what stands after ``####``; the gold rationale comes without its ``<<calculator>>`` marks."""

    hub: ClassVar[str] = "openai/gsm8k"
    hub_config: ClassVar[str | None] = "main"
    wants: ClassVar[dict[str, type]] = {"question": str, "answer": str}
    prompt_file: ClassVar[str] = "gsm8k.txt"
    instruction: ClassVar[str] = "Think step by step, then give the answer on a last line as: #### <number>"
    grader: ClassVar[dict[str, Any]] = {"name": "numeric"}
    max_tokens: ClassVar[int] = 320

    def problem(self, row: dict[str, Any], id: str, where: str) -> Problem:
        solution, mark, answer = row["answer"].rpartition("####")
        if not mark or not answer.strip():
            raise StarError(
                f"{where}: the answer has no '####' before its number: {row['answer'][-40:]!r}",
                hint="give GSM8K's own format, or use task=jsonl with grader=numeric",
            )
        clean = re.sub(r"<<[^<>]*>>", "", solution).strip()
        return Problem(
            id=id,
            question=row["question"].strip(),
            answer=answer.strip(),
            meta={"gold": f"{clean}\n#### {answer.strip()}"} if clean else {},
        )
