"""Results of runs as tables and rows, for scripts and notebooks.

import star_cli.api as star

demo = star.open("runs/demo")
demo.rounds                                          # a DataFrame, one row a round
for row in demo.rationales("round-2/evaluate"): ...  # one dictionary a sample, read as it is asked for
demo.compare("runs/other", budget="tokens")
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from star_cli.analysis.compare import compare_runs
from star_cli.core.records import Metric, Rationale, Verdict
from star_cli.errors import StarError, unknown
from star_cli.report.frames import frame
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.samples import samples_of
from star_cli.store.addresses import parse_path
from star_cli.store.artifacts import Artifact, open_store
from star_cli.store.ledger import Event
from star_cli.store.runs import Run, arms_below, runs

Row = dict[str, Any]
SAMPLE_COLUMNS: dict[str, type] = {
    "run": str, "round": int, "stage": str, "problem_id": str, "sample": int, "question": str, "gold": str, "text": str,
    "hinted": bool, "finish": str, "tokens": int, "logprob": float, "outcome": str, "correct": bool, "answer": str,
    "reason": str, "wrong_steps": int,
}  # fmt: skip


class Results:
    """What a run, or every arm of a sweep, has come to so far. Tables are DataFrames of pandas, or of polars."""

    def __init__(self, home: Path, chosen: list[Run], frames: str) -> None:
        self.home, self.frames = home, frames
        self._runs, self._store = chosen, open_store(home)

    @property
    def names(self) -> list[str]:
        """The names of its runs."""
        return [run.name for run in self._runs]

    @property
    def rounds(self) -> Any:
        """A row for every round of every run: accuracy with its interval, shares, tokens, seconds, health, groups."""
        return frame(list(self.round_rows()), self.frames)

    @property
    def stages(self) -> Any:
        """A row for every stage: round, name, key, whether it was found, seconds."""
        rows = [
            {"run": run.name, "round": e.round, "stage": e.name, "key": e.key, "hit": e.hit, "seconds": e.seconds}
            for run in self._runs
            for e in run.events()
        ]
        return frame(rows, self.frames)

    def round_rows(self) -> Iterator[Row]:
        """The rows of ``rounds`` as dictionaries."""
        for run in self._runs:
            info = run.info
            about = {"run": run.name, "method": info.method, "task": info.parts.get("task"), "seed": info.seed}
            yield from (about | _round_row(row) for row in rounds_of(run, self._store))

    def rationales(self, place: str) -> Iterator[Row]:
        """One dictionary a sample with its question and verdict, read as they are asked for.

        ``place`` is a stage (round-2/evaluate) or a round (round-2: everything that was judged in it). Raises StarError
        for one that is not there, and where a file was changed.
        """
        for run in self._runs:
            for event, verdicts in self._judged(run, place):
                rationales = self._rationales_of(verdicts)
                for sample in samples_of(self._store, rationales, verdicts):
                    about = {"run": run.name, "round": event.round, "stage": event.name}
                    more = {"logprob": sample.rationale.logprob, "outcome": sample.outcome}
                    whole = about | more | sample.as_json()
                    yield {name: whole[name] for name in SAMPLE_COLUMNS}

    def samples(self, place: str) -> Any:
        """The same as a DataFrame, in memory."""
        return frame(list(self.rationales(place)), self.frames)

    def metrics(self, place: str) -> Any:
        """What a stage such as round-2/evaluate measured, with intervals: a row for every metric."""
        rows = []
        for run in self._runs:
            round, stage = _place(place)
            if stage is None:
                raise StarError(f"{place!r} names a round, not a stage", hint="for example round-1/evaluate")
            for m in run.artifact(self._store, round, stage).read(Metric):
                rows.append({"run": run.name, "round": m.round, "name": m.name, "value": m.value, "low": m.low,
                             "high": m.high, "n": m.n})  # fmt: skip
        return frame(rows, self.frames)

    def compare(self, *others: str | Results, budget: str = "samples", metric: str = "accuracy") -> Any:
        """These runs and others at equal budgets (star compare): a row for every group and budget, with intervals."""
        opened = [other if isinstance(other, Results) else open_results(other, home=self.home) for other in others]
        names = [name for results in (self, *opened) for name in results.names]
        comparison = compare_runs(self.home, names, budget, metric).as_json()
        rows = [
            {"group": group["label"], "runs": ", ".join(group["runs"]), "unit": budget, "budget": at["budget"],
             "value": at.get("value"), "low": at.get("low"), "high": at.get("high")}
            for group in comparison["groups"] for at in group["at"]
        ]  # fmt: skip
        return frame(rows, self.frames)

    def _judged(self, run: Run, place: str) -> list[tuple[Event, Artifact]]:
        """The stages of a place that hold verdicts."""
        round, stage = _place(place)
        judged = []
        for event in run.events():
            if event.round == round and stage in (None, event.name):
                artifact = run.artifact(self._store, event.round, event.name)
                if artifact.has(Verdict):
                    judged.append((event, artifact))
        if not judged:
            raise unknown(f"judged samples of run {run.name}", place, [e.place for e in run.events()])
        return judged

    def _rationales_of(self, verdicts: Artifact) -> Artifact:
        if verdicts.has(Rationale):
            return verdicts
        rationales = self._store.get(verdicts.input("rationales") or "")
        if rationales is None:
            raise StarError(f"the rationales that {verdicts.key} judges are no longer in the store")
        return rationales

    def __repr__(self) -> str:
        return f"Results({', '.join(self.names)})"


def open_results(run: str | os.PathLike[str], *, home: str | os.PathLike[str] = "", frames: str = "pandas") -> Results:
    """The results of a run or a sweep: its folder (``runs/demo``), or its name in a home.

    The home is ``home``, else STAR_HOME, else the working directory. ``frames`` is pandas or polars. Raises StarError
    for a run that does not exist.
    """
    where, name = _located(str(run).rstrip("/"), str(home))
    one = Run(where, name)
    chosen = [one] if one.exists() else arms_below(where, name)
    if not chosen:
        raise unknown("run", name, [r.name for r in runs(where)], hint=f"star ls runs --home {where}")
    return Results(where, chosen, frames)


def _located(text: str, home: str) -> tuple[Path, str]:
    """(home, name of the run) of a path such as /data/home/runs/sweep/seed=1, or of a bare name."""
    path = Path(text).expanduser()
    parts = path.parts
    if "runs" in parts[:-1]:
        at = len(parts) - 2 - parts[:-1][::-1].index("runs")
        inside = Path(*parts[:at]) if at else Path(home or ".")
        return inside.expanduser().resolve(), "/".join(parts[at + 1 :])
    return Path(home or os.environ.get("STAR_HOME") or ".").expanduser().resolve(), text


def _place(text: str) -> tuple[int, str | None]:
    """round-2/filter -> (2, "filter"); round-2 -> (2, None); a StarError for anything else."""
    _, round, stage = parse_path(f"run/{text}")
    if round is None:
        raise StarError(f"{text!r} is neither a round nor a stage of one", hint="for example round-2, round-2/evaluate")
    return round, stage


def _round_row(row: RoundRow) -> Row:
    """A round as one flat row: health and groups as columns of their own."""
    flat = {name: value for name, value in row.as_json().items() if name != "health"}
    flat["wrong_steps"] = row.wrong_steps
    flat |= {f"health_{name}": value for name, value in row.health.items()}
    return flat | {f"accuracy/{group}": value for group, value in row.groups.items()} | dict(row.beside)
