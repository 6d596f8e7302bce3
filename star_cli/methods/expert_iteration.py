"""expert_iteration: sample, keep what is right, train on all that was kept so far, again (Anthony et al. 2017).

As used for language models by Polu et al. 2022 and Havrilla et al. 2024: several samples a problem, no rationalization.
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "expert_iteration")
class ExpertIteration(Method):
    """Sample, keep what is right, train on all that was kept so far, again (Anthony et al. 2017, Havrilla et al. 2024).

    ``accumulate=false`` trains on the round's own solutions alone; ``start`` is base or previous (weights continue).

    ``fresh=true`` asks new problems each round (with ``problems=N``), false the same ones.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0, "filter.limit": 0}
    rounds: int = 3
    samples: int = 8
    accumulate: bool = True
    start: str = "base"
    fresh: bool = True

    def check(self) -> None:
        super().check()
        need(self.start in ("base", "previous"), f"method.start must be base or previous, got {self.start!r}")

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        kept: list[Artifact] = []
        for n in lab.rounds(self.rounds):
            problems = lab.problems("train", round=n if self.fresh else 1)
            judged = lab.filter(problems, lab.generate(model, problems, round=n))
            kept = [*kept, judged] if self.accumulate else [judged]
            model = lab.finetune(base if self.start == "base" else model, [lab.merge(kept, round=n)], round=n)
            lab.evaluate(model, round=n)
        return model
