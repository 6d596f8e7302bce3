"""finetune: train a model on kept examples, from the weights it is told to start from."""

from __future__ import annotations

from typing import Any

from star_cli.core.parts import Trainer, TrainJob
from star_cli.core.records import Example
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage, with_picture_paths


@stage("finetune")
class Finetune(Stage):
    """Inputs: ``start`` (a model) and ``examples.0``, ``examples.1``, ... (artifacts that hold examples)."""

    reads, writes = (Example,), (Example,)
    makes = "model"
    trainer: Trainer
    steps: int | None
    epochs: float | None
    seed: int
    round: int

    @property
    def device(self) -> str:
        return "trainer"

    def run(self, context: StageContext) -> dict[str, Any]:
        rows = [e for a in context.numbered() for e in a.read(Example)]
        if not rows:
            raise StarError(
                f"no rationale was kept in round {self.round}, so there is nothing to fine-tune on",
                hint="a stronger base model, more samples or a higher sampling.temperature may solve some",
            )
        context.draft.write(Example, _numbered(rows))
        meter = context.meter("finetune", self.steps or 0)
        job = TrainJob(
            start=context.model(context.inputs["start"]),
            examples=with_picture_paths(rows, context.picture),
            out=context.draft.directory("model"),
            scratch=context.draft.directory("scratch", fresh=False),
            seed=self.seed,
            runtime=context.runtime,
            steps=self.steps,
            epochs=self.epochs,
            progress=lambda done, total, loss: meter.step(loss=loss),
        )
        try:
            metrics = self.trainer.train(job)
        finally:
            meter.close()
        origins: dict[str, int] = {}
        for e in rows:
            origins[e.origin] = origins.get(e.origin, 0) + 1
        return {**metrics, "origins": origins}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{steps} steps on {examples} examples, loss {loss_first:.3f} -> {loss_last:.3f}".format(**metrics)

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {"steps": self.steps} if self.steps else {}


def _numbered(rows: list[Example]) -> list[Example]:
    """The examples as they were trained on; a row that several sources hold is written once."""
    return list({e.identity(): e for e in rows}.values())
