"""verifier: train a verifier on pairs or on labelled solutions, from the weights it is told to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from star_cli.core.parts import Verifier, VerifyJob
from star_cli.core.records import Labelled, Pair
from star_cli.core.settings import Verification
from star_cli.stages.base import Stage, Work, stage


@stage("verifier")
class TrainVerifier(Stage):
    """Inputs: ``start`` (a model: for DPO its reference, too) and ``data`` (pairs, or labelled solutions)."""

    verifier: Verifier
    settings: dict[str, Any]  # of the training alone: what verification says of candidates is not part of it
    seed: int

    def run(self, work: Work) -> dict[str, Any]:
        data = work.inputs["data"]
        pairs = list(data.read(Pair)) if self.verifier.learns_from == "pairs" else []
        labelled = list(data.read(Labelled)) if self.verifier.learns_from == "labelled" else []
        meter = work.meter("verifier", self.cost(work.inputs)["steps"])
        job = VerifyJob(
            start=work.model(work.inputs["start"]),
            pairs=pairs,
            labelled=labelled,
            out=work.draft.directory("model"),
            scratch=work.draft.directory("scratch", fresh=False),
            seed=self.seed,
            runtime=work.runtime,
            settings=replace(Verification(), **self.settings),
            progress=lambda done, total, loss: meter.step(loss=loss),
        )
        try:
            return self.verifier.train(job)
        finally:
            meter.close()

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        told = getattr(self.verifier, "steps", None) or self.settings["steps"]
        kind = Pair if self.verifier.learns_from == "pairs" else Labelled
        rows = inputs["data"].count(kind)
        return {"steps": told or max(1, -(-int(rows * self.settings["epochs"]) // self.settings["batch"]))}


def training_settings(v: Verification) -> dict[str, Any]:
    """What of ``verification`` decides a verifier's weights."""
    return {
        name: getattr(v, name)
        for name in ("lr", "schedule", "warmup", "batch", "epochs", "steps", "lora_rank", "lora_alpha")
    }
