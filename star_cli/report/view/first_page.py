"""The first page of a set from the beginning of its files, for large ones: there before their tables are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from star_cli.core.records import Example, Problem, Rationale, Record, Verdict, decode
from star_cli.report.view.library import SampleSet
from star_cli.report.view.query import PAGE
from star_cli.report.view.tables import Row
from star_cli.store.artifacts import Artifact

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class SamplePage:
    """One page of the samples that pass a query. ``outcomes`` and ``reasons`` count all of these."""

    rows: list[Row]
    matching: int
    total: int
    outcomes: dict[str, int]
    reasons: dict[str, int]

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.matching // PAGE))


def first_page(one: SampleSet) -> SamplePage | None:
    """The first samples of a set as its table would give them; None where that takes more than their beginnings.

    Counts are those that the stage reported. The files are not checked against their hashes: the table is.
    """
    if one.rationales is None or one.verdicts is None or one.scores or len(one.problems) != 1:
        return None
    reasons = one.verdicts.manifest.metrics.get("reasons")
    total = one.rationales.count(Rationale)
    if not isinstance(reasons, dict) or sum(reasons.values()) != total:
        return None
    rationales = list(islice(_beginning(one.rationales, Rationale), PAGE))
    verdicts = list(islice(_beginning(one.verdicts, Verdict), PAGE))
    if [r.identity() for r in rationales] != [v.identity() for v in verdicts]:
        return None
    problems = {p.id: p for p in islice(_beginning(one.problems[0], Problem), PAGE)}
    if {r.problem_id for r in rationales} - problems.keys():
        return None
    kept = {(e.problem_id, e.sample) for e in islice(_beginning(one.verdicts, Example), PAGE)} if one.keeps else set()
    rows = [
        _row(at, r, v, problems[r.problem_id]) | {"kept": (r.problem_id, r.sample) in kept}
        for at, (r, v) in enumerate(zip(rationales, verdicts, strict=True))
    ]
    outcomes = {"right": "MATCH", "undecided": "GRADER_ERROR"}
    counts = {name: reasons.get(reason, 0) for name, reason in outcomes.items()}
    counts["wrong"] = total - sum(counts.values())
    ordered = sorted(((n, name) for name, n in counts.items() if n), reverse=True)
    return SamplePage(rows, total, total, {name: n for n, name in ordered}, reasons)


def _beginning(artifact: Artifact, kind: type[R]) -> Iterator[R]:
    path = artifact.path / kind.file
    with open(path, "rb") as f:
        for line in f:
            yield decode(line, kind, str(path))


def _row(at: int, r: Rationale, v: Verdict, p: Problem) -> Row:
    """The columns of a list of samples."""
    outcome = "undecided" if v.reason == "GRADER_ERROR" else "right" if v.correct else "wrong"
    return {
        "at": at, "problem_id": r.problem_id, "sample": r.sample, "hinted": r.hinted, "finish": r.finish,
        "tokens": r.tokens, "logprob": r.logprob, "score": None, "outcome": outcome, "reason": v.reason,
        "answer": v.answer, "gold": p.answer, "wrong_steps": v.wrong_steps, "question": p.question[:300],
        "beginning": r.text[:300],
    }  # fmt: skip
