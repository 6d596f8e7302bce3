"""generate: the model writes rationales; every sample is kept, right or wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from star_cli.canon import key, seed_of
from star_cli.errors import EngineDied
from star_cli.parts import Engine, Grader, Prompt, Request, Sampling, Stage, Task, Work, stage
from star_cli.records import Problem, Rationale, Verdict
from star_cli.store import Artifact, Journal, full_disk


@stage("generate")
class Generate(Stage):
    """``samples`` completions for each problem, each with its own seed by hash.

    Inputs: ``model``, ``problems`` and, where only the unsolved are asked again, ``solved`` (a filter's verdicts).
    With ``stop_after`` samples are asked for in waves of 1, 1, 2, 4, ... and a problem with that many right ones (by
    ``grader``) gets no further wave: the result depends on seeds alone, never on timing.
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
        tally = Tally(self, work, journal, meter, dict.fromkeys(skip, 0))
        try:
            for wave in waves(self.samples) if self.stop_after else [range(self.samples)]:
                self._wave(work, tally, wave)
        finally:
            meter.close()
            journal.sync()
        order = ((p.id, s) for p in problems.read(Problem) for s in range(self.samples) if (p.id, s) in journal.offsets)
        rows = work.draft.settle(journal, order)
        return {"samples": rows, "reused": reused, "tokens": tally.tokens, "skipped": len(skip),
                "truncated": tally.truncated, "write_seconds": round(time.monotonic() - started, 3)}

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
    """The bookkeeping of one run of the stage: what is asked for, written, and already right."""

    def __init__(self, spec: Generate, work: Work, journal: Journal, meter: Any, right: dict[str, int]) -> None:
        self.spec, self.work, self.journal, self.meter = spec, work, journal, meter
        self.skip = frozenset(right)
        self.right: dict[str, int] = {}
        self.pending: dict[tuple[str, int], tuple[Problem, int, str]] = {}
        self.tokens = self.truncated = 0
        self.synced = time.monotonic()
        self._replay()

    def _replay(self) -> None:
        """Count what an interrupted run had written."""
        from star_cli.records import decode

        problems = self.work.inputs["problems"]
        for problem in problems.read(Problem) if self.journal.offsets else ():
            for sample in range(self.spec.samples):
                if (problem.id, sample) in self.journal.offsets:
                    line = self.journal.read((problem.id, sample))
                    self._count(problem, decode(line, Rationale, str(self.journal.path)))

    def _count(self, problem: Problem, rationale: Rationale) -> Verdict | None:
        self.tokens += rationale.tokens
        self.truncated += rationale.finish == "length"
        if not self.spec.grader:
            return None
        verdict = self.spec.grader.grade(problem, rationale)
        self.right[problem.id] = self.right.get(problem.id, 0) + verdict.correct
        return verdict

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
                    address = key([prompt.text, list(prompt.images)])[:16]
                seed = seed_of(spec.seed, spec.round, spec.hint, problem.id, sample)
                self.pending[at] = (problem, seed, address)
                yield Request(at, prompt, spec.sampling, limit, stop, seed)

    def record(self, done: Any) -> None:
        """Write one completion down."""
        problem, seed, address = self.pending.pop(done.id)
        rationale = Rationale(
            problem_id=problem.id, sample=done.id[1], text=done.text, hinted=self.spec.hint, finish=done.finish,
            tokens=done.tokens, logprob=done.logprob, seed=seed, prompt_key=address)
        with full_disk(str(self.journal.path)):
            self.journal.append(rationale)
            if time.monotonic() - self.synced > self.work.runtime.sync_seconds:
                self.journal.sync()
                self.synced = time.monotonic()
        verdict = self._count(problem, rationale)
        right = verdict.correct if verdict else self.work.glance(problem, rationale)
        self.meter.step(tokens=done.tokens, right=right)


def waves(samples: int) -> Iterator[range]:
    """The waves 1, 1, 2, 4, ... that add up to ``samples``: range(0,1), range(1,2), range(2,4), range(4,8), ..."""
    start, size = 0, 1
    while start < samples:
        stop = min(samples, start + size)
        yield range(start, stop)
        start, size = stop, max(1, stop)


def _solved(verdicts: Artifact | None) -> set[str]:
    return {v.problem_id for v in verdicts.read(Verdict) if v.correct} if verdicts else set()
