"""star_acc: STaR whose weights continue from the round before instead of starting from the base again.

"STaR-Acc" of the AdaSTaR paper (Koh et al. 2025, arXiv 2505.16322): what accumulates is the weights, not the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from star_cli.core.registry import register
from star_cli.run.experiment import Method

if TYPE_CHECKING:
    from star_cli.run.lab import Lab
    from star_cli.store.artifacts import Artifact


@register("method", "star_acc")
class StarAcc(Method):
    """Every round collects its data afresh and trains the last model on it; ``rationalize`` as in STaR."""

    rounds: int = 5
    samples: int = 1
    rationalize: bool = True

    def run(self, lab: Lab) -> Artifact:
        model = lab.base_model()
        lab.evaluate(model, round=0)
        for n in range(1, self.rounds + 1):
            problems = lab.problems("train", round=n)
            kept = [lab.filter(problems, lab.generate(model, problems, round=n))]
            if self.rationalize:
                hinted = lab.generate(model, problems, round=n, hint=True, unless=kept[0])
                kept.append(lab.filter(problems, hinted))
            model = lab.finetune(model, kept, round=n)
            lab.evaluate(model, round=n)
        return model
