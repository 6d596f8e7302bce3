"""The verbs of methods that adapt while they run: which problems are due (AdaSTaR), how hot to sample (B-STaR)."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from star_cli.core.keys import seed_of
from star_cli.core.parts import Trainer
from star_cli.core.records import Problem
from star_cli.core.registry import name_of
from star_cli.core.settings import Sampling
from star_cli.errors import NotBuilt, StarError
from star_cli.methods.ada_star.stages import AdaSample, AdaState
from star_cli.methods.b_star.stages import Balance, Reward
from star_cli.run.experiment import Experiment
from star_cli.stages.base import Stage
from star_cli.stages.problems import Problems

if TYPE_CHECKING:
    from star_cli.store.artifacts import Artifact


class Adapting:
    """Part of the Lab, whose own verbs it uses."""

    x: Experiment

    if TYPE_CHECKING:
        observer: Any
        collect: Any
        filter: Any
        score: Any
        verifier: Any

        def build(self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str) -> Artifact: ...
        def generate(
            self,
            model: Artifact,
            problems: Artifact,
            *,
            round: int,
            hint: bool = False,
            unless: Artifact | None = None,
            samples: int | None = None,
            sampling: Sampling | None = None,
            name: str | None = None,
        ) -> Artifact: ...
        def judge(self, problems: Artifact, answers: Artifact, *, round: int, name: str = "evaluate") -> Artifact: ...

    def peek(
        self, model: Artifact, problems: Artifact, heap: Artifact | None, *, round: int, target: int, **settings: Any
    ) -> Artifact:
        """Rationales, verdicts and ``target`` examples of the problems that are due, in the order of the heap."""
        x = self.x
        self._own_filter()
        stage = AdaSample(
            task=x.task,
            engine=x.engine,
            grader=x.grader,
            sampling=x.sampling,
            samples=x.method.samples,
            target=target,
            seed=x.seed,
            round=round,
            dedupe=x.filter.mode != "none",
            max_errors=x.filter.max_errors,
            **settings,
        )
        inputs = {"model": model, "problems": problems}
        if heap is not None:
            inputs["state"] = heap
        return self.build(stage, inputs, round, "ada_sample")

    def requeue(
        self,
        model: Artifact,
        problems: Artifact,
        looked: Artifact,
        heap: Artifact | None,
        *,
        round: int,
        alpha: str,
        **settings: Any,
    ) -> Artifact:
        """The heap after a round; with ``alpha="train"`` the trained model is first asked what was looked at,
        greedily.
        """
        inputs = {"sampled": looked, "problems": problems}
        if heap is not None:
            inputs["state"] = heap
        if alpha == "train":
            greedy = Sampling(temperature=0.0, max_tokens=self.x.sampling.max_tokens)
            answers = self.generate(model, looked, round=round, samples=1, sampling=greedy, name="generate-peeked")
            inputs["accuracy"] = self.judge(looked, answers, round=round, name="evaluate-peeked")
        return self.build(AdaState(alpha=alpha, seed=self.x.seed, round=round, **settings), inputs, round, "ada_state")

    def reward_model(self, model: Artifact, problems: Artifact) -> Artifact | None:
        """A verifier trained from ``model`` on its own samples of the problems; None with ``verifier=none``."""
        part = self.x.verifier
        if part is None or part.learns_from == "nothing":
            return None
        if part.likelihood:
            raise StarError(
                f"verifier={name_of(part)} gives log-likelihoods, and a reward in [-1, 1] cannot be made of them",
                hint="set verifier=orm or verifier=none",
            )
        drafts = self.generate(model, problems, round=0)
        collected = self.collect([(problems, drafts, self.filter(problems, drafts))], round=0)
        trained: Artifact | None = self.verifier(model, collected, round=0)
        return trained

    def balance(
        self,
        model: Artifact,
        verifier: Artifact | None,
        *,
        round: int,
        queries: int,
        temperatures: list[float],
        thresholds: list[float],
        n_star: int,
        published_code: bool,
    ) -> Artifact:
        """The temperature and threshold of a round: the best mean balance score on ``queries`` training problems."""
        x = self.x
        asked = self.build(
            Problems(task=x.task, split="train", draw=queries, seed=seed_of(x.seed, "queries"), round=round),
            {},
            round,
            "queries",
        )
        inputs = {"problems": asked}
        for i, temperature in enumerate(temperatures):
            told = f"probe-{temperature:g}"
            answers = self.generate(
                model, asked, round=round, sampling=replace(x.sampling, temperature=temperature), name=told
            )
            inputs |= {
                f"rationales.{i}": answers,
                f"verdicts.{i}": self.judge(asked, answers, round=round, name=f"judge-{told}"),
            }
            if verifier is not None:
                inputs[f"scores.{i}"] = self.score(
                    verifier, asked, answers, round=round, generator=model, name=f"score-{told}"
                )
        stage = Balance(
            task=x.task,
            grader=x.grader,
            temperatures=temperatures,
            thresholds=thresholds,
            round=round,
            n_star=8 if published_code else n_star,
            weight=0.2 if published_code else 1.0,
            drop_empty=published_code,
            distinct_first=published_code,
            gold=published_code,
        )
        return self.build(stage, inputs, round, "balance")

    def chosen(self, choice: Artifact) -> Sampling:
        """The sampling of a round at the temperature that ``balance`` chose."""
        if "temperature" not in choice.metrics:
            raise NotBuilt(f"the temperature of a round is known only once its balance {choice.key} is built")
        return replace(self.x.sampling, temperature=float(choice.metrics["temperature"]))

    def reward(
        self,
        problems: Artifact,
        drafts: Artifact,
        choice: Artifact,
        verifier: Artifact | None,
        *,
        round: int,
        published_code: bool,
    ) -> Artifact:
        """Verdicts on rationales, and as examples those whose reward is above the chosen threshold."""
        x = self.x
        self._own_filter()
        inputs = {"problems": problems, "rationales": drafts, "choice": choice}
        if verifier is not None:
            inputs["scores"] = self.score(verifier, problems, drafts, round=round)
        stage = Reward(
            task=x.task,
            grader=x.grader,
            round=round,
            keep=x.filter.limit,
            dedupe=x.filter.mode != "none",
            weight=0.2 if published_code else 1.0,
            max_errors=x.filter.max_errors,
        )
        return self.build(stage, inputs, round, "filter")

    def _own_filter(self) -> None:
        """Refuse settings of the filter that a method with a filter of its own would not heed."""
        f, method = self.x.filter, name_of(self.x.method)
        for setting, value, idle in (
            ("control", f.control, f.control != "none"),
            ("sound", f.sound, f.sound),
            ("dedupe", f.mode, f.mode == "equations"),
        ):
            if idle:
                raise StarError(
                    f"filter.{setting}={value} has no effect with method={method}, which keeps rationales by a "
                    f"rule of its own",
                    hint=f"leave filter.{setting} out, or compare with another method",
                )

    def answers_wanted(self, problems: Artifact, *, round: int) -> int:
        """n* = ceil(N / M): the examples that the round's steps take, over its problems."""
        steps, batch = self.x.schedule.steps(round), getattr(self.x.trainer, "batch", None)
        if steps is None or batch is None:
            raise StarError(
                "method.n_star=0 is computed from schedule.start and trainer.batch, which are not set",
                hint="set method.n_star, for example to the paper's 6",
            )
        return math.ceil(int(steps * batch) / problems.count(Problem))

    def lasting(self, inherit: bool) -> Trainer:
        """The trainer; with ``inherit`` one that takes up the optimiser of its start and keeps its own, where it
        can.
        """
        trainer = self.x.trainer
        able = any(f.name == "keep_optimizer" for f in fields(trainer))
        if not inherit or not able:
            return trainer
        if getattr(trainer, "lora_rank", 0):
            self.observer.say("adapters are merged after every round, so their optimiser begins afresh in the next one")
            return trainer
        return replace(trainer, keep_optimizer=True)  # type: ignore[call-arg]
