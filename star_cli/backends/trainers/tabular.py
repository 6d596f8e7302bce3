"""tabular: fine-tuning a transition table is counting; every row becomes the kept examples' conditional frequencies.

RL-STaR's ``Train`` (Chang et al. 2024): with infinitely many examples exactly the theory's round. A row that no example
visits stays what it is in the model that training starts from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.keys import file_sha256
from star_cli.core.parts import Trainer, TrainJob
from star_cli.core.records import Example
from star_cli.core.registry import register
from star_cli.lib.theory.policy import Policy


@register("trainer", "tabular")
class Tabular(Trainer):
    """Lessons (``origin`` gold) teach nothing: the base table is exact as it was made."""

    generalises: ClassVar[bool] = False

    def train(self, job: TrainJob) -> dict[str, Any]:
        start = Policy.load(job.start.path)
        kept = [e for e in job.examples if e.origin not in ("gold", "lesson")]
        after, empty = start.refitted((e.prompt, e.completion) for e in kept)
        after.save(job.out)
        sample = {(e.prompt, e.completion): e for e in job.examples}
        canary = [canary_row(after, e) for e in list(sample.values())[:16]]
        (job.out / "canary.json").write_text(json.dumps(canary) + "\n")
        job.progress(1, 1, loss(after, job.examples))
        rows = start.tables.shape[0] * start.tables.shape[1]
        return {
            "loss_first": loss(start, job.examples),
            "loss_last": loss(after, job.examples),
            "steps": 1,
            "examples": len(job.examples),
            "rows": rows,
            "rows_without_data": empty,
            "start_weights": file_sha256(_file(job.start.path)),
            "end_weights": file_sha256(_file(str(job.out))),
        }


def canary_row(policy: Policy, e: Example) -> dict[str, Any]:
    """An example with the log-probability the new tables give it; a token is a line."""
    return {
        "prompt": e.prompt,
        "completion": e.completion,
        "tokens": len(policy.pairs(e.prompt, e.completion)),
        "logprob": policy.loglikelihood(e.prompt, e.completion),
    }


def loss(policy: Policy, examples: list[Example]) -> float:
    """Mean negative log-probability of a step in nats, over at most 512 examples."""
    some = examples[:: max(1, len(examples) // 512)]
    steps = sum(len(policy.pairs(e.prompt, e.completion)) for e in some)
    return abs(sum(policy.loglikelihood(e.prompt, e.completion) for e in some)) / max(steps, 1)


def _file(directory: str) -> Path:
    return Path(directory) / "tables.npy"
