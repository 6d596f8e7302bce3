"""commonsense_qa: everyday questions with five choices (Talmor et al. 2019, arXiv 1811.00937), asked as in STaR.

{"id": "x1", "answerKey": "B", "question": {"stem": "Where does bread rise?", "choices": [
  {"label": "A", "text": "shed"}, {"label": "B", "text": "oven"}, {"label": "C", "text": "lake"}]}}

Data: tau/commonsense_qa on the hub, or its JSON lines with ``task.path``. The answers of its test split are not public:
evaluate on dev.
"""

from __future__ import annotations

from typing import ClassVar

from star_cli.core.registry import register
from star_cli.tasks.base.multiple_choice import MultipleChoiceTask


@register("task", "commonsense_qa", version=2)
class CommonsenseQA(MultipleChoiceTask):
    """Five choices (a) to (e), asked with seven few-shot examples of our own in the manner of STaR's.

    A rationale reads "The answer must be ... Therefore, the answer is oven (b).".
    """

    hub: ClassVar[str] = "tau/commonsense_qa"
    hub_revision: ClassVar[str | None] = "94630fe30dad47192a8546eb75f094926d47e155"
    hub_splits: ClassVar[dict[str, str]] = {"train": "train", "dev": "validation"}
    required: ClassVar[dict[str, type]] = {"question": object, "answerKey": str}
    prompt_file: ClassVar[str] = "commonsense_qa.txt"
