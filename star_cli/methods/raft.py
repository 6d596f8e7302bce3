"""raft: reward-ranked fine-tuning (Dong et al. 2023, arXiv 2304.06767, algorithm 1), the best of K samples trained on.

for t = 1..T:  K samples of each of a batch of problems from M_{t-1};  of each the one with the highest reward
               M_t = SFT(M_{t-1}, these): the weights continue, the data does not
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "raft")
class Raft(Method):
    """The reward is the verdict of the grader, 1 or 0: "best" is the first right sample (before they are judged samples
    are alike), and a problem without a right one gives nothing, where a reward model always has a best one.

    ``filter.limit=0`` keeps every right one; ``problems=N`` draws new problems each round.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0, "filter.limit": 1}
    rounds: int = 3
    samples: int = 8

    def run(self, lab: Lab) -> Artifact:
        model = lab.base_model()
        lab.evaluate(model, round=0)
        for t in lab.rounds(self.rounds):
            problems = lab.problems("train", round=t)
            best = lab.filter(problems, lab.generate(model, problems, round=t))
            model = lab.finetune(model, [best], round=t)
            lab.evaluate(model, round=t)
        return model
