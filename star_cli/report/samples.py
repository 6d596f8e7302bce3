"""Rationales to look at: each with its problem, its verdict and its prompt, drawn evenly from an artifact."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from star_cli.core import registry
from star_cli.core.keys import seed_of
from star_cli.core.parts import Prompt, Task
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.stages.grading.judge import joined
from star_cli.stages.sampling import prompt_key
from star_cli.store.artifacts import Artifact, Store


@dataclass(frozen=True)
class Sample:
    """One rationale with its problem, and its verdict where somebody judged it."""

    problem: Problem
    rationale: Rationale
    verdict: Verdict | None
    pictures: tuple[str, ...] = ()  # their paths on this machine

    @property
    def says(self) -> str:
        """right, wrong, undecided (the grader failed) or not graded."""
        if self.verdict is None:
            return "not graded"
        if self.verdict.reason == "GRADER_ERROR":
            return "undecided"
        return "right" if self.verdict.correct else "wrong"

    def as_json(self) -> dict[str, Any]:
        """The sample as ``star show ... --json`` prints it."""
        p, r, v = self.problem, self.rationale, self.verdict
        return {
            "problem_id": p.id,
            "sample": r.sample,
            "question": p.question,
            "gold": p.answer,
            "text": r.text,
            "hinted": r.hinted,
            "finish": r.finish,
            "tokens": r.tokens,
            "correct": v.correct if v else None,
            "answer": v.answer if v else None,
            "reason": v.reason if v else None,
            "wrong_steps": v.wrong_steps if v else None,
            "prompt_key": r.prompt_key,
            **({"pictures": list(self.pictures)} if self.pictures else {}),
        }


@dataclass(frozen=True)
class Wanted:
    """Which rationales are looked for; nothing set means all."""

    right: bool = False
    wrong: bool = False
    kept_wrong: bool = False  # right answers that hold a wrong step
    hinted: bool = False

    def fits(self, s: Sample) -> bool:
        """Whether a sample is looked for."""
        steps = s.verdict.wrong_steps if s.verdict else None
        return (
            (not self.right or s.says == "right")
            and (not self.wrong or s.says == "wrong")
            and (not self.kept_wrong or (s.says == "right" and bool(steps)))
            and (not self.hinted or s.rationale.hinted)
        )

    def __str__(self) -> str:
        words = ["hinted"] * self.hinted + ["wrong"] * self.wrong + ["right"] * (self.right or self.kept_wrong)
        return " ".join([*words, "rationales"]) + " with a wrong step" * self.kept_wrong


@dataclass(frozen=True)
class Picked:
    """Some of the rationales that were looked for: ``matching`` of ``total`` are such."""

    samples: list[Sample]
    matching: int
    total: int
    rationales: Artifact
    judge: Artifact | None


def pick(
    store: Store,
    artifact: Artifact,
    wanted: Wanted,
    n: int,
    *,
    near: Iterable[str] = (),
    settings: dict[str, Any] | None = None,
) -> Picked:
    """``n`` samples of a generate, filter or evaluate artifact, drawn by hash, in file order.

    The verdicts of a generate artifact are those of the first of ``near`` (keys) that judged it, else of any.
    ``settings`` are the run's settings of the task: they say where pictures lie.
    """
    judge = artifact if artifact.has(Verdict) else _judge(store, artifact, near)
    if judge is None and (wanted.right or wanted.wrong or wanted.kept_wrong):
        raise StarError(
            f"the rationales {artifact.key} are not graded, so right and wrong are not known",
            hint=f"star filter --input rationales={artifact.key[:12]}",
        )
    rationales = _input(store, artifact, "rationales") if artifact.has(Verdict) else artifact
    best: list[tuple[int, int, Sample]] = []
    total = matching = 0
    for sample in samples_of(store, rationales, judge):
        total += 1
        if not wanted.fits(sample):
            continue
        matching += 1
        entry = (-seed_of("show", *sample.rationale.identity()), total, sample)
        if len(best) < n:
            heapq.heappush(best, entry)
        elif best:
            heapq.heappushpop(best, entry)
    chosen = [s for _, _, s in sorted(best, key=lambda b: b[1])]
    if settings is not None:
        chosen = placed(chosen, rationales, settings)
    return Picked(chosen, matching, total, rationales, judge)


def placed(samples: list[Sample], rationales: Artifact, settings: dict[str, Any]) -> list[Sample]:
    """The samples with the paths of their pictures, where there are any."""
    if not any(s.problem.images for s in samples):
        return samples
    task = task_of(rationales, settings)
    return [replace(s, pictures=tuple(task.picture(name) for name in s.problem.images)) for s in samples]


def samples_of(store: Store, rationales: Artifact, judge: Artifact | None) -> Iterator[Sample]:
    """Every rationale with its problem and verdict, streaming, in file order."""
    verdicts = judge.read(Verdict) if judge else None
    for problem, rationale in joined(_input(store, judge or rationales, "problems"), rationales):
        verdict = next(verdicts, None) if verdicts else None
        if judge and (verdict is None or verdict.identity() != rationale.identity()):
            raise StarError(
                f"the verdicts {judge.key} do not fit the rationales {rationales.key}: at problem "
                f"{problem.id} sample {rationale.sample}",
                hint=f"remove {judge.path} and run again to rebuild it",
            )
        yield Sample(problem, rationale, verdict)


def _input(store: Store, artifact: Artifact, role: str) -> Artifact:
    if role == "rationales" and artifact.has(Rationale):  # written and judged in one stage (ada_sample)
        return artifact
    address = str(artifact.manifest.get("inputs", {}).get(role, ""))
    found = store.get(address) if address else None
    if found is None:
        raise StarError(
            f"the {role} {address or '(none named)'} that the {artifact.stage} artifact {artifact.key} was "
            "made of are not in the store",
            hint="run the same command again to build them",
        )
    return found


def _judge(store: Store, rationales: Artifact, near: Iterable[str]) -> Artifact | None:
    for address in [*near, *store.keys()]:
        found = store.get(address)
        if found and found.has(Verdict) and found.manifest.get("inputs", {}).get("rationales") == rationales.key:
            return found
    return None


def task_of(rationales: Artifact, settings: dict[str, Any]) -> Task:
    """The task that made the prompts, from the manifest; what is no part of a key is taken from the run's settings."""
    tag = rationales.manifest.get("tag", {}).get("task")
    if not tag:
        raise StarError(f"the manifest of {rationales.key} names no task, so its prompts cannot be shown")
    kind, name, _ = tag["_"].split("/")
    made = registry.get(kind, name)
    told: dict[str, Any] = {}
    for f in fields(made):
        source = tag if f.metadata.get("identity", True) else settings
        if f.name in source:
            told[f.name] = type(f.default)(source[f.name]) if isinstance(f.default, Enum) else source[f.name]
    strange = set(tag) - {f.name for f in fields(made)} - {"_"}
    if strange:
        raise StarError(
            f"the {kind} {name} of this installation has no setting {', '.join(sorted(strange))}, so the "
            f"prompts of {rationales.key} cannot be shown",
            hint="use the version of star that made the run",
        )
    task: Task = made(**told)
    return task


def prompt_of(sample: Sample, task: Task) -> tuple[Prompt, bool]:
    """The prompt of a sample, made anew, and whether it is proved to be the one the model saw (its key is the same).

    It is the text before a chat model's template.
    """
    prompt = task.prompt(sample.problem, hint=sample.rationale.hinted)
    return prompt, prompt_key(prompt) == sample.rationale.prompt_key
