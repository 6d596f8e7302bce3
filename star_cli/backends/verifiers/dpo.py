"""dpo: a verifier by direct preference optimisation, as in V-STaR (Hosseini et al. 2024, arXiv 2402.06457).

It starts from the generator's SFT weights, which are also its reference; a candidate's score is its log-likelihood
under the trained weights, log V(solution | problem), never the ratio to the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from star_cli.backends.training.environment import training_environment
from star_cli.backends.training.forward import likelihoods
from star_cli.backends.training.preference import PairData, prefer
from star_cli.backends.training.verifier_training import VerifierTraining, local_job
from star_cli.core.keys import key
from star_cli.core.parts import ModelRef, Verifier, VerifyJob
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import need


@register("verifier", "dpo", version=2)
class Dpo(Verifier):
    """TRL's DPO loss on (right, wrong) pairs of the same problem; ``beta`` weighs the distance to the reference.

    ``lr`` and ``steps`` replace those of ``verification`` for this verifier. The end of text is part of a solution.
    The paper compares three values of beta and names none; .1 is the one of the DPO paper. One device.
    """

    packages = ("torch", "transformers", "trl")
    learns_from: ClassVar[str] = "pairs"
    likelihood: ClassVar[bool] = True
    beta: float = 0.1
    loss: str = "sigmoid"  # any loss_type TRL knows: sigmoid, ipo, hinge, ...
    lr: float | None = None
    steps: int | None = None

    def check(self) -> None:
        need(self.beta > 0, f"verifier.beta must be > 0, got {self.beta}", "DPO's own papers use .1 to .5")
        need(self.lr is None or self.lr > 0, f"verifier.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"verifier.steps must be >= 1 or null, got {self.steps}")

    def train(self, job: VerifyJob) -> dict[str, Any]:
        """Train and save; the metrics are those of ``preference.prefer``."""
        with training_environment(job.runtime.train_threads):
            job = local_job(job)
            data = PairData.of(job)
            training = VerifierTraining(self, job, data.lengths(), key(data.rows))
            return prefer(training, data, beta=self.beta, loss=self.loss, nll=0.0)

    def score(self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime) -> list[float]:
        """log V(completion, end of text | prompt) in nats."""
        return likelihoods(model, items, runtime.train_threads)

    def engine_is_faster(self) -> bool:
        """On a GPU, where the engine keeps it full; on a CPU the two are alike, and no weights need to be swapped."""
        import torch

        return bool(torch.cuda.is_available())
