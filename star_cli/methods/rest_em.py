"""rest_em: ReST-EM (Singh et al. 2023, arXiv 2312.06585), self-training as expectation-maximisation.

E-step: many samples of each problem from the current model, kept where right, at most 10 a problem
M-step: fine-tune the *base* model on them
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "rest_em")
class RestEM(Method):
    """32 samples a problem (64 for code) at temperature 0.7, top-k 40; no human solutions, no rationalization.

    The paper stops each fine-tuning early by a validation set; here its length is ``schedule``, and every round's
    accuracy on the held-out split is reported, so an overfitted round can be seen (APPS fell in round 2).
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 0.7, "sampling.top_k": 40, "filter.limit": 10}
    rounds: int = 3
    samples: int = 32

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        problems = lab.problems("train", round=1)
        for n in lab.rounds(self.rounds):
            kept = lab.filter(problems, lab.generate(model, problems, round=n))
            model = lab.finetune(base, [kept], round=n)
            lab.evaluate(model, round=n)
        return model
