"""A training of TRL's or transformers' trainers over planned batches: its arguments, checkpoints and metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from star_cli.backends.training.arguments import common_arguments, on_one_device
from star_cli.backends.training.checkpoints import Checkpoints
from star_cli.backends.training.model import LoadedModel
from star_cli.backends.training.plan import Plan, PlannedBatches
from star_cli.backends.training.progress import first_and_last_tenth, watch_callback
from star_cli.backends.training.recipe import Recipe
from star_cli.backends.weights import weights_sha256
from star_cli.core import preemption
from star_cli.core.keys import key
from star_cli.core.parts import PreferenceJob, VerifyJob


class PlannedTraining:
    """One training on one device by a ``recipe`` and a ``plan``; ``content`` is what else decides what it computes."""

    def __init__(self, recipe: Recipe, job: VerifyJob | PreferenceJob, plan: Plan, content: Sequence[Any]) -> None:
        self.recipe, self.job, self.plan = recipe, job, plan
        self.start_weights = weights_sha256(Path(job.start.path))
        self.checkpoints = Checkpoints(job.scratch / "checkpoints", key([*content, job.seed, self.start_weights]))

    def arguments(self, kind: type, **more: Any) -> Any:
        """TrainingArguments (or a subclass) with these settings."""
        arguments = kind(
            **common_arguments(self.recipe, self.plan.steps, self.job.seed, self.checkpoints.folder),
            gradient_accumulation_steps=self.plan.parts,
            per_device_train_batch_size=math.ceil(self.plan.batch / self.plan.parts),
            remove_unused_columns=False,
            **more,
        )
        return on_one_device(arguments)

    def callback(self) -> Any:
        """It reports every step, stops at a loss that is no number, and keeps checkpoints."""
        return watch_callback(self.recipe, self.job, self.plan, self.checkpoints)

    def loader(self, rows: Sequence[Any], collate: Any) -> Any:
        """The planned batches of ``rows``."""
        from torch.utils.data import DataLoader

        return DataLoader(list(rows), batch_sampler=PlannedBatches(self.plan, 0), collate_fn=collate)

    def run(self, trainer: Any, loaded: LoadedModel) -> list[dict[str, float]]:
        """Train, from the newest checkpoint of this very training where there is one; returns what was logged."""
        from transformers import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        checkpoint = self.checkpoints.newest()
        loaded.take_weights(checkpoint)
        with preemption.finishing_steps():
            trainer.train(resume_from_checkpoint=checkpoint)
        self.checkpoints.remove()
        return [entry for entry in trainer.state.log_history if "loss" in entry]

    def metrics(self, logs: Sequence[dict[str, float]]) -> dict[str, Any]:
        """Losses over the first and the last tenth of the steps, steps, passes over the data, weights."""
        first, last = first_and_last_tenth([entry["loss"] for entry in logs])
        return {
            "loss_first": round(first, 6),
            "loss_last": round(last, 6),
            "steps": self.plan.steps,
            "epochs": self.plan.epochs,
            "sequence_tokens": self.plan.total(self.plan.lengths),
            "start_weights": self.start_weights,
            "end_weights": weights_sha256(self.job.out),
        }
