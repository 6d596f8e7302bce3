"""What the pages show of whole runs: a row in the list, the page of one, several laid over each other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from star_cli.analysis.arms import settings_of
from star_cli.analysis.cost import spending
from star_cli.analysis.events import evaluations
from star_cli.errors import StarError
from star_cli.report.columns import Column, duration, short_number
from star_cli.report.label_files import labels_of
from star_cli.report.rounds import RoundRow
from star_cli.report.show import standing
from star_cli.report.tables import round_blocks
from star_cli.report.terminal import outline
from star_cli.report.view.charts import Box, Line, Point
from star_cli.report.view.library import Library, SampleSet
from star_cli.run.progress import Progress
from star_cli.store.run_info import RunInfo
from star_cli.store.runs import Run


@dataclass(frozen=True)
class RunRow:
    """A run in the list. ``fault`` is why it cannot be read; then the rest is empty."""

    name: str
    status: str = ""
    method: str = ""
    task: str = ""
    sweep: str = ""
    started: str = ""
    line: Line | None = None
    progress: Progress | None = None
    fault: str = ""

    @property
    def base(self) -> Point | None:
        """The first measured point."""
        return self.line.points[0] if self.line and self.line.points else None

    @property
    def last(self) -> Point | None:
        """The last measured point."""
        return self.line.points[-1] if self.line and self.line.points else None


@dataclass(frozen=True)
class RunPage:
    """All that the page of one run shows."""

    run: Run
    info: RunInfo
    standing: str
    line: Line
    rounds: list[Column]
    health: list[Column]
    sets: dict[int, list[SampleSet]]
    boxes: list[Box]
    costs: list[tuple[str, str]]
    progress: Progress | None
    labels: list[tuple[str, int, int]]  # (file, labels, those that dispute the grader)
    faults: list[str] = field(default_factory=list)


def run_row(library: Library, run: Run) -> RunRow:
    """The row of a run; a damaged one says what is wrong with it."""
    try:
        info = run.info
        return RunRow(
            name=run.name,
            status=info.state,
            method=info.method,
            task=info.parts.get("task") or "",
            sweep=info.sweep or "",
            started=info.started[:16].replace("T", " "),
            line=run_line(library, run),
            progress=library.progress(run),
        )
    except StarError as e:
        return RunRow(name=run.name, status="broken", fault=e.what)


def run_line(library: Library, run: Run, label: str = "") -> Line:
    """Accuracy by round; a point leads to the samples that it was measured on."""
    names = {e.round: e.name for e in evaluations(run.events())}
    return Line(
        label or run.name,
        [
            Point(r.round, r.accuracy, r.low, r.high, samples_url(f"{run.name}/round-{r.round}/{names[r.round]}"))
            for r in library.rounds(run)
            if r.accuracy is not None and r.round in names
        ],
    )


def run_page(library: Library, run: Run) -> RunPage:
    """The page of a run. Raises StarError where its run.json or its ledger cannot be read."""
    rows = library.rounds(run)
    by_round: dict[int, list[SampleSet]] = {}
    for one in library.sets(run):
        by_round.setdefault(one.round, []).append(one)
    lost = run.lost()
    faults = [fault for row in rows for fault in row.faults]
    if lost:
        faults.append(f"the ledger has lost {', '.join(lost)}; star resume {run.name} notes them again")
    try:
        labels = [(path.name, len(ls), sum(one.disputes for one in ls)) for path, ls in labels_of(run)]
    except StarError as e:
        labels, faults = [], [*faults, e.what]
    rounds, health = _columns(rows)
    return RunPage(
        run=run,
        info=run.info,
        standing=standing(run),
        line=run_line(library, run),
        rounds=rounds,
        health=health,
        sets=by_round,
        boxes=stage_boxes(library, run),
        costs=costs_of(library, run, faults),
        progress=library.progress(run),
        labels=labels,
        faults=list(dict.fromkeys(faults)),
    )


def _columns(rows: list[RoundRow]) -> tuple[list[Column], list[Column]]:
    """(the columns of the rounds, those of the loop's health with the round before them)."""
    if not rows:
        return [], []
    first, blocks = round_blocks(rows)
    *others, health = blocks
    return [*first, *(column for block in others for column in block)], [*first, *health] if health else []


def costs_of(library: Library, run: Run, faults: list[str]) -> list[tuple[str, str]]:
    """(unit, amount) of what a run has spent on the models it trained; what cannot be counted goes to ``faults``."""
    try:
        spent = spending(run, library.store)
    except StarError as e:
        faults.append(e.what)
        return []
    if not spent.rounds:
        return []
    total = spent.until(max(spent.rounds)).as_json()
    return [(unit, short_number(amount)) for unit, amount in total.items() if amount is not None]


def stage_boxes(library: Library, run: Run) -> list[Box]:
    """The stages of a run for its graph."""
    places = {(one.round, one.name) for one in library.sets(run)}
    boxes = []
    for event in run.events():
        try:
            artifact = library.store.get(event.key)
        except StarError:
            artifact = None
        place = f"{run.name}/{event.place}"
        seen = (event.round, event.name) in places
        boxes.append(
            Box(
                key=event.key,
                round=event.round,
                name=event.name,
                note="found" if event.hit else f"{duration(event.seconds)} s",
                found=event.hit,
                inputs=list(artifact.manifest.inputs.values()) if artifact else [],
                href=samples_url(place) if seen else f"/artifact/{quote(place)}",
            )
        )
    return boxes


def differing(chosen: list[Run]) -> list[tuple[str, list[str]]]:
    """(setting, its value in each run) of the settings in which runs differ, seed included."""
    all_settings = [{**settings_of(run.info), "seed": run.info.seed} for run in chosen]
    names = sorted({name for settings in all_settings for name in settings})
    rows = [(name, [_shown(settings.get(name)) for settings in all_settings]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _shown(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def stage_line(run: Run) -> list[tuple[str, str, str, str]]:
    """(place, key, seconds, numbers) of every stage, for the table beside the graph."""
    return [(e.place, e.key, duration(None if e.hit else e.seconds), outline(e)) for e in run.events()]


def samples_url(place: str, parameters: str = "") -> str:
    """The page of the samples of a place."""
    return f"/samples/{quote(place)}{'?' if parameters else ''}{parameters}"
