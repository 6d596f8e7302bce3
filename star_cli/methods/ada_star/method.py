"""ada_star: AdaSTaR (Koh et al. 2025, arXiv 2505.16322, algorithm 1): adaptive sampling for diversity and curriculum.

for t = 1..T:  look at problems in the order of (last sampled, share right then) until beta^t right rationales are there
               (each problem: an own attempt and, where it is wrong, one that is shown the answer)
               M_t = train(M_{t-1}, these);  alpha = the share of the problems looked at that were solved
               the first floor(m * alpha^2) of the m problems count as sampled; the others stay due
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.core.settings import Sampling
from star_cli.errors import need
from star_cli.methods.ada_star.heap import ROUNDING, wanted
from star_cli.methods.ada_star.stages import AdaSample, AdaState
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "ada_star")
class AdaStar(Method):
    """``beta`` examples in round 1, ``grow`` times as many each round: the paper's 40 steps of batch 8
    (trainer.batch=8), 20 % more a round. All problems stay in one heap; with ``problems=N`` it is drawn once.

    ``alpha=sampling`` is the published code's: the share of the problems looked at that was solved while sampling,
    hinted or not; it costs nothing. ``alpha=train`` is the paper's training accuracy, which it does not define: here
    the greedy accuracy, right after training, on the same problems, for one more answer to each. ``rounding=round``,
    ``truncate=true``, ``start=base`` (several of its released configurations) and ``until_right=true`` (matters only
    without rationalization) are the code's as well. Weights continue otherwise. ``filter.limit`` has no effect: every
    right rationale counts.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0, "sampling.top_p": 0.9}
    needs_all_samples: ClassVar[bool] = True
    judges: ClassVar[bool] = True
    rounds: int = 5
    samples: int = 2
    rationalize: bool = True
    beta: int = 320
    grow: float = 1.2
    power: float = 2.0
    alpha: str = "sampling"
    rounding: str = "floor"
    start: str = "previous"
    until_right: bool = False
    truncate: bool = False
    shuffle: bool = True

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        problems, heap = lab.problems("train", round=1), None
        for t in lab.rounds(self.rounds):
            looked = self._sample(lab, model, problems, heap, t)
            model = lab.finetune(base if self.start == "base" else model, [looked], round=t)
            if t < self.rounds:
                heap = self._requeue(lab, model, problems, looked, heap, t)
            lab.evaluate(model, round=t)
        return model

    def _sample(self, lab: Lab, model: Artifact, problems: Artifact, heap: Artifact | None, t: int) -> Artifact:
        """Rationales, verdicts and beta^t examples of the problems that are due, in the order of the heap."""
        x = lab.x
        stage = AdaSample(
            task=lab.asking(x.sampling.shots, t),
            engine=x.engine,
            grader=x.grader,
            sampling=x.sampling,
            samples=self.samples,
            target=wanted(self.beta, self.grow, t),
            seed=x.seed,
            round=t,
            rationalize=self.rationalize,
            until_right=self.until_right,
            keep=lab.keep_rule(limit=0),
            truncate=self.truncate,
            shuffle=self.shuffle,
            max_errors=x.filter.max_errors,
        )
        state = {"state": heap} if heap is not None else {}
        return lab.build(stage, {"model": model, "problems": problems, **state}, t, "ada_sample")

    def _requeue(
        self, lab: Lab, model: Artifact, problems: Artifact, looked: Artifact, heap: Artifact | None, t: int
    ) -> Artifact:
        """The heap after a round; with ``alpha=train`` the trained model is first asked, greedily, what was looked
        at.
        """
        x = lab.x
        inputs = {"sampled": looked, "problems": problems, **({"state": heap} if heap is not None else {})}
        if self.alpha == "train":
            greedy = Sampling(temperature=0.0, max_tokens=x.sampling.max_tokens)
            answers = lab.generate(model, looked, round=t, samples=1, sampling=greedy, name="generate-peeked")
            inputs["accuracy"] = lab.judge(looked, answers, round=t, name="evaluate-peeked")
        stage = AdaState(
            alpha=self.alpha, power=self.power, rounding=self.rounding, seed=x.seed, round=t, shuffle=self.shuffle
        )
        return lab.build(stage, inputs, t, "ada_state")

    def check(self) -> None:
        super().check()
        need(
            not self.rationalize or self.samples >= 2,
            f"samples must be >= 2 with rationalization, got {self.samples}",
            "one own attempt and one that is shown the answer; or set method.rationalize=false",
        )
        need(self.beta >= 1, f"method.beta must be >= 1, got {self.beta}")
        need(self.grow > 0, f"method.grow must be > 0, got {self.grow}")
        need(self.power >= 0, f"method.power must be >= 0 (0: no curriculum), got {self.power}")
        for name, choices in (
            ("alpha", ("train", "sampling")),
            ("rounding", ROUNDING),
            ("start", ("previous", "base")),
        ):
            need(
                getattr(self, name) in choices,
                f"method.{name} must be {' or '.join(choices)}, got {getattr(self, name)!r}",
            )
