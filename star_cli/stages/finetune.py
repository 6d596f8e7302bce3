"""finetune: train a model on kept examples, from the weights it is told to start from."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import Any

import msgspec

from star_cli.core.keys import seed_of
from star_cli.core.parts import ADDED, Trainer, TrainJob
from star_cli.core.records import Example
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage, with_picture_paths
from star_cli.stages.losses import watched
from star_cli.store.artifacts import Artifact

MANY_PASSES = 30  # over the examples, from which a warning is worth its line
RISEN = 1.2  # times its beginning: a loss that ended above this has risen, whatever the batches' own noise


@stage("finetune")
class Finetune(Stage):
    """Inputs: ``start`` (a model), ``examples.0``, ``examples.1``, ... (artifacts that hold examples), and with
    ``replay`` the base model as ``lessons``: that share of what is trained on is drawn from the examples of its
    pretraining, each at most once. From outside come ``mix.0``, ``mix.1``, ...: of each ``weights`` rows for every
    example, drawn by ``seed``.
    """

    reads, writes = (Example,), (Example,)
    makes = "model"
    trainer: Trainer
    steps: int | None
    epochs: float | None
    seed: int
    round: int
    replay: float = field(default=0.0, metadata=ADDED)
    weights: list[float] = field(default_factory=list, metadata=ADDED)

    @property
    def device(self) -> str:
        return "trainer"

    def run(self, context: StageContext) -> dict[str, Any]:
        rows = [e for a in context.numbered() for e in a.read(Example)]
        if not rows:
            raise nothing_kept(self.round, context.numbered())
        own = len(rows)
        if self.replay:
            rows += self._lessons(context.inputs["lessons"], round(self.replay / (1 - self.replay) * own))
        if self.weights:
            mixed = zip(context.numbered("mix"), self.weights, strict=True)
            rows += [e for outside, weight in mixed for e in self._drawn(outside, weight, own)]
        context.draft.write(Example, list({e.identity(): e for e in rows}.values()))  # what several hold, once
        self._warn_of_repetition(context, len(rows))
        with watched(context, "finetune", self.steps or 0) as losses:
            metrics = self.trainer.train(
                TrainJob(
                    start=context.model(context.inputs["start"]),
                    examples=with_picture_paths(rows, context.picture),
                    out=context.draft.directory("model"),
                    scratch=context.draft.directory("scratch", fresh=False),
                    seed=self.seed,
                    runtime=context.runtime,
                    steps=self.steps,
                    epochs=self.epochs,
                    progress=losses.progress(),
                )
            )
        self._warn_of_a_rising_loss(context, metrics)
        origins: dict[str, int] = {}
        for e in rows:
            origins[e.origin] = origins.get(e.origin, 0) + 1
        return {**metrics, "origins": origins}

    def _lessons(self, base: Artifact, wanted: int) -> list[Example]:
        """``wanted`` examples of the base model's pretraining, or all there are, drawn by this stage's seed."""
        by_draw = sorted(base.read(Example), key=lambda e: seed_of(self.seed, "replay", e.problem_id))
        return [msgspec.structs.replace(e, origin="lesson") for e in by_draw[:wanted]]

    def _drawn(self, outside: Artifact, weight: float, examples: int) -> list[Example]:
        """``weight`` times as many rows from outside as there are examples, other ones each round; all of them again
        where they are too few.
        """
        rows = sorted(outside.read(Example), key=lambda e: seed_of(self.seed, "mix", outside.key, e.problem_id))
        wanted = max(1, round(weight * examples))
        return [row for _ in range(-(-wanted // len(rows))) for row in rows][:wanted]

    def _warn_of_repetition(self, context: StageContext, examples: int) -> None:
        """Say where a small model is about to learn a few examples by heart."""
        batch = getattr(self.trainer, "batch", None)
        if not (self.steps and batch) or self.steps * batch < MANY_PASSES * examples:
            return
        passes = self.steps * batch / examples
        context.warn(
            f"{self.steps} steps of batch {batch} are {passes:.0f} passes over {examples:,} examples, which often "
            f"makes a model worse; more problems or samples, or about {max(1, 3 * examples // batch)} steps "
            "(schedule.start, or schedule.epochs=3), avoid it"
        )

    def _warn_of_a_rising_loss(self, context: StageContext, metrics: dict[str, Any]) -> None:
        """Say where training has made the model worse at what it was shown."""
        first, last = metrics.get("loss_first"), metrics.get("loss_last")
        if first is None or last is None or last <= RISEN * first + 0.01:
            return
        lr = getattr(self.trainer, "lr", None)
        cure = f"trainer.lr={lr:g} is probably too high, for example trainer.lr={lr / 10:.1g}" if lr else "lower its lr"
        context.warn(
            f"round {self.round}: the loss rose from {first:.3f} to {last:.3f} in {metrics['steps']} steps; {cure}"
        )

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{steps} steps on {examples} examples, loss {loss_first:.3f} -> {loss_last:.3f}".format(**metrics)

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {"steps": self.steps} if self.steps else {}


def nothing_kept(round: int, examples: list[Artifact]) -> StarError:
    """Why there is nothing to train on: what the grader said of the rationales, and how to look at them."""
    reasons: Counter[str] = Counter()
    for artifact in examples:
        reasons.update(artifact.metrics.get("reasons", {}))
    counts = ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common())
    judged = f" The grader said: {counts}." if counts else ""
    looks = " and ".join(f"star show {a.key[:12]} --wrong" for a in examples if a.metrics.get("reasons"))
    advice = "a stronger base model, more samples or a higher sampling.temperature may solve some"
    usual = {
        "RUN_ON": "the text goes on after the answer: a stop text of the task or the grader's settings do not fit",
        "TRUNCATED": "the text ends before the answer: raise sampling.max_tokens",
        "NO_ANSWER": "the grader finds no answer: prompt and grader do not fit each other",
        "GRADER_ERROR": "the grader fails on the data: try star grade on a few lines",
    }
    first = reasons.most_common(1)[0][0] if reasons else ""
    hint = "; ".join(x for x in (looks and f"look at them with {looks}", usual.get(first, advice)) if x)
    return StarError(f"no rationale was kept in round {round}, so there is nothing to fine-tune on.{judged}", hint=hint)
