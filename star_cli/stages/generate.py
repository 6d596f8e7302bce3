"""generate: the model writes rationales; every sample is kept, right or wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import tee
from typing import Any

from star_cli.core.keys import seed_of
from star_cli.core.parts import Engine, Grader, Prompt, Request, Task
from star_cli.core.records import Problem, Rationale, Verdict, decode
from star_cli.core.settings import Sampling
from star_cli.errors import EngineDied
from star_cli.stages.base import Stage, Work, stage
from star_cli.stages.grading.cache import Early, place
from star_cli.stages.grading.judge import check_golds, judged
from star_cli.store.artifacts import Artifact, Journal, full_disk


@stage("generate")
class Generate(Stage):
    """``samples`` completions for each problem, each with its own seed by hash.

    Inputs: ``model``, ``problems`` and, where only the unsolved are asked again, ``solved`` (a filter's verdicts).
    With ``stop_after`` samples are asked for in waves of 1, 1, 2, 4, ... and a problem with that many right ones (by
    ``grader``) in the waves before gets no further one: the result depends on seeds alone, never on timing.
    A grader that works in processes of its own begins while text is being written (early.py).
    """

    task: Task
    engine: Engine
    sampling: Sampling
    samples: int
    seed: int
    round: int
    hint: bool = False
    stop_after: int = 0
    grader: Grader | None = None

    def run(self, work: Work) -> dict[str, Any]:
        started = time.monotonic()
        if work.grader:
            check_golds(
                work.grader, work.inputs["problems"], work.max_gold_errors, work.warn, work.runtime.grade_workers
            )
        journal = work.draft.journal(Rationale)
        if journal.torn:
            work.warn("cut off one torn line left by an interrupted run; that sample is written again")
        problems, skip = work.inputs["problems"], _solved(work.inputs.get("solved"))
        reused = len(journal.offsets)
        total = (problems.count(Problem) - len(skip)) * self.samples
        if reused < total:
            work.session(work.inputs["model"])  # first, or the display would count the engine's start as writing
        meter = work.meter("rationalize" if self.hint else "generate", total)
        meter.step(reused)
        early = self._early(work)
        try:
            tally = Tally(self, work, journal, meter, skip, early)
            for wave in waves(self.samples) if self.stop_after else [range(self.samples)]:
                self._wave(work, tally, wave)
                if wave.stop < self.samples:
                    tally.judge(wave)
        finally:
            meter.close()
            if early:
                early.close()
            journal.sync()
        order = ((p.id, s) for p in problems.read(Problem) for s in range(self.samples) if (p.id, s) in journal.offsets)
        rows = work.draft.settle(journal, order)
        seen = {"image_tokens_read": tally.image_tokens} if tally.image_tokens else {}  # by this run, in prompts
        return {
            "samples": rows,
            "reused": reused,
            "tokens": tally.tokens,
            "skipped": len(skip),
            "truncated": tally.truncated,
            **seen,
            "write_seconds": round(time.monotonic() - started, 3),
        }

    def _early(self, work: Work) -> Early | None:
        grader = self.grader or work.grader
        if grader is None or not grader.isolated or not work.runtime.grade_early:
            return None
        path = place(work.draft.path.parent, work.draft.key, grader)
        return Early(grader, path, work.runtime.grade_workers, work.warn)

    def _wave(self, work: Work, tally: Tally, wave: range) -> None:
        model = work.inputs["model"]
        session = work.session(model)
        for attempt in range(2):
            try:
                for done in self.task.converse(session, tally.requests(wave)):
                    tally.record(done)
                return
            except EngineDied as e:
                if attempt:
                    raise
                tally.pending.clear()
                tally.journal.sync()
                session = work.revive(model, e)

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        limit = self.sampling.max_tokens or self.task.max_tokens
        samples = inputs["problems"].count(Problem) * self.samples
        return {"samples": samples, "tokens": samples * limit}


class Tally:
    """The bookkeeping of one run of the stage: what is asked for, written, and, after a wave, right."""

    def __init__(
        self, spec: Generate, work: Work, journal: Journal, meter: Any, skip: set[str], early: Early | None = None
    ) -> None:
        self.spec, self.work, self.journal, self.meter, self.skip, self.early = spec, work, journal, meter, skip, early
        self.right: dict[str, int] = {}
        self.pending: dict[tuple[str, int], tuple[Problem, int, str]] = {}
        self.tokens = self.truncated = self.image_tokens = 0
        self.synced = time.monotonic()
        self._replay()

    def _replay(self) -> None:
        """Count what an interrupted run had written."""
        for problem, rationale in self._written(range(self.spec.samples)) if self.journal.offsets else ():
            self._count(problem, rationale)

    def _written(self, samples: range) -> Iterator[tuple[Problem, Rationale]]:
        """What the journal holds of these samples, in the order of the problems."""
        held = ((p, (p.id, s)) for p in self.work.inputs["problems"].read(Problem) for s in samples)
        ours, places = tee((p, at) for p, at in held if at in self.journal.offsets)
        for (problem, _), line in zip(ours, self.journal.ordered(at for _, at in places), strict=True):
            yield problem, decode(line, Rationale, str(self.journal.path))

    def _count(self, problem: Problem, rationale: Rationale) -> None:
        self.tokens += rationale.tokens
        self.truncated += rationale.finish == "length"
        if self.early:
            self.early.offer(problem, rationale)

    def judge(self, wave: range) -> None:
        """Count the right samples of a finished wave, whichever run wrote them."""
        grader = self.spec.grader
        if grader is None:
            return
        items = self._written(wave)
        verdicts = self.early.verdicts(items) if self.early else judged(grader, items, self.work.runtime.grade_workers)
        for problem, _, verdict in verdicts:
            self.right[problem.id] = self.right.get(problem.id, 0) + verdict.correct

    def requests(self, wave: range) -> Iterator[Request]:
        """The requests of one wave that are still to be written, lazily."""
        spec = self.spec
        limit = spec.sampling.max_tokens or spec.task.max_tokens
        stop = spec.task.stop
        for problem in self.work.inputs["problems"].read(Problem):
            if problem.id in self.skip or (spec.stop_after and self.right.get(problem.id, 0) >= spec.stop_after):
                continue
            prompt: Prompt | None = None
            for sample in wave:
                at = (problem.id, sample)
                if at in self.journal.offsets:
                    continue
                if prompt is None:
                    prompt = spec.task.prompt(problem, hint=spec.hint)
                    address = prompt.address
                seed = seed_of(spec.seed, spec.round, spec.hint, problem.id, sample)
                self.pending[at] = (problem, seed, address)
                yield Request(at, prompt, spec.sampling, limit, stop, seed)

    def record(self, done: Any) -> None:
        """Write one completion down."""
        problem, seed, address = self.pending.pop(done.id)
        self.image_tokens += done.image_tokens
        rationale = Rationale(
            problem_id=problem.id,
            sample=done.id[1],
            text=done.text,
            hinted=self.spec.hint,
            finish=done.finish,
            tokens=done.tokens,
            logprob=done.logprob,
            seed=seed,
            prompt_key=address,
        )
        with full_disk(str(self.journal.path)):
            self.journal.append(rationale)
            if time.monotonic() - self.synced > self.work.runtime.sync_seconds:
                self.journal.sync()
                self.synced = time.monotonic()
        self._count(problem, rationale)
        self.meter.step(tokens=done.tokens, right=self.work.glance(problem, rationale))


def waves(samples: int) -> Iterator[range]:
    """The waves 1, 1, 2, 4, ... that add up to ``samples``: range(0,1), range(1,2), range(2,4), range(4,8), ..."""
    start, size = 0, 1
    while start < samples:
        stop = min(samples, start + size)
        yield range(start, stop)
        start, size = stop, max(1, stop)


def _solved(verdicts: Artifact | None) -> set[str]:
    return {v.problem_id for v in verdicts.read(Verdict) if v.correct} if verdicts else set()
