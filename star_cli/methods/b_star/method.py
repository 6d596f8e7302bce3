"""b_star: B-STaR (Zeng et al. 2024, arXiv 2412.17256): exploration and exploitation kept in balance.

for t = 1..T:  (temperature, threshold) = argmax of the mean of  min(n'/n*, 1) * n'/n  over a sample of queries
                   n: answers with a reward above the threshold, n': the right ones among them that differ
               answer all problems at that temperature; keep what has a reward above the threshold
               M_t = train(M_{t-1}, these); weights and optimiser continue
reward = 1(right) + what a verifier says, in [-1, 1]
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.run.experiment import Method

if TYPE_CHECKING:
    from star_cli.run.lab import Lab
    from star_cli.store.artifacts import Artifact


def _grid(first: int, last: int) -> list[float]:
    return [i / 10 for i in range(first, last + 1)]


@register("method", "b_star")
class BStar(Method):
    """``n_star`` is how many right answers a problem should give: ceil(67,500 examples / 11,500 problems) = 6 in the
    paper; 0 computes it from the steps, ``trainer.batch`` and the problems of a round.

    Without a verifier (``verifier=none``) a reward is 0 or 1: a threshold below 0 selects all answers, one from 0 to
    below 1 the right ones, whichever it is, and only the temperature is really chosen. ``verifier=orm`` is trained
    once, on samples of the start; its logit becomes 2 * sigmoid - 1. ``gold=true`` starts from an SFT on the data's own
    solutions. ``inherit_optimizer=false`` keeps no optimiser state (8 bytes a weight in every round's artifact) and
    begins it afresh. ``sampling.temperature`` is used for the verifier's data alone. ``published_code=true`` does what
    the released code does where it differs: n* = 8, equal answers counted once in n, queries without a selected answer
    left out of the mean, the data's solution added with reward 1, a fifth of the verifier's say.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0, "filter.limit": 0}
    rounds: int = 9
    samples: int = 64
    gold: bool = True
    queries: int = 600
    temperatures: list[float] = field(default_factory=lambda: _grid(5, 12))
    thresholds: list[float] = field(default_factory=lambda: _grid(-10, 10))
    n_star: int = 6
    inherit_optimizer: bool = True
    published_code: bool = False

    def run(self, lab: Lab) -> Artifact:
        model = lab.base_model()
        problems = lab.problems("train", round=1)
        if self.gold:
            model = lab.finetune(model, [lab.gold(problems)], round=0)
        lab.evaluate(model, round=0)
        verifier = lab.reward_model(model, problems)
        for t in range(1, self.rounds + 1):
            problems = lab.problems("train", round=t)
            choice = lab.balance(
                model,
                verifier,
                round=t,
                queries=self.queries,
                temperatures=self.temperatures,
                thresholds=self.thresholds,
                n_star=self.n_star or lab.answers_wanted(problems, round=t),
                published_code=self.published_code,
            )
            drafts = lab.generate(model, problems, round=t, sampling=lab.chosen(choice))
            kept = [lab.reward(problems, drafts, choice, verifier, round=t, published_code=self.published_code)]
            if self.published_code:
                kept.append(lab.gold(problems, round=t))
            model = lab.finetune(model, kept, round=t, trainer=lab.lasting(self.inherit_optimizer))
            lab.evaluate(model, round=t)
        return model

    def check(self) -> None:
        super().check()
        need(self.queries >= 1, f"method.queries must be >= 1, got {self.queries}")
        need(self.n_star >= 0, f"method.n_star must be >= 0 (0: computed), got {self.n_star}")
        need(
            bool(self.thresholds),
            "method.thresholds must name at least one threshold",
            "for example method.thresholds=[0]",
        )
        need(
            bool(self.temperatures)
            and all(t > 0 for t in self.temperatures)
            and len(set(self.temperatures)) == len(self.temperatures),
            f"method.temperatures must be different numbers > 0, got {self.temperatures}",
            "for example method.temperatures=[.7,1.0]",
        )
