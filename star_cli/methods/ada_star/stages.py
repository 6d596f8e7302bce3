"""ada_sample and ada_state: AdaSTaR's sampling in the order of its heap, and the heap after a round (adastar.py)."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from star_cli.core.keys import seed_of
from star_cli.core.parts import RUNTIME, Engine, Grader, Request, Task
from star_cli.core.records import Example, Metric, Peek, Priority, Problem, Rationale, Verdict, decode
from star_cli.core.settings import Sampling
from star_cli.errors import EngineDied, StarError
from star_cli.methods.ada_star.heap import Heap, fresh, replaced
from star_cli.stages.base import Stage, Work, stage
from star_cli.stages.grading.judge import Errors, check_golds
from star_cli.stages.grading.pool import Job, Pool, judge
from star_cli.store.artifacts import Artifact, Journal, full_disk


@stage("ada_sample")
class AdaSample(Stage):
    """Inputs: ``model``, ``problems`` and, after the first round, ``state`` (the heap after the round before).

    Problems are looked at in the heap's order until ``target`` examples are collected (or no problem is left). Each
    gets up to ``samples`` attempts; with ``rationalize`` the last of them shows the answer, and is made only where all
    others were wrong. ``until_right`` makes no further attempt once one is right. Right attempts become examples; equal
    texts of a problem count once with ``dedupe``; ``truncate`` cuts what goes beyond ``target``.

    Problems are generated in chunks, yet the artifact is what one after the other would give: seeds are by hash, and
    problems of the last chunk behind the one at which the target was reached are left out and counted (``discarded``).
    The artifact holds the problems it looked at, so that it can stand for ``problems`` elsewhere.
    """

    task: Task
    engine: Engine
    grader: Grader
    sampling: Sampling
    samples: int
    target: int
    seed: int
    round: int
    rationalize: bool = True
    until_right: bool = False
    dedupe: bool = True
    truncate: bool = False
    shuffle: bool = True
    max_errors: float = 0.02
    chunk: int = field(default=16, metadata=RUNTIME)  # fewest problems generated at once

    def run(self, work: Work) -> dict[str, Any]:
        started = time.monotonic()
        check_golds(self.grader, work.inputs["problems"], work.max_gold_errors, work.warn, work.runtime.grade_workers)
        problems = {p.id: p for p in work.inputs["problems"].read(Problem)}
        heap = heap_of(problems, work.inputs.get("state"), self.seed if self.shuffle else None)
        with Asking(self, work) as asking:
            taken, discarded = self._until_target(asking, (problems[i] for i in heap.peek()))
        kept = [e for look in taken for e in look.examples]
        if self.truncate:
            kept = kept[: self.target]
        place = {p: n for n, p in enumerate(problems)}
        looked = sorted(taken, key=lambda look: place[look.problem.id])
        work.draft.write(Problem, (look.problem for look in looked))
        work.draft.settle(asking.journal, ((r.problem_id, r.sample) for look in looked for r in look.rationales))
        work.draft.write(Verdict, (v for look in looked for v in look.verdicts))
        work.draft.write(Example, kept)
        work.draft.write(Peek, (Peek(problem_id=look.problem.id, position=n, w=look.w) for n, look in enumerate(taken)))
        errors = Errors()
        for v in (v for look in taken for v in look.verdicts):
            errors.add(v)
        errors.refuse(self.max_errors)
        pairs = [pair for look in taken for pair in zip(look.rationales, look.verdicts, strict=True)]
        hinted = [v.correct for r, v in pairs if r.hinted]
        own = [
            any(v.correct for r, v in zip(look.rationales, look.verdicts, strict=True) if not r.hinted)
            for look in taken
        ]
        if len(kept) < self.target:
            work.warn(
                f"all {len(taken):,} problems gave {len(kept):,} of the {self.target:,} examples round {self.round} "
                "asks for; it goes on with these"
            )
        return {
            "problems": len(taken),
            "heap": len(heap),
            "solved": sum(own),
            "hinted": len(hinted),
            "hinted_right": sum(hinted),
            "kept": len(kept),
            "target": self.target,
            "discarded": discarded,
            "samples": len(pairs),
            "reused": asking.reused,
            "tokens": sum(r.tokens for r, _ in pairs),
            "truncated": sum(r.finish == "length" for r, _ in pairs),
            "reasons": dict(Counter(v.reason for _, v in pairs)),
            "write_seconds": round(time.monotonic() - started, 3),
        }

    def _until_target(self, asking: Asking, order: Iterator[Problem]) -> tuple[list[Look], int]:
        """What was looked at up to the target, and how many problems of the last chunk were asked for nothing."""
        most = max(1, self.samples - self.rationalize)  # examples one problem can give
        taken: list[Look] = []
        collected = 0
        while collected < self.target:
            rate = collected / len(taken) if collected else most
            size = max(self.chunk, math.ceil((self.target - collected) / rate))
            looks = [Look(p) for p in islice(order, size)]
            if not looks:
                break
            asking.fill(looks)
            for n, look in enumerate(looks, 1):
                taken.append(look)
                collected += len(look.examples)
                if collected >= self.target:
                    return taken, len(looks) - n
        return taken, 0

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        samples = inputs["problems"].count(Problem) * self.samples
        return {"samples": samples, "tokens": samples * (self.sampling.max_tokens or self.task.max_tokens)}


@dataclass
class Look:
    """A problem that was looked at: its attempts in their order, and what they are worth."""

    problem: Problem
    rationales: list[Rationale] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return any(v.correct for v in self.verdicts)

    @property
    def w(self) -> float:
        """The share of its attempts that were right."""
        return sum(v.correct for v in self.verdicts) / len(self.verdicts)


class Asking:
    """Writes and judges attempts, chunk by chunk. What the journal of a killed run holds is not written again."""

    def __init__(self, spec: AdaSample, work: Work) -> None:
        self.spec, self.work = spec, work
        self.journal: Journal = work.draft.journal(Rationale)
        if self.journal.torn:
            work.warn("cut off one torn line left by an interrupted run; that sample is written again")
        self.reused = len(self.journal.offsets)
        self.synced = time.monotonic()
        self.pool: Pool | None = None
        self.meter = work.meter("generate", spec.target)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.meter.close()
        if self.pool:
            self.pool.close()
        self.journal.sync()

    def fill(self, looks: list[Look]) -> None:
        """Make, judge and keep all attempts of these problems."""
        spec = self.spec
        own = spec.samples - spec.rationalize
        if spec.until_right:
            for sample in range(own):
                self._attempt([x for x in looks if not x.right], range(sample, sample + 1), hint=False)
        else:
            self._attempt(looks, range(own), hint=False)
        if spec.rationalize:
            self._attempt([x for x in looks if not x.right], range(own, own + 1), hint=True)
        for look in looks:
            look.examples = self._examples(look)

    def _examples(self, look: Look) -> list[Example]:
        spec, seen, found = self.spec, set[str](), []
        for r, v in zip(look.rationales, look.verdicts, strict=True):
            text = spec.grader.judged(r.text)
            if not v.correct or (spec.dedupe and text in seen):
                continue
            seen.add(text)
            found.append(
                Example(
                    problem_id=r.problem_id,
                    sample=r.sample,
                    prompt=spec.task.training_prompt(look.problem),
                    completion=text,
                    origin="rationalized" if r.hinted else "own",
                    round=spec.round,
                    generator=self.work.inputs["model"].key,
                    images=look.problem.images,
                )
            )
        return found

    def _attempt(self, looks: list[Look], samples: range, hint: bool) -> None:
        asked = [(look, (look.problem.id, s)) for look in looks for s in samples]
        self._write([(look.problem, at[1]) for look, at in asked if at not in self.journal.offsets], hint)
        lines = self.journal.ordered(at for _, at in asked)
        written = [
            (look, decode(line, Rationale, str(self.journal.path)))
            for (look, _), line in zip(asked, lines, strict=True)
        ]
        for (look, rationale), verdict in zip(written, self._judged(written), strict=True):
            steps = self.spec.task.wrong_steps(look.problem, rationale.text)
            look.rationales.append(rationale)
            look.verdicts.append(verdict if steps is None else msgspec.structs.replace(verdict, wrong_steps=steps))
            self.meter.step(int(verdict.correct), tokens=rationale.tokens, right=verdict.correct)

    def _judged(self, items: list[tuple[Look, Rationale]]) -> list[Verdict]:
        grader = self.spec.grader
        if not grader.isolated:
            return [judge(grader, look.problem, r) for look, r in items]
        if self.pool is None:
            self.pool = Pool(grader, self.work.runtime.grade_workers)
        jobs = [Job(look.problem, r) for look, r in items]
        for job in jobs:
            self.pool.put([job])
        return [job.result()[2] for job in jobs]

    def _write(self, todo: list[tuple[Problem, int]], hint: bool) -> None:
        if not todo:
            return
        model = self.work.inputs["model"]
        session = self.work.session(model)
        for attempt in range(2):
            pending = {(p.id, s): (p, s) for p, s in todo if (p.id, s) not in self.journal.offsets}
            try:
                for done in self.spec.task.converse(
                    session, (self._request(p, s, hint) for p, s in list(pending.values()))
                ):
                    self._record(done, pending[done.id][0], hint)
                return
            except EngineDied as e:
                if attempt:
                    raise
                self.journal.sync()
                session = self.work.revive(model, e)

    def _request(self, problem: Problem, sample: int, hint: bool) -> Request:
        spec = self.spec
        seed = seed_of(spec.seed, spec.round, hint, problem.id, sample)
        return Request(
            (problem.id, sample),
            spec.task.prompt(problem, hint=hint),
            spec.sampling,
            spec.sampling.max_tokens or spec.task.max_tokens,
            spec.task.stop,
            seed,
        )

    def _record(self, done: Any, problem: Problem, hint: bool) -> None:
        spec, sample = self.spec, done.id[1]
        rationale = Rationale(
            problem_id=problem.id,
            sample=sample,
            text=done.text,
            hinted=hint,
            finish=done.finish,
            tokens=done.tokens,
            logprob=done.logprob,
            seed=seed_of(spec.seed, spec.round, hint, problem.id, sample),
            prompt_key=spec.task.prompt(problem, hint=hint).address,
        )
        with full_disk(str(self.journal.path)):
            self.journal.append(rationale)
            if time.monotonic() - self.synced > self.work.runtime.sync_seconds:
                self.journal.sync()
                self.synced = time.monotonic()


def heap_of(problems: dict[str, Problem], state: Artifact | None, seed: int | None) -> Heap:
    """The heap of a round; a heap of other problems is a StarError."""
    entries = list(state.read(Priority)) if state else list(fresh(problems))
    if state and [e.problem_id for e in entries] != list(problems):
        raise StarError(
            f"the heap {state.key} is not one of these {len(problems):,} problems",
            hint="give the problems artifact of the round before",
        )
    return Heap(entries, seed)


@stage("ada_state")
class AdaState(Stage):
    """The heap after a round. Inputs: ``sampled`` (ada_sample), ``problems``, ``state`` (the heap before; absent in
    round 1) and, with ``alpha="train"``, ``accuracy`` (an evaluate artifact of the newly trained model).

    ``alpha="train"`` is that accuracy; ``"sampling"`` the published code's acc + (1 - acc) * hint_acc of the round's
    own samples. ``power`` is that of f(alpha) = alpha^power, ``rounding`` floor (the paper) or round (the code).
    """

    alpha: str
    power: float
    rounding: str
    seed: int
    round: int
    shuffle: bool = True

    def run(self, work: Work) -> dict[str, Any]:
        sampled = work.inputs["sampled"]
        problems = {p.id: p for p in work.inputs["problems"].read(Problem)}
        heap = heap_of(problems, work.inputs.get("state"), self.seed if self.shuffle else None)
        won = {k.problem_id: k.w for k in sampled.read(Peek)}
        alpha = self._alpha(work, sampled.metrics)
        count = replaced(len(won), alpha, self.power, self.rounding)
        popped = heap.sample(self.round, won, count)
        entries = heap.entries()
        work.draft.write(Priority, (entries[i] for i in problems))
        work.draft.write(Metric, [Metric(name="alpha", value=alpha, n=len(won), round=self.round)])
        return {
            "peeked": len(won),
            "alpha": alpha,
            "sampled": len(popped),
            "due_again": len(won) - len(popped),
            "never": sum(e.sampled == 0 for e in entries.values()),
        }

    def _alpha(self, work: Work, told: dict[str, Any]) -> float:
        if self.alpha == "train":
            return next(m.value for m in work.inputs["accuracy"].read(Metric) if m.name == "accuracy")
        own = told["solved"] / told["problems"]
        return float(own + (1 - own) * (told["hinted_right"] / told["hinted"] if told["hinted"] else 0.0))
