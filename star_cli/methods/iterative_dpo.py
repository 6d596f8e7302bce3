"""iterative_dpo: Iterative Reasoning Preference Optimization (Pang et al. 2024, arXiv 2404.19733), and iterative DPO.

for t = 1..T:  N samples of each problem from M_{t-1};  K pairs of a right and a wrong one of the same problem
               M_t = train(M_{t-1}, pairs), loss = -log sigmoid(beta (log-ratio of right - log-ratio of wrong))
                                                   - nll * log M(right) / tokens of right
The log-ratios are to M_{t-1}: the last model is also the reference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.registry import name_of, register
from star_cli.errors import need
from star_cli.run.lab import Experiment, Lab, Method
from star_cli.stages.pairs import Pairs
from star_cli.stages.prefer import Prefer
from star_cli.store.artifacts import Artifact


@register("method", "iterative_dpo")
class IterativeDpo(Method):
    """``nll=1`` is the paper's (RPO), ``nll=0`` plain iterative DPO, which it finds much weaker.

    ``pairs`` is the most pairs of one problem (K; 0: all). ``gold`` puts the data's own solution among the right ones,
    as the paper does; ``gold=false`` for data without. ``lr`` and ``steps`` replace ``trainer.lr`` and the steps of the
    schedule: preferences want a much smaller learning rate than examples. ``loss`` is any that TRL's DPO knows.

    Ours: equal texts of a problem count once, a problem with fewer than K different pairs gives these once (the paper
    repeats them), the temperature is the same in all rounds (the paper: 0.8, and 1.3 from the third on), the length is
    the schedule's (the paper chooses a checkpoint on 1,000 held-out training problems).
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 0.8}
    needs_all_samples: ClassVar[bool] = True
    rounds: int = 4
    samples: int = 30
    pairs: int = 10
    beta: float = 0.1
    nll: float = 1.0
    loss: str = "sigmoid"
    gold: bool = True
    lr: float | None = None
    steps: int | None = None

    def check(self) -> None:
        super().check()
        need(self.samples >= 2, f"method.samples must be >= 2 to hold a right and a wrong one, got {self.samples}")
        need(self.pairs >= 0, f"method.pairs must be >= 0 (0: all), got {self.pairs}")
        need(self.beta > 0, f"method.beta must be > 0, got {self.beta}", "the paper's is 0.1")
        need(self.nll >= 0, f"method.nll must be >= 0, got {self.nll}", "1 is the paper's, 0 is plain DPO")
        need(self.lr is None or self.lr > 0, f"method.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"method.steps must be >= 1 or null, got {self.steps}")

    def prepare(self, experiment: Experiment) -> Experiment:
        trainer = experiment.trainer
        need(
            "pairs" in trainer.learns_from,
            f"method=iterative_dpo trains on pairs, and trainer={name_of(trainer)} does not",
            "set trainer=sft",
        )
        return experiment

    def run(self, lab: Lab) -> Artifact:
        model = lab.base_model()
        lab.evaluate(model, round=0)
        for t in lab.rounds(self.rounds):
            problems = lab.problems("train", round=t)
            samples = lab.generate(model, problems, round=t)
            judged = lab.filter(problems, samples)
            gold = lab.gold(problems, round=t) if self.gold else None
            collected = lab.collect([(problems, samples, judged)], round=t, gold=gold)
            lab.health([judged], round=t)
            model = self._prefer(lab, model, collected, t)
            lab.evaluate(model, round=t)
        return model

    def _prefer(self, lab: Lab, model: Artifact, collected: Artifact, t: int) -> Artifact:
        """The model trained from ``model`` on pairs of what was collected in round ``t``."""
        x = lab.x
        pairs = lab.build(
            Pairs(limit=self.pairs, seed=x.seed if self.pairs else 0), {"labelled": collected}, t, "pairs"
        )
        trainer: Any = x.trainer
        stage = Prefer(
            trainer=trainer if self.lr is None else replace(trainer, lr=self.lr),
            beta=self.beta,
            nll=self.nll,
            loss=self.loss,
            steps=self.steps or x.schedule.steps(t),
            epochs=None if self.steps else x.schedule.epochs,
            seed=seed_of(x.seed, t, "prefer", bits=31),
            round=t,
        )
        return lab.build(stage, {"start": model, "pairs": pairs}, t, "prefer")
