"""grpo: group-relative policy optimisation (Shao et al. 2024, arXiv 2402.03300, section 4.1) with verdicts as rewards.

for t = 1..T:  pi_ref = M_{t-1};  for each step:  G completions of each of some prompts from the policy
    A = (reward - mean of its group) / standard deviation of its group, reward = 1(right)
    maximise  mean over completions and their tokens of  min(r A, clip(r, 1 - eps, 1 + eps) A) - beta KL(policy, pi_ref)
               r: the token's probability now over that when it was sampled
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import GroupPolicy, stepwise
from star_cli.core.registry import name_of, register
from star_cli.errors import need
from star_cli.methods.grpo.stages import Reinforce
from star_cli.run.lab import Experiment, Lab, Method
from star_cli.store.artifacts import Artifact

LOSSES = ("grpo", "dapo", "dr_grpo", "bnpo")


@register("method", "grpo")
class Grpo(Method):
    """TRL's GRPOTrainer, a round at a time: the weights go on, the reference of a round is where it began.

    ``samples`` is the group G (the paper's 64), ``kl`` beta (.04), ``clip`` epsilon (not reported; PPO's .2),
    ``updates`` the optimiser steps on one batch of completions (1). ``loss`` says how tokens are averaged (grpo: each
    completion alike, as in the paper; dapo, bnpo, dr_grpo: see TRL), ``scale=false`` leaves the standard deviation out.
    ``trainer.batch`` counts the completions of a step, a multiple of ``samples``; ``lr`` and ``steps`` (of a round)
    replace ``trainer.lr`` and the schedule's.

    Completions are written by the trainer's own loop (transformers), not by ``engine``, which evaluates; so on a CPU
    it is slower a sample than the other methods. ``vllm=true`` puts a vLLM beside the trainer on the same GPU. A text
    that the grader cannot judge earns nothing and is counted. A run continues at the round it was stopped in.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0}
    needs_all_samples: ClassVar[bool] = True
    rounds: int = 3
    samples: int = 64
    kl: float = 0.04
    clip: float = 0.2
    updates: int = 1
    loss: str = "grpo"
    scale: bool = True
    lr: float | None = None
    steps: int | None = None
    vllm: bool = False

    def check(self) -> None:
        super().check()
        need(self.samples >= 2, f"method.samples must be >= 2: a group is compared with itself, got {self.samples}")
        need(self.kl >= 0, f"method.kl must be >= 0, got {self.kl}", "the paper's is 0.04; 0 needs no reference")
        need(self.clip > 0, f"method.clip must be > 0, got {self.clip}", "0.2 is usual")
        need(self.updates >= 1, f"method.updates must be >= 1, got {self.updates}")
        need(self.loss in LOSSES, f"method.loss must be {', '.join(LOSSES)}, got {self.loss!r}")
        need(self.lr is None or self.lr > 0, f"method.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"method.steps must be >= 1 or null, got {self.steps}")

    def prepare(self, experiment: Experiment) -> Experiment:
        x = experiment
        need(
            "rewards" in x.trainer.learns_from,
            f"method=grpo trains on rewards, and trainer={name_of(x.trainer)} does not",
            "set trainer=sft",
        )
        need(stepwise(x.task) is None, f"method=grpo writes whole texts, and task={name_of(x.task)} asks step by step")
        need(
            x.sampling.temperature > 0,
            "method=grpo compares different completions, and sampling.temperature is 0",
            "set sampling.temperature=1",
        )
        need(
            self.steps is not None or x.schedule.epochs is None,
            f"method=grpo counts steps, and schedule.epochs={x.schedule.epochs} counts passes over examples",
            "set method.steps",
        )
        batch = getattr(x.trainer, "batch", self.samples)
        need(
            batch % self.samples == 0,
            f"trainer.batch={batch} completions a step are no whole number of groups of samples={self.samples}",
            f"for example trainer.batch={max(1, batch // self.samples) * self.samples}",
        )
        return experiment

    def run(self, lab: Lab) -> Artifact:
        model = lab.base_model()
        lab.evaluate(model, round=0)
        for t in lab.rounds(self.rounds):
            model = self._reinforce(lab, model, lab.problems("train", round=t), t)
            lab.health([model], round=t)
            lab.evaluate(model, round=t)
        return model

    def _reinforce(self, lab: Lab, model: Artifact, problems: Artifact, t: int) -> Artifact:
        """The model that a round of steps makes of ``model``."""
        x = lab.x
        trainer: Any = x.trainer
        task = lab.asking(x.sampling.shots, t)
        steps = self.steps or x.schedule.steps(t)
        assert steps is not None
        stage = Reinforce(
            task=task,
            grader=x.grader,
            trainer=trainer if self.lr is None else replace(trainer, lr=self.lr),
            policy=GroupPolicy(
                group=self.samples,
                kl=self.kl,
                clip=self.clip,
                updates=self.updates,
                loss=self.loss,
                scale=self.scale,
                sampling=x.sampling,
                max_tokens=x.sampling.max_tokens or task.max_tokens,
                stop=task.stop,
            ),
            steps=steps,
            seed=seed_of(x.seed, t, "reinforce", bits=31),
            round=t,
            vllm=self.vllm,
            max_errors=x.filter.max_errors,
        )
        return lab.build(stage, {"model": model, "problems": problems}, t, "reinforce")
