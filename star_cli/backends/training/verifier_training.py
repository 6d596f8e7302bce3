"""What the verifiers' trainings share: the optimiser's settings and the order of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from star_cli.backends.training.environment import tokens_at_once
from star_cli.backends.training.plan import Plan
from star_cli.backends.training.planned import PlannedTraining
from star_cli.backends.training.recipe import Recipe
from star_cli.backends.weights import local_model
from star_cli.core.parts import Verifier, VerifyJob


def local_job(job: VerifyJob) -> VerifyJob:
    """The same job with its start as a directory on this machine."""
    return replace(job, start=local_model(job.start))


class VerifierTraining(PlannedTraining):
    """One training of a verifier: ``lengths`` are the tokens of each unit of the data (a pair, or a solution)."""

    def __init__(self, verifier: Verifier, job: VerifyJob, lengths: Sequence[int], digest: str) -> None:
        s = job.settings
        recipe = Recipe(
            lr=verifier.lr or s.lr,
            schedule=s.schedule,
            warmup=s.warmup,
            batch=s.batch,
            lora_rank=s.lora_rank,
            lora_alpha=s.lora_alpha,
        )
        batch = min(s.batch, len(lengths))
        steps = verifier.steps or s.steps or math.ceil(s.epochs * len(lengths) / batch)
        micro = max(1, tokens_at_once() // max(lengths))
        plan = Plan(list(lengths), steps, batch, min(math.ceil(batch / micro), batch), 1, job.seed)
        super().__init__(recipe, job, plan, [verifier, s.lr, s.schedule, s.warmup, steps, batch, digest])
