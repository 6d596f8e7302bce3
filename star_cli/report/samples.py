"""Rationales to look at: each with its problem, its verdict and its prompt, drawn evenly from an artifact."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from star_cli.analysis.made_by import task_of
from star_cli.core.keys import seed_of
from star_cli.core.parts import Prompt, Task
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.stages.grading.judge import joined
from star_cli.stages.sampling import prompt_key
from star_cli.store.artifacts import Artifact, Store


def outcome_of(verdict: Verdict | None) -> str:
    """right, wrong, undecided (the grader failed) or not graded."""
    if verdict is None:
        return "not graded"
    if verdict.reason == "GRADER_ERROR":
        return "undecided"
    return "right" if verdict.correct else "wrong"


@dataclass(frozen=True)
class Sample:
    """One rationale with its problem, its verdict where somebody judged it, and the paths of its pictures."""

    problem: Problem
    rationale: Rationale
    verdict: Verdict | None
    pictures: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """right, wrong, undecided (the grader failed) or not graded."""
        return outcome_of(self.verdict)

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
class SampleFilter:
    """Which samples to show; nothing set means all. ``kept_wrong``: right answers that hold a wrong step.

    ``problem`` is a problem's id, ``reason`` a verdict's, ``text`` a piece of the rationale or of the question, in any
    case of letters; ``group`` is NAME=VALUE as accuracy is broken down by, and ``groups`` says how.
    """

    right: bool = False
    wrong: bool = False
    kept_wrong: bool = False
    hinted: bool = False
    problem: str = ""
    reason: str = ""
    text: str = ""
    group: str = ""
    groups: Callable[[Problem], dict[str, str]] = field(default=lambda problem: {}, compare=False)

    def matches(self, s: Sample) -> bool:
        """Whether a sample is one of them."""
        wrong_steps = s.verdict.wrong_steps if s.verdict else None
        return (
            (not self.right or s.outcome == "right")
            and (not self.wrong or s.outcome == "wrong")
            and (not self.kept_wrong or (s.outcome == "right" and bool(wrong_steps)))
            and (not self.hinted or s.rationale.hinted)
            and (not self.problem or s.problem.id == self.problem)
            and (not self.reason or (s.verdict is not None and s.verdict.reason == self.reason.upper()))
            and (not self.text or self.text.lower() in f"{s.rationale.text}\n{s.problem.question}".lower())
            and (not self.group or self.group in (f"{k}={v}" for k, v in self.groups(s.problem).items()))
        )

    @property
    def judged(self) -> bool:
        """Whether it asks for verdicts."""
        return self.right or self.wrong or self.kept_wrong or bool(self.reason)

    def __str__(self) -> str:
        words = ["hinted"] * self.hinted + ["wrong"] * self.wrong + ["right"] * (self.right or self.kept_wrong)
        named = [self.reason.upper(), f"of problem {self.problem}" if self.problem else "", self.group]
        named.append(f"with {self.text!r}" if self.text else "")
        return " ".join([*words, "rationales", *filter(None, named)]) + " with a wrong step" * self.kept_wrong


@dataclass(frozen=True)
class PickedSamples:
    """Some samples of ``rationales``; ``matching`` of ``total`` pass the filter. ``verdicts`` is what judged them."""

    samples: list[Sample]
    matching: int
    total: int
    rationales: Artifact
    verdicts: Artifact | None


def pick_samples(
    store: Store,
    artifact: Artifact,
    filter: SampleFilter,
    n: int,
    *,
    preferred: Iterable[str] = (),
    settings: dict[str, Any] | None = None,
) -> PickedSamples:
    """``n`` samples of a generate, filter or evaluate artifact that pass the filter, drawn by hash, in file order.

    The verdicts of a generate artifact are those of the first of ``preferred`` (keys) that judged it, else of any.
    ``settings`` are the run's settings of the task: they say where pictures lie.
    """
    verdicts = artifact if artifact.has(Verdict) else _verdicts_on(store, artifact, preferred)
    if verdicts is None and filter.judged:
        raise StarError(
            f"the rationales {artifact.key} are not graded, so right and wrong are not known",
            hint=f"star filter --input rationales={artifact.key[:12]}",
        )
    rationales = _input(store, artifact, "rationales") if artifact.has(Verdict) else artifact
    if filter.group:
        filter = replace(filter, groups=task_of(rationales, settings or {}).groups)
    drawn: list[tuple[int, int, Sample]] = []  # a heap of (draw, place in the file, sample)
    total = matching = 0
    for sample in samples_of(store, rationales, verdicts):
        total += 1
        if not filter.matches(sample):
            continue
        matching += 1
        entry = (-seed_of("show", *sample.rationale.identity()), total, sample)
        if len(drawn) < n:
            heapq.heappush(drawn, entry)
        elif drawn:
            heapq.heappushpop(drawn, entry)
    samples = [sample for _, _, sample in sorted(drawn, key=lambda entry: entry[1])]
    if settings is not None:
        samples = with_pictures(samples, rationales, settings)
    return PickedSamples(samples, matching, total, rationales, verdicts)


def with_pictures(samples: list[Sample], rationales: Artifact, settings: dict[str, Any]) -> list[Sample]:
    """The samples with the paths of their pictures, where there are any."""
    if not any(s.problem.images for s in samples):
        return samples
    task = task_of(rationales, settings)
    return [replace(s, pictures=tuple(task.picture(name) for name in s.problem.images)) for s in samples]


def samples_of(store: Store, rationales: Artifact, verdicts: Artifact | None) -> Iterator[Sample]:
    """Every rationale with its problem and verdict, streaming, in file order."""
    rows = verdicts.read(Verdict) if verdicts else None
    for problem, rationale in joined(_input(store, verdicts or rationales, "problems"), rationales):
        verdict = next(rows, None) if rows else None
        if verdicts and (verdict is None or verdict.identity() != rationale.identity()):
            raise StarError(
                f"the verdicts {verdicts.key} do not fit the rationales {rationales.key}: at problem "
                f"{problem.id} sample {rationale.sample}",
                hint=f"remove {verdicts.path} and run again to rebuild it",
            )
        yield Sample(problem, rationale, verdict)


def _input(store: Store, artifact: Artifact, role: str) -> Artifact:
    """One of the artifacts that an artifact was made from; a StarError where it is gone."""
    if role == "rationales" and artifact.has(Rationale):  # written and judged in one stage
        return artifact
    key = artifact.input(role)
    source = store.get(key) if key else None
    if source is None:
        raise StarError(
            f"the {role} {key or '(none named)'} that the {artifact.stage} artifact {artifact.key} was "
            "made of are not in the store",
            hint="run the same command again to build them",
        )
    return source


def _verdicts_on(store: Store, rationales: Artifact, preferred: Iterable[str]) -> Artifact | None:
    """An artifact that judged these rationales, if there is one; damaged ones are passed over."""
    for key in [*preferred, *store.keys()]:
        try:
            artifact = store.get(key)
        except StarError:
            continue
        if artifact and artifact.has(Verdict) and artifact.input("rationales") == rationales.key:
            return artifact
    return None


def prompt_of(sample: Sample, task: Task) -> tuple[Prompt, bool]:
    """The prompt of a sample, made anew, and whether it is proved to be the one the model saw (its key is the same).

    It is the text before a chat model's template.
    """
    prompt = task.prompt(sample.problem, hint=sample.rationale.hinted)
    return prompt, prompt_key(prompt) == sample.rationale.prompt_key
