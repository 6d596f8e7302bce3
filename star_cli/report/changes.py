"""What became of each problem between two stages of runs that judged it, as `star show --diff` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from star_cli.analysis.events import evaluations
from star_cli.core.records import Rationale, Verdict
from star_cli.errors import StarError
from star_cli.report.columns import Column, drawn, percent
from star_cli.report.samples import Sample, samples_of
from star_cli.report.text import clean, one_line
from star_cli.store.addresses import parse_path
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.runs import Run

CHANGES = {  # (right before, right after) -> what it is called
    (False, True): "newly solved",
    (True, False): "forgotten",
    (True, True): "still right",
    (False, False): "still wrong",
}
TEXT = 600  # characters of a rationale that are printed


@dataclass(frozen=True)
class ChangesView:
    """Two judged stages, ``before`` and ``after``, by the problems that both asked; a problem is right where one of its
    samples is. ``n`` of each kind of change are shown with their texts.
    """

    store: Store
    before: tuple[str, Artifact]
    after: tuple[str, Artifact]
    n: int

    def problems(self) -> dict[str, list[str]]:
        """The problems by what became of them, in the order of the later stage."""
        then, now = (_solved(artifact) for _, artifact in (self.before, self.after))
        changes: dict[str, list[str]] = {name: [] for name in CHANGES.values()}
        for id, right in now.items():
            if id in then:
                changes[CHANGES[then[id], right]].append(id)
        if not any(changes.values()):
            raise StarError(
                f"{self.before[0]} and {self.after[0]} asked no problem in common", hint="compare two evaluations"
            )
        return changes

    def as_json(self) -> dict[str, Any]:
        """The problems by what became of them."""
        changes = {name.replace(" ", "_"): ids for name, ids in self.problems().items()}
        return {"before": self.before[0], "after": self.after[0], **changes}

    def print(self, out: Console) -> None:
        """Counts, and some of what was newly solved and forgotten, before and after."""
        changes = self.problems()
        total = sum(map(len, changes.values()))
        out.print(Text(f"{self.before[0]} -> {self.after[0]}: {total:,} problems asked in both", style="bold"))
        columns = [
            Column("", list(changes), left=True),
            Column("problems", [f"{len(ids):,}" for ids in changes.values()]),
            Column("%", [percent(len(ids) / total) for ids in changes.values()]),
        ]
        out.print(drawn(columns))
        for name in ("forgotten", "newly solved"):
            ids = changes[name][: self.n]
            if not ids:
                continue
            before, after = (
                _first_samples(self.store, artifact, set(ids)) for _, artifact in (self.before, self.after)
            )
            for id in ids:
                question = one_line(before[id].problem.question, 200)
                out.print(Text(f"\n{name}  {one_line(id)}  {question}  expected {one_line(before[id].problem.answer)}"))
                for place, sample in ((self.before[0], before[id]), (self.after[0], after[id])):
                    _print_side(place, sample, out)


def changes_between(run: Run, places: tuple[str, str], n: int) -> ChangesView:
    """The changes between two rounds (``round-1``: its evaluation) or stages (``round-1/filter``) of a run.

    Raises StarError for one that is not there or judged nothing.
    """
    run.require()
    store = open_store(run.home)
    before, after = (_judged(run, store, place) for place in places)
    return ChangesView(store, before, after, n)


def _judged(run: Run, store: Store, place: str) -> tuple[str, Artifact]:
    """(place, artifact) of a judged stage."""
    if place.isdecimal():
        place = f"round-{place}"
    _, round, stage = parse_path(f"run/{place}")
    if round is None:
        raise StarError(f"--diff {place!r} is neither a round nor a stage", hint="for example --diff round-1 round-3")
    if stage is None:
        measured = {e.round: e.name for e in evaluations(run.events())}
        if round not in measured:
            raise StarError(
                f"round {round} of {run.name} was not evaluated",
                hint=f"name a stage: --diff round-{round}/filter ..., or a round of {sorted(measured)}",
            )
        stage = measured[round]
    artifact = run.artifact(store, round, stage)
    if not artifact.has(Verdict):
        raise StarError(f"{run.name}/round-{round}/{stage} judged nothing", hint="name a filter or evaluate stage")
    return f"round-{round}/{stage}", artifact


def _solved(artifact: Artifact) -> dict[str, bool]:
    solved: dict[str, bool] = {}
    for verdict in artifact.read(Verdict):
        solved[verdict.problem_id] = solved.get(verdict.problem_id, False) or verdict.correct
    return solved


def _first_samples(store: Store, verdicts: Artifact, ids: set[str]) -> dict[str, Sample]:
    """The first sample of each of some problems, a right one where there is one."""
    key = verdicts.input("rationales") or ""
    rationales = verdicts if verdicts.has(Rationale) else store.get(key)
    if rationales is None:
        raise StarError(f"the rationales {key} are no longer in the store", hint="star resume builds them again")
    chosen: dict[str, Sample] = {}
    for sample in samples_of(store, rationales, verdicts):
        id = sample.problem.id
        if id in ids and (id not in chosen or (sample.outcome == "right" != chosen[id].outcome)):
            chosen[id] = sample
    return chosen


def _print_side(place: str, sample: Sample, out: Console) -> None:
    verdict, text = sample.verdict, clean(sample.rationale.text)
    colour = {"right": "green", "wrong": "red"}.get(sample.outcome, "yellow")
    head = Text(f"  {place}  ").append(sample.outcome, style=colour)
    if verdict:
        head.append(f" {verdict.reason}, answer {'none' if verdict.answer is None else one_line(verdict.answer, 80)}")
    out.print(head)
    shown = text if len(text) <= TEXT else f"{text[:TEXT]} ... ({len(text) - TEXT} more characters)"
    out.print(Text("\n".join(f"    {line}" for line in shown.split("\n"))))
