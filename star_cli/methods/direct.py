"""direct: fine-tune on answers without rationales, the baseline of every table in the STaR paper."""

from __future__ import annotations

from star_cli.core.registry import register
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "direct")
class Direct(Method):
    """One fine-tuning of the base on (question, answer) for each round, with that round's number of steps."""

    rounds: int = 1
    samples: int = 1

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        for n in lab.rounds(self.rounds):
            answers = lab.answers(lab.problems("train", round=n), round=n)
            model = lab.finetune(base, [answers], round=n)
            lab.evaluate(model, round=n)
        return model
