"""ada_sample and ada_state: AdaSTaR's sampling in the order of its heap, and the heap after a round (heap.py)."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from star_cli.core.parts import RUNTIME, Engine, Grader, Meter, Task
from star_cli.core.records import Example, Metric, Problem, Rationale, Record, Verdict
from star_cli.core.settings import Sampling
from star_cli.errors import StarError
from star_cli.methods.ada_star.heap import Heap, fresh, replaced
from star_cli.methods.ada_star.records import Peek, Priority
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import Errors, check_golds, with_wrong_steps
from star_cli.stages.keeping import Keeper, KeepRule
from star_cli.stages.sampling import SampleWriter
from star_cli.store.artifacts import Artifact


@stage("ada_sample", version=2)
class AdaSample(Stage):
    """Inputs: ``model``, ``problems`` and, after the first round, ``state`` (the heap after the round before).

    Problems are looked at in the heap's order until ``target`` examples are collected (or no problem is left). Each
    gets up to ``samples`` attempts; with ``rationalize`` the last of them shows the answer, and is made only where all
    others were wrong. ``until_right`` makes no further attempt once one is right. What the rule keeps
    of them becomes examples; ``truncate`` cuts what goes beyond ``target``.

    Problems are generated in chunks, yet the artifact is what one after the other would give: seeds are by hash, and
    problems of the last chunk behind the one at which the target was reached are left out and counted (``discarded``).
    The artifact holds the problems it looked at, so that it can stand for ``problems`` elsewhere.
    """

    reads = (Problem, Priority)
    writes = (Problem, Rationale, Verdict, Example, Peek)
    judges = True
    task: Task
    engine: Engine
    grader: Grader
    sampling: Sampling
    samples: int
    target: int
    seed: int
    round: int
    keep: KeepRule
    rationalize: bool = True
    until_right: bool = False
    truncate: bool = False
    shuffle: bool = True
    max_errors: float = 0.02
    chunk: int = field(default=16, metadata=RUNTIME)  # fewest problems generated at once

    @property
    def device(self) -> str:
        return "engine"

    def run(self, context: StageContext) -> dict[str, Any]:
        started = time.monotonic()
        workers = context.runtime.grade_workers
        check_golds(self.grader, context.inputs["problems"], context.max_gold_errors, context.warn, workers)
        problems = {p.id: p for p in context.inputs["problems"].read(Problem)}
        heap = heap_of(problems, context.inputs.get("state"), self.seed if self.shuffle else None)
        writer = SampleWriter(context, task=self.task, sampling=self.sampling, seed=self.seed, round=self.round)
        meter = context.meter("generate", self.target)
        try:
            with writer:
                attempts = Attempts(self, context, writer, meter)
                looks, discarded = self._until_target(attempts, (problems[i] for i in heap.peek()))
        finally:
            meter.close()
        kept = self._write(context, writer, looks, list(problems))
        if kept < self.target:
            context.warn(
                f"all {len(looks):,} problems gave {kept:,} of the {self.target:,} examples round {self.round} "
                "asks for; it goes on with these"
            )
        return {
            **_counts(looks),
            "heap": len(heap),
            "kept": kept,
            "target": self.target,
            "discarded": discarded,
            "reused": writer.reused,
            "write_seconds": round(time.monotonic() - started, 3),
        }

    def _until_target(self, attempts: Attempts, order: Iterator[Problem]) -> tuple[list[Look], int]:
        """What was looked at up to the target, and how many problems of the last chunk were asked for nothing."""
        most = max(1, self.samples - self.rationalize)  # examples one problem can give
        looks: list[Look] = []
        collected = 0
        while collected < self.target:
            rate = collected / len(looks) if collected else most
            size = max(self.chunk, math.ceil((self.target - collected) / rate))
            chunk = [Look(p) for p in islice(order, size)]
            if not chunk:
                break
            attempts.make(chunk)
            for n, look in enumerate(chunk, 1):
                looks.append(look)
                collected += len(look.examples)
                if collected >= self.target:
                    return looks, len(chunk) - n
        return looks, 0

    def _write(self, context: StageContext, writer: SampleWriter, looks: list[Look], order: list[str]) -> int:
        """The artifact's files: examples and peeks in the order of the heap, the rest in that of the problems.

        Returns how many examples are kept.
        """
        examples = [e for look in looks for e in look.examples]
        kept = examples[: self.target] if self.truncate else examples
        place = {name: n for n, name in enumerate(order)}
        in_order = sorted(looks, key=lambda look: place[look.problem.id])
        context.draft.write(Problem, (look.problem for look in in_order))
        writer.settle((r.problem_id, r.sample) for look in in_order for r in look.rationales)
        context.draft.write(Verdict, (v for look in in_order for v in look.verdicts))
        context.draft.write(Example, kept)
        peeks = (Peek(problem_id=look.problem.id, position=n, w=look.w) for n, look in enumerate(looks))
        context.draft.write(Peek, peeks)
        errors = Errors()
        for verdict in (v for look in looks for v in look.verdicts):
            errors.add(verdict)
        errors.refuse(self.max_errors)
        return len(kept)

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        samples = inputs["problems"].count(Problem) * self.samples
        limit = self.sampling.max_tokens or self.task.max_tokens
        return {"samples": samples, "tokens": samples * limit}

    def rows(self, inputs: dict[str, Artifact]) -> dict[type[Record], int]:
        return {Rationale: inputs["problems"].count(Problem) * self.samples}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{kept} of {target} examples from {problems} problems in the order of the heap".format(**metrics)


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


def _counts(looks: list[Look]) -> dict[str, Any]:
    """The numbers of all attempts of a round."""
    attempts = [pair for look in looks for pair in zip(look.rationales, look.verdicts, strict=True)]
    hinted = [verdict.correct for rationale, verdict in attempts if rationale.hinted]
    own = [any(v.correct for r, v in zip(x.rationales, x.verdicts, strict=True) if not r.hinted) for x in looks]
    return {
        "problems": len(looks),
        "solved": sum(own),
        "hinted": len(hinted),
        "hinted_right": sum(hinted),
        "samples": len(attempts),
        "tokens": sum(r.tokens for r, _ in attempts),
        "truncated": sum(r.finish == "length" for r, _ in attempts),
        "reasons": dict(Counter(v.reason for _, v in attempts)),
    }


class Attempts:
    """Has the attempts of a chunk of problems written and judged, and fills in what was looked at."""

    def __init__(self, stage: AdaSample, context: StageContext, writer: SampleWriter, meter: Meter) -> None:
        self.stage, self.writer, self.meter = stage, writer, meter
        generator = context.inputs["model"].key
        self.keeper = Keeper(stage.keep, task=stage.task, grader=stage.grader, round=stage.round, generator=generator)

    def make(self, looks: list[Look]) -> None:
        """All attempts of these problems: own ones, then one that is shown the answer where all were wrong."""
        own = self.stage.samples - self.stage.rationalize
        if self.stage.until_right:
            for sample in range(own):
                self._attempt([x for x in looks if not x.right], range(sample, sample + 1), hint=False)
        else:
            self._attempt(looks, range(own), hint=False)
        if self.stage.rationalize:
            self._attempt([x for x in looks if not x.right], range(own, own + 1), hint=True)
        for look in looks:
            look.examples = self.keeper.of_problem(
                look.problem, zip(look.rationales, look.verdicts, strict=True)
            ).examples

    def _attempt(self, looks: list[Look], samples: range, hint: bool) -> None:
        by_id = {look.problem.id: look for look in looks}
        self.writer.write(lambda: [(look.problem, samples) for look in looks], hint=hint)
        written = self.writer.written((look.problem, n) for look in looks for n in samples)
        for problem, rationale, verdict in self.writer.verdicts(self.stage.grader, written):
            verdict = with_wrong_steps(self.stage.task, problem, rationale, verdict)
            by_id[problem.id].rationales.append(rationale)
            by_id[problem.id].verdicts.append(verdict)
            self.meter.step(int(verdict.correct), tokens=rationale.tokens, right=verdict.correct)


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

    reads, writes = (Problem, Priority, Peek, Metric), (Priority, Metric)
    alpha: str
    power: float
    rounding: str
    seed: int
    round: int
    shuffle: bool = True

    def run(self, context: StageContext) -> dict[str, Any]:
        sampled = context.inputs["sampled"]
        problems = {p.id: p for p in context.inputs["problems"].read(Problem)}
        heap = heap_of(problems, context.inputs.get("state"), self.seed if self.shuffle else None)
        won = {k.problem_id: k.w for k in sampled.read(Peek)}
        alpha = self._alpha(context, sampled.metrics)
        count = replaced(len(won), alpha, self.power, self.rounding)
        popped = heap.sample(self.round, won, count)
        entries = heap.entries()
        context.draft.write(Priority, (entries[i] for i in problems))
        context.draft.write(Metric, [Metric(name="alpha", value=alpha, n=len(won), round=self.round)])
        return {
            "peeked": len(won),
            "alpha": alpha,
            "sampled": len(popped),
            "due_again": len(won) - len(popped),
            "never": sum(e.sampled == 0 for e in entries.values()),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "alpha {alpha:.3f}, {sampled} of {peeked} problems count as sampled".format(**metrics)

    def _alpha(self, context: StageContext, metrics: dict[str, Any]) -> float:
        if self.alpha == "train":
            return next(m.value for m in context.inputs["accuracy"].read(Metric) if m.name == "accuracy")
        own = metrics["solved"] / metrics["problems"]
        return float(own + (1 - own) * (metrics["hinted_right"] / metrics["hinted"] if metrics["hinted"] else 0.0))
