"""generate: the model writes rationales; every sample is kept, right or wrong."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from star_cli.core.parts import Engine, Grader, Meter, Task
from star_cli.core.records import Problem, Rationale, Record, Verdict
from star_cli.core.settings import Sampling
from star_cli.errors import need
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import check_golds
from star_cli.stages.sampling import SampleWriter
from star_cli.store.artifacts import Artifact


@stage("generate", version=2)
class Generate(Stage):
    """``samples`` rationales for each problem, each with its own seed by hash; with ``hint`` the answer is shown.

    Inputs: ``model``, ``problems`` and, where only the unsolved are asked again, ``solved`` (a filter's verdicts).
    With ``sampling.stop_after`` samples are asked for in waves of 1, 1, 2, 4, ...; a problem with that many right ones,
    by ``grader``, in the waves before gets no further one.
    """

    reads, writes = (Problem, Verdict), (Rationale,)
    task: Task
    engine: Engine
    sampling: Sampling
    samples: int
    seed: int
    round: int
    hint: bool = False
    grader: Grader | None = None  # part of the key where it decides what is written

    def __post_init__(self) -> None:
        need(not self.sampling.stop_after or self.grader is not None, "sampling.stop_after needs a grader")

    @property
    def device(self) -> str:
        return "engine"

    def run(self, context: StageContext) -> dict[str, Any]:
        started = time.monotonic()
        problems, solved = context.inputs["problems"], _solved(context.inputs.get("solved"))
        if context.grader:
            workers = context.runtime.grade_workers
            check_golds(context.grader, problems, context.max_gold_errors, context.warn, workers)

        writer = SampleWriter(context, task=self.task, sampling=self.sampling, seed=self.seed, round=self.round)
        total = (problems.count(Problem) - len(solved)) * self.samples
        with writer:
            if writer.reused < total:  # first, or the display would count the engine's start as writing
                context.session(context.inputs["model"])
            meter = context.meter("rationalize" if self.hint else "generate", total)
            meter.step(writer.reused)
            writer.show = lambda p, r: meter.step(tokens=r.tokens, right=context.glance(p, r))
            try:
                spared = self._write(writer, lambda: (p for p in problems.read(Problem) if p.id not in solved), meter)
            finally:
                meter.close()
        rows = writer.settle((p.id, n) for p in problems.read(Problem) for n in range(self.samples))
        pictures = {"image_tokens_read": writer.image_tokens} if writer.image_tokens else {}  # by this run, in prompts
        return {
            "samples": rows,
            "reused": writer.reused,
            "tokens": writer.tokens,
            "skipped": len(solved),
            "truncated": writer.truncated,
            **({"spared": spared} if self.sampling.stop_after else {}),  # samples that were not needed
            **pictures,
            "write_seconds": round(time.monotonic() - started, 3),
        }

    def _write(self, writer: SampleWriter, problems: Callable[[], Iterator[Problem]], meter: Meter) -> int:
        """Have all samples written, wave by wave where solved problems stop; returns how many were not needed."""
        stop_after, grader = self.sampling.stop_after, self.grader
        if grader is None:
            writer.write(lambda: ((p, range(self.samples)) for p in problems()), hint=self.hint)
            return 0
        right: Counter[str] = Counter()
        spared = 0
        for wave in waves(self.samples):
            asked = {p.id for p in problems() if right[p.id] < stop_after}
            skipped = len(wave) * (sum(1 for _ in problems()) - len(asked))
            spared += skipped
            meter.step(skipped)

            def wanted(wave: range = wave, asked: set[str] = asked) -> Iterator[tuple[Problem, range]]:
                return ((p, wave) for p in problems() if p.id in asked)

            writer.write(wanted, hint=self.hint)
            if wave.stop < self.samples:
                for p, _, verdict in writer.verdicts(grader, writer.written((p, n) for p, w in wanted() for n in w)):
                    right[p.id] += verdict.correct
        return spared

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


def waves(samples: int) -> Iterator[range]:
    """The waves 1, 1, 2, 4, ... that add up to ``samples``: range(0, 1), range(1, 2), range(2, 4), range(4, 8), ..."""
    start, size = 0, 1
    while start < samples:
        stop = min(samples, start + size)
        yield range(start, stop)
        start, size = stop, max(1, stop)


def _solved(verdicts: Artifact | None) -> set[str]:
    return {v.problem_id for v in verdicts.read(Verdict) if v.correct} if verdicts else set()
