"""verifier: train a verifier on pairs or on labelled solutions, from the weights it is told to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from star_cli.core.parts import Verifier, VerifyJob
from star_cli.core.records import Labelled, Pair, Record, Stepped
from star_cli.core.settings import Verification
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.losses import watched

KINDS: dict[str, type[Record]] = {"pairs": Pair, "labelled": Labelled, "steps": Stepped}  # by Verifier.learns_from


@stage("verifier")
class TrainVerifier(Stage):
    """Inputs: ``start`` (a model: for DPO its reference, too) and ``data`` (pairs, or labelled solutions)."""

    reads: ClassVar[tuple[type[Record], ...]] = (Pair, Labelled)
    makes = "verifier"
    verifier: Verifier
    settings: dict[str, Any]  # of the training alone: what verification says of candidates is not part of it
    seed: int

    @property
    def device(self) -> str:
        return "trainer"

    @property
    def _kind(self) -> Any:
        """The records that it learns from."""
        return KINDS[self.verifier.learns_from]

    def run(self, context: StageContext) -> dict[str, Any]:
        data, kind = list(context.inputs["data"].read(self._kind)), self._kind
        with watched(context, "verifier", self.cost(context.inputs)["steps"]) as losses:
            return self.verifier.train(
                VerifyJob(
                    start=context.model(context.inputs["start"]),
                    pairs=data if kind is Pair else [],
                    labelled=data if kind is Labelled else [],
                    stepped=data if kind is Stepped else [],
                    out=context.draft.directory("model"),
                    scratch=context.draft.directory("scratch", fresh=False),
                    seed=self.seed,
                    runtime=context.runtime,
                    settings=replace(Verification(), **self.settings),
                    progress=losses.progress(),
                )
            )

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        ranks = f", ranks {metrics['preferred_last']:.1%} of pairs right" if "preferred_last" in metrics else ""
        loss = ", loss {loss_first:.3f} -> {loss_last:.3f}".format(**metrics) if "loss_first" in metrics else ""
        return f"{metrics['steps']} steps{loss}{ranks}"

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        steps = getattr(self.verifier, "steps", None) or self.settings["steps"]
        rows = inputs["data"].count(self._kind)
        return {"steps": steps or max(1, -(-int(rows * self.settings["epochs"]) // self.settings["batch"]))}


@stage("process_verifier")
class TrainProcessVerifier(TrainVerifier):
    """Inputs: ``start`` (a model) and ``data`` (solutions with labelled steps)."""

    reads = (Stepped,)

    @property
    def device(self) -> str:
        return "trainer"


def training_settings(v: Verification) -> dict[str, Any]:
    """What of ``verification`` decides a verifier's weights."""
    return {
        name: getattr(v, name)
        for name in ("lr", "schedule", "warmup", "batch", "epochs", "steps", "lora_rank", "lora_alpha")
    }
