"""One problem in every set that asked it: found in the files by its id, without a table of everything else."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from star_cli.core.records import Example, Problem, Rationale, Record, Score, Verdict, decode
from star_cli.errors import StarError
from star_cli.lib.health import leaks
from star_cli.report.label_files import Label
from star_cli.report.samples import outcome_of
from star_cli.report.view.library import SampleSet
from star_cli.store.artifacts import Artifact

R = TypeVar("R", bound=Record)
ALIKE = 0.9  # share of equal text (Indel similarity) from which two texts are folded into one
COMPARED = 4000  # characters of a text that are compared


@dataclass(frozen=True)
class Attempt:
    """One rationale with what is known of it. ``alike`` are later ones with nearly the same text and verdict."""

    rationale: Rationale
    verdict: Verdict | None
    score: float | None
    kept: bool
    leaks: bool
    label: Label | None
    alike: list[Attempt] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """right, wrong, undecided (the grader failed) or not graded."""
        return outcome_of(self.verdict)


@dataclass(frozen=True)
class Tried:
    """What a set holds of one problem. ``change`` says what became of it since the set of the same name before."""

    set: SampleSet
    problem: Problem
    attempts: list[Attempt]
    total: int
    change: str = ""

    @property
    def right(self) -> int | None:
        """How many of its samples are right; None where nobody judged them."""
        samples = [a for attempt in self.attempts for a in (attempt, *attempt.alike)]
        return None if self.set.verdicts is None else sum(a.outcome == "right" for a in samples)


def tried(sets: list[SampleSet], id: str, labels: dict[str, dict[tuple[str, int], Label]]) -> list[Tried]:
    """The sets that hold samples of a problem, in their order, near-duplicates folded; ``labels`` are by place."""
    found: list[Tried] = []
    for one in sets:
        here = _tried(one, id, labels.get(one.place, {}))
        if here is not None:
            earlier = [t for t in found if t.set.run.name == one.run.name and t.set.name == one.name]
            found.append(replace(here, change=_change(earlier[-1] if earlier else None, here)))
    return found


def _tried(one: SampleSet, id: str, labels: dict[tuple[str, int], Label]) -> Tried | None:
    problem = next((p for a in one.problems for p in of_problem(a, Problem, id)), None)
    rationales = (
        list(of_problem(one.rationales, Rationale, id))
        if one.rationales
        else list(_in_file(one.journal, Rationale, id) if one.journal else ())
    )
    if problem is None or not rationales:
        return None
    verdicts = {v.sample: v for v in (of_problem(one.verdicts, Verdict, id) if one.verdicts else ())}
    scores = {s.sample: s.score for _, a in one.scores[:1] for s in of_problem(a, Score, id)}
    kept = {e.sample for e in (of_problem(one.verdicts, Example, id) if one.verdicts and one.keeps else ())}
    attempts = [
        Attempt(
            rationale=r,
            verdict=verdicts.get(r.sample),
            score=scores.get(r.sample),
            kept=r.sample in kept,
            leaks=r.hinted and leaks(problem, r.text),
            label=labels.get((id, r.sample)),
        )
        for r in rationales
    ]
    return Tried(one, problem, folded(attempts), len(attempts))


def _change(before: Tried | None, now: Tried) -> str:
    """newly solved or forgotten since the last set of the same name that asked it; "" where neither."""
    if before is None or before.right is None or now.right is None or bool(before.right) == bool(now.right):
        return ""
    return "newly solved" if now.right else "forgotten"


def folded(attempts: list[Attempt]) -> list[Attempt]:
    """One attempt of each group with nearly the same text, the same verdict and the same answer, the first ones."""
    from rapidfuzz.distance import Indel

    kept: list[Attempt] = []
    for attempt in attempts:
        text = attempt.rationale.text[:COMPARED]
        for other in kept:
            same = (attempt.outcome, _answer(attempt)) == (other.outcome, _answer(other))
            if same and attempt.label is None:
                near = Indel.normalized_similarity(text, other.rationale.text[:COMPARED], score_cutoff=ALIKE)
                if near >= ALIKE:
                    other.alike.append(attempt)
                    break
        else:
            kept.append(attempt)
    return kept


def _answer(attempt: Attempt) -> str | None:
    return attempt.verdict.answer if attempt.verdict else None


def of_problem(artifact: Artifact, kind: type[R], id: str) -> Iterator[R]:
    """The records of one problem in an artifact; none where it has no such file."""
    if artifact.has(kind):
        yield from _in_file(artifact.file(kind.file), kind, id)


def _in_file(path: Path, kind: type[R], id: str) -> Iterator[R]:
    """The lines of a file whose first field is this problem's id, decoded. A line that is not whole yet is left out."""
    first = "id" if kind is Problem else "problem_id"
    wanted = b'{"' + first.encode() + b'":' + msgspec.json.encode(id) + b","
    try:
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.find(wanted)
            while start >= 0:
                end = content.find(b"\n", start)
                if end < 0:
                    return
                if start == 0 or content[start - 1 : start] == b"\n":
                    yield decode(content[start:end].partition(b"\t")[0], kind, str(path))
                start = content.find(wanted, end)
    except ValueError:  # an empty file cannot be mapped
        return
    except OSError as e:
        raise StarError(f"{path} cannot be read: {e.strerror}") from None
