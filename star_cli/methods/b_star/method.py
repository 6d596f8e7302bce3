"""b_star: B-STaR (Zeng et al. 2024, arXiv 2412.17256): exploration and exploitation kept in balance.

for t = 1..T:  (temperature, threshold) = argmax of the mean of  min(n'/n*, 1) * n'/n  over a sample of queries
                   n: answers with a reward above the threshold, n': the right ones among them that differ
               answer all problems at that temperature; keep what has a reward above the threshold
               M_t = train(M_{t-1}, these); weights and optimiser continue
reward = 1(right) + what a verifier says, in [-1, 1]
"""

from __future__ import annotations

import math
from dataclasses import field, fields, replace
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import Trainer
from star_cli.core.records import Problem
from star_cli.core.registry import name_of, register
from star_cli.core.settings import Sampling
from star_cli.errors import NotBuilt, StarError, need
from star_cli.methods.b_star.stages import Balance, Reward
from star_cli.run.lab import Lab, Method
from star_cli.stages.problems import Problems
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
    begins it afresh. ``capped`` balances the queries as the published code does: of each the answers with the highest
    rewards, no more than it takes until they have n* examples each on average (67,500 of 11,500 there).
    ``sampling.temperature`` is used for the verifier's data alone. ``published_code=true`` does what the released code
    does where it differs: n* = 8, equal answers counted once in n, queries without a selected answer left out of the
    mean, the data's solution added with reward 1, a fifth of the verifier's say.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 1.0, "filter.limit": 0}
    needs_all_samples: ClassVar[bool] = True
    judges: ClassVar[bool] = True
    rounds: int = 9
    samples: int = 64
    gold: bool = True
    queries: int = 600
    temperatures: list[float] = field(default_factory=lambda: _grid(5, 12))
    thresholds: list[float] = field(default_factory=lambda: _grid(-10, 10))
    n_star: int = 6
    inherit_optimizer: bool = True
    capped: bool = True
    published_code: bool = False

    def run(self, lab: Lab) -> Artifact:
        model = lab.base_model()
        problems = lab.problems("train", round=1)
        if self.gold:
            model = lab.finetune(model, [lab.gold(problems)], round=0)
        lab.evaluate(model, round=0)
        verifier = self._reward_model(lab, model, problems)
        for t in lab.rounds(self.rounds):
            problems = lab.problems("train", round=t)
            choice = self._balance(lab, model, verifier, problems, t)
            drafts = lab.generate(model, problems, round=t, sampling=self._chosen(lab, choice))
            kept = [self._reward(lab, problems, drafts, choice, verifier, t)]
            if self.published_code:
                kept.append(lab.gold(problems, round=t))
            model = lab.finetune(model, kept, round=t, trainer=self._lasting(lab))
            lab.evaluate(model, round=t)
        return model

    def _reward_model(self, lab: Lab, model: Artifact, problems: Artifact) -> Artifact | None:
        """A verifier trained from ``model`` on its own samples of the problems; None with ``verifier=none``."""
        part = lab.x.verifier
        if part is None or part.learns_from == "nothing":
            return None
        if part.likelihood:
            raise StarError(
                f"verifier={name_of(part)} gives log-likelihoods, and a reward in [-1, 1] cannot be made of them",
                hint="set verifier=orm or verifier=none",
            )
        drafts = lab.generate(model, problems, round=0)
        collected = lab.collect([(problems, drafts, lab.filter(problems, drafts))], round=0)
        return lab.verifier(model, collected, round=0)

    def _balance(self, lab: Lab, model: Artifact, verifier: Artifact | None, problems: Artifact, t: int) -> Artifact:
        """The temperature and threshold of a round: the best mean balance score on ``queries`` training problems."""
        x = lab.x
        draw = Problems(task=x.task, split="train", draw=self.queries, seed=seed_of(x.seed, "queries"), round=t)
        queries = lab.build(draw, {}, t, "queries")
        inputs = {"problems": queries}
        for i, temperature in enumerate(self.temperatures):
            probe = f"probe-{temperature:g}"
            sampling = replace(x.sampling, temperature=temperature)
            answers = lab.generate(model, queries, round=t, sampling=sampling, name=probe)
            inputs[f"rationales.{i}"] = answers
            inputs[f"verdicts.{i}"] = lab.judge(queries, answers, round=t, name=f"judge-{probe}")
            if verifier is not None:
                inputs[f"scores.{i}"] = lab.score(
                    verifier, queries, answers, round=t, generator=model, name=f"score-{probe}"
                )
        as_code = self.published_code
        n_star = self.n_star or self._answers_wanted(lab, problems, t)
        stage = Balance(
            task=x.task,
            grader=x.grader,
            temperatures=self.temperatures,
            thresholds=self.thresholds,
            round=t,
            n_star=8 if as_code else n_star,
            weight=0.2 if as_code else 1.0,
            per_query=n_star if self.capped else 0,
            drop_empty=as_code,
            distinct_first=as_code,
            gold=as_code,
        )
        return lab.build(stage, inputs, t, "balance")

    def _chosen(self, lab: Lab, choice: Artifact) -> Sampling:
        """The sampling of a round at the temperature that ``balance`` chose."""
        if "temperature" not in choice.metrics:
            raise NotBuilt(f"the temperature of a round is known only once its balance {choice.key} is built")
        return replace(lab.x.sampling, temperature=float(choice.metrics["temperature"]))

    def _reward(
        self, lab: Lab, problems: Artifact, drafts: Artifact, choice: Artifact, verifier: Artifact | None, t: int
    ) -> Artifact:
        """Verdicts on rationales, and as examples those whose reward is above the chosen threshold."""
        x = lab.x
        inputs = {"problems": problems, "rationales": drafts, "choice": choice}
        if verifier is not None:
            inputs["scores"] = lab.score(verifier, problems, drafts, round=t)
        stage = Reward(
            task=x.task,
            grader=x.grader,
            round=t,
            keep=lab.keep_rule(),
            weight=0.2 if self.published_code else 1.0,
            per_query=(self.n_star or self._answers_wanted(lab, problems, t)) if self.capped else 0,
            max_errors=x.filter.max_errors,
        )
        return lab.build(stage, inputs, t, "filter")

    def _answers_wanted(self, lab: Lab, problems: Artifact, t: int) -> int:
        """n* = ceil(N / M): the examples that the round's steps take, over its problems."""
        steps, batch = lab.x.schedule.steps(t), getattr(lab.x.trainer, "batch", None)
        if steps is None or batch is None:
            raise StarError(
                "method.n_star=0 is computed from schedule.start and trainer.batch, which are not set",
                hint="set method.n_star, for example to the paper's 6",
            )
        return math.ceil(int(steps * batch) / problems.count(Problem))

    def _lasting(self, lab: Lab) -> Trainer:
        """The trainer; with ``inherit_optimizer`` one that takes up its start's optimiser state and keeps its own."""
        trainer = lab.x.trainer
        able = any(f.name == "keep_optimizer" for f in fields(trainer))
        if not self.inherit_optimizer or not able:
            return trainer
        if getattr(trainer, "lora_rank", 0):
            lab.say("adapters are merged after every round, so their optimiser begins afresh in the next one")
            return trainer
        return replace(trainer, keep_optimizer=True)  # type: ignore[call-arg]

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
