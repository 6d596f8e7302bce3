"""expert_iteration: sample, keep what is right, train on all that was kept so far, again (Anthony et al. 2017).

As used for language models by Polu et al. 2022 and Havrilla et al. 2024: several samples a problem, no rationalization.
raft is the same loop with the best sample of each problem alone and weights that continue.
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


@register("method", "raft")
class Raft(ExpertIteration):
    """RAFT (Dong et al. 2023, arXiv 2304.06767, algorithm 1): the best of each problem's samples is trained on.

    for t = 1..T:  K samples of each of a batch of problems from M_{t-1};  of each problem the one with the highest
    reward;  M_t = SFT(M_{t-1}, these). The weights continue, the data does not. The reward here is the verdict of the
    grader, 1 or 0: "best" is the first right sample (before they are judged samples are alike), and a problem without
    a right one gives nothing, where a reward model always has a best one. ``filter.limit=0`` keeps every right one.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0, "filter.limit": 1}
    accumulate: bool = False
    start: str = "previous"
