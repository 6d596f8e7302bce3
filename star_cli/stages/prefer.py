"""prefer: train a model on pairs of a right and a wrong solution, from the weights that are also the reference."""

from __future__ import annotations

from typing import Any

from star_cli.core.parts import PreferenceJob, Trainer
from star_cli.core.records import Pair
from star_cli.stages.base import Stage, StageContext, stage


@stage("prefer")
class Prefer(Stage):
    """Inputs: ``start`` (a model, and DPO's reference) and ``pairs``. The artifact is a model.

    ``beta`` weighs the distance to the reference, ``loss`` is one that TRL's DPO knows, ``nll`` the weight of the
    chosen solution's negative log-likelihood a token (RPO).
    """

    reads = (Pair,)
    makes = "model"
    trainer: Trainer
    beta: float
    nll: float
    loss: str
    steps: int | None
    epochs: float | None
    seed: int
    round: int

    @property
    def device(self) -> str:
        return "trainer"

    def run(self, context: StageContext) -> dict[str, Any]:
        meter = context.meter("prefer", self.steps or 0)
        job = PreferenceJob(
            start=context.model(context.inputs["start"]),
            pairs=list(context.inputs["pairs"].read(Pair)),
            out=context.draft.directory("model"),
            scratch=context.draft.directory("scratch", fresh=False),
            seed=self.seed,
            runtime=context.runtime,
            beta=self.beta,
            nll=self.nll,
            loss=self.loss,
            steps=self.steps,
            epochs=self.epochs,
            progress=lambda done, total, loss: meter.step(loss=loss),
        )
        try:
            return self.trainer.prefer(job)
        finally:
            meter.close()

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        ranks = (
            ", ranks {preferred_first:.1%} -> {preferred_last:.1%} of pairs right"
            if "preferred_last" in metrics
            else ""
        )
        return ("{steps} steps on {pairs} pairs, loss {loss_first:.3f} -> {loss_last:.3f}" + ranks).format(**metrics)

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {"steps": self.steps} if self.steps else {}
