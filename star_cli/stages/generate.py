"""generate: the model writes rationales; every sample is kept, right or wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Engine, Task
from star_cli.core.records import Problem, Rationale, Record, Verdict
from star_cli.core.settings import Sampling
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import check_golds
from star_cli.stages.sampling import SampleWriter
from star_cli.store.artifacts import Artifact


@stage("generate", version=2)
class Generate(Stage):
    """``samples`` rationales for each problem, each with its own seed by hash; with ``hint`` the answer is shown.

    Inputs: ``model``, ``problems`` and, where only the unsolved are asked again, ``solved`` (a filter's verdicts).
    """

    reads, writes = (Problem, Verdict), (Rationale,)
    task: Task
    engine: Engine
    sampling: Sampling
    samples: int
    seed: int
    round: int
    hint: bool = False

    @property
    def device(self) -> str:
        return "engine"

    def run(self, context: StageContext) -> dict[str, Any]:
        started = time.monotonic()
        problems, solved = context.inputs["problems"], _solved(context.inputs.get("solved"))
        if context.grader:
            workers = context.runtime.grade_workers
            check_golds(context.grader, problems, context.max_gold_errors, context.warn, workers)

        def wanted() -> Iterator[tuple[Problem, range]]:
            return ((p, range(self.samples)) for p in problems.read(Problem) if p.id not in solved)

        writer = SampleWriter(context, task=self.task, sampling=self.sampling, seed=self.seed, round=self.round)
        total = (problems.count(Problem) - len(solved)) * self.samples
        with writer:
            if writer.reused < total:  # first, or the display would count the engine's start as writing
                context.session(context.inputs["model"])
            meter = context.meter("rationalize" if self.hint else "generate", total)
            meter.step(writer.reused)
            writer.show = lambda p, r: meter.step(tokens=r.tokens, right=context.glance(p, r))
            try:
                writer.write(wanted, hint=self.hint)
            finally:
                meter.close()
        rows = writer.settle((p.id, n) for p, samples in wanted() for n in samples)
        pictures = {"image_tokens_read": writer.image_tokens} if writer.image_tokens else {}  # by this run, in prompts
        return {
            "samples": rows,
            "reused": writer.reused,
            "tokens": writer.tokens,
            "skipped": len(solved),
            "truncated": writer.truncated,
            **pictures,
            "write_seconds": round(time.monotonic() - started, 3),
        }

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        samples = inputs["problems"].count(Problem) * self.samples
        limit = self.sampling.max_tokens or self.task.max_tokens
        return {"samples": samples, "tokens": samples * limit}

    def rows(self, inputs: dict[str, Artifact]) -> dict[type[Record], int]:
        return {Rationale: inputs["problems"].count(Problem) * self.samples}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        reused = f", {metrics['reused']} of them already written" if metrics.get("reused") else ""
        return f"{metrics['samples']} samples, {metrics['tokens']} tokens{reused}"


def _solved(verdicts: Artifact | None) -> set[str]:
    return {v.problem_id for v in verdicts.read(Verdict) if v.correct} if verdicts else set()
