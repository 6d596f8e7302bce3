"""sft: supervised fine-tuning with TRL; the loss is on the completion and the end of text, never on the prompt.

{"prompt": "17+25=", "completion": " 7+5=12 carry 1; 42", "origin": "own"}
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from star_cli.backends.training import environment, policy, preference
from star_cli.backends.training.checkpoints import Checkpoints
from star_cli.backends.training.data import encode_examples, make_canary
from star_cli.backends.training.distributed import fit_in_processes
from star_cli.backends.training.loop import fit
from star_cli.backends.training.plan import Plan
from star_cli.backends.training.planned import PlannedTraining
from star_cli.backends.training.progress import diverged, first_and_last_tenth
from star_cli.backends.training.recipe import Recipe
from star_cli.backends.vision import copy_canary_pictures
from star_cli.backends.weights import local_model, save_model, weights_sha256
from star_cli.core.keys import key
from star_cli.core.parts import PolicyJob, PreferenceJob, Trainer, TrainJob
from star_cli.core.registry import register
from star_cli.errors import need


@register("trainer", "sft")
class Sft(Recipe, Trainer):
    """AdamW on every weight, or on low-rank adapters (``lora_rank``) that are merged before saving.

    ``batch`` counts the sequences of one optimiser step over all devices, at most all there are; its loss is the mean
    over their completion tokens, however they are split: ``micro_batch`` is the most sequences in one forward pass
    (null: what suits the device). ``warmup`` counts steps. An example longer than ``max_length`` tokens, or than the
    model's context, is left out and counted, never cut. ``packing`` lays the sequences of a forward pass end to end
    instead of padding them (null: where flash-attn is installed and the device is CUDA). Weights in half precision are
    trained in float32 (with ``lora_rank`` only the adapters are) and saved as they came.
    ``keep_optimizer`` writes the optimiser's state beside the weights (8 bytes a weight) and begins with that of its
    start, where there is one; the learning rate's schedule begins anew. One device.
    """

    packages = ("torch", "transformers", "trl")
    learns_from: ClassVar[tuple[str, ...]] = ("examples", "pairs", "rewards")

    def train(self, job: TrainJob) -> dict[str, Any]:
        """Train from ``job.start`` and write the new model to ``job.out``.

        Metrics: mean loss over the first and the last tenth of the steps (nats a token), steps, epochs, examples,
        tokens (completion tokens trained on), dropped_long, sha256 of the weights at the start and at the end.
        """
        self.check()
        need(bool(job.examples), "there is no example to train on", "look at what the filter kept, with star show")
        with environment.training_environment(job.runtime.train_threads):
            job = replace(job, start=local_model(job.start))
            start = Path(job.start.path)
            start_weights = weights_sha256(start)
            data = encode_examples(self, job)
            plan = Plan.of(self, job, data.lengths(), environment.processes(job.runtime))
            need(
                plan.world == 1 or not self.keep_optimizer,
                f"trainer.keep_optimizer=true trains on one device only, got runtime.gpus={job.runtime.gpus}",
                "set runtime.gpus=1",
            )
            fingerprint = key([self, job.seed, plan.steps, start_weights, data.digest()])
            checkpoints = Checkpoints(job.scratch / "checkpoints", fingerprint)
            resume = checkpoints.newest()
            if plan.world == 1:
                losses, model = fit(self, job, data, plan, checkpoints, resume)
            else:
                losses, model = fit_in_processes(self, job, plan, checkpoints, resume)
            canary = make_canary(model, data)
            if not all(math.isfinite(row["logprob"]) for row in canary):
                if plan.world > 1:
                    shutil.rmtree(job.out)
                raise diverged(self, plan.steps, plan.steps)
            if plan.world == 1:
                save_model(model, start, job.out)
            del model
        canary = copy_canary_pictures(canary, job.out)
        (job.out / "canary.json").write_text(json.dumps(canary, ensure_ascii=False, indent=1) + "\n", "utf-8")
        checkpoints.remove()
        first, last = first_and_last_tenth(losses)
        return {
            "loss_first": round(first, 6),
            "loss_last": round(last, 6),
            "steps": plan.steps,
            "epochs": plan.epochs,
            "examples": len(data.rows),
            "tokens": plan.total(data.completion_lengths()),
            "sequence_tokens": plan.total(plan.lengths),
            "dropped_long": data.dropped,
            **data.picture_counts(),
            "start_weights": start_weights,
            "end_weights": weights_sha256(job.out),
        }

    def prefer(self, job: PreferenceJob) -> dict[str, Any]:
        """Train on pairs with the same optimiser, ``batch`` pairs a step, by TRL's DPO loss. One device.

        Metrics are those of ``preference.prefer``.
        """
        self.check()
        self._refuse_optimizer("pairs")
        with environment.training_environment(job.runtime.train_threads):
            job = replace(job, start=local_model(job.start))
            data = preference.PairData.of(job)
            plan = Plan.of(self, job, data.lengths(), 1)
            content = [self, plan.steps, job.beta, job.nll, job.loss, data.rows]
            training = PlannedTraining(self, job, plan, content)
            return preference.prefer(training, data, beta=job.beta, loss=job.loss, nll=job.nll)

    def reinforce(self, job: PolicyJob) -> dict[str, Any]:
        """Train by rewards with the same optimiser, ``batch`` completions a step, by TRL's GRPO. One device.

        Metrics are those of ``policy.reinforce``.
        """
        self.check()
        self._refuse_optimizer("rewards")
        with environment.training_environment(job.runtime.train_threads):
            return policy.reinforce(self, replace(job, start=local_model(job.start)))

    def _refuse_optimizer(self, what: str) -> None:
        need(
            not self.keep_optimizer,
            f"trainer.keep_optimizer=true keeps no state of a training on {what}",
            "leave it out",
        )
