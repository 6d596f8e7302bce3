"""commonsense_qa: everyday questions with five choices (Talmor et al. 2019, arXiv 1811.00937), asked as in STaR.

{"id": "x1", "answerKey": "B", "question": {"stem": "Where does bread rise?", "choices": [
 {"label": "A", "text": "shed"}, {"label": "B", "text": "oven"}, {"label": "C", "text": "lake"}]}}

Data: tau/commonsense_qa on the hub, or its JSON lines. The answers of its test split are not public: evaluate on dev.
"""

from __future__ import annotations

from typing import ClassVar

from star_cli.core.registry import register
from star_cli.tasks.base.multiple_choice import Choosing


@register("task", "commonsense_qa")
class CommonsenseQA(Choosing):
    """Seven few-shot examples of our own, in STaR's manner: "The answer must be ... Therefore, the answer is oven
    (b)."."""

    hub: ClassVar[str] = "tau/commonsense_qa"
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "dev": "validation"}
    wants: ClassVar[dict[str, type]] = {"question": object, "answerKey": str}
    prompt_file: ClassVar[str] = "commonsense_qa.txt"
