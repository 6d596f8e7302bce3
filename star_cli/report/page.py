"""The end of a run: its table and curve in the terminal, curve.png and the one-file report.html in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text

from star_cli.analysis.events import evaluations, hinted_judgements, judgements, selections
from star_cli.errors import StarError
from star_cli.lib.health import MEANING
from star_cli.report import html
from star_cli.report.chart import Chart, Line
from star_cli.report.columns import Column, duration, width_of
from star_cli.report.curve import Extra, svg, write_png
from star_cli.report.label_files import FOLDER, labels_of
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.samples import PickedSamples, Sample, SampleFilter, pick_samples
from star_cli.report.selection import RULES, selection_of
from star_cli.report.show import fall, gain, print_places, print_plot, standing
from star_cli.report.tables import round_blocks, rounds_table
from star_cli.report.terminal import Terminal
from star_cli.stages.base import stage_class
from star_cli.stages.losses import losses_of
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.durable import write_bytes
from star_cli.store.ledger import Event
from star_cli.store.runs import Run

ALL = 10**6  # samples: more than an evaluation has


def show_finished(run: Run, terminal: Terminal) -> None:
    """Print how a run ended and write its curve and page; whatever cannot be shown is said, and fails nothing."""
    out = terminal.out
    try:
        rows = rounds_of(run, open_store(run.home))
        heading = f"\n{run.name}: {standing(run)}{gain(rows)}; {built(run)}"
    except StarError as e:
        terminal.say(f"the table cannot be shown: {e}")
        return
    out.print(Text(heading, style="bold"))
    if not rows:
        return
    if worse := fall(run, rows):
        out.print(Text(worse, style="yellow"))
    width = width_of(out)
    out.print(rounds_table(rows, width), width=width)
    if not run.info.sweep:
        _attempt(terminal, "the plot cannot be drawn", lambda: print_plot(rows, out))
    write_report(run, terminal, rows)
    print_places(run, out)


def built(run: Run) -> str:
    """What the last start of the run built, in words."""
    events = run.latest()
    new = [e for e in events if not e.hit]
    if events and not new:
        return f"nothing was built, everything was found ({len(events)} stages)"
    return f"{len(new)} stages built in {duration(sum(e.seconds for e in new))} s, {len(events) - len(new)} found"


def write_report(
    run: Run, terminal: Terminal, rows: list[RoundRow] | None = None, *, extra: Extra | None = None
) -> None:
    """Write curve.png and report.html into the run's folder; a full disk is told, not raised."""
    store = open_store(run.home)
    rows = rounds_of(run, store) if rows is None else rows
    _attempt(
        terminal,
        "curve.png could not be written",
        lambda: write_png(rows, run.path / "curve.png", title=run.name, extra=extra),
    )
    _attempt(terminal, "report.html could not be written", lambda: write_page(run, store, rows=rows, extra=extra))


def _attempt(terminal: Terminal, failure: str, action: Callable[[], Any]) -> None:
    """Do something that the run does not depend on; a failure is a sentence."""
    try:
        action()
    except (OSError, ImportError, StarError) as e:
        reason = e.strerror or str(e) if isinstance(e, OSError) else str(e)
        terminal.say(f"{failure}: {reason} (the run itself is complete)")


def write_page(run: Run, store: Store, *, rows: list[RoundRow] | None = None, extra: Extra | None = None) -> Path:
    """Write ``report.html`` into the run's folder; it needs nothing beside itself. Raises OSError on a full disk."""
    rows = rounds_of(run, store) if rows is None else rows
    info, events = run.info, run.events()
    source = Source(store, info.task_settings, [fault for row in rows for fault in row.faults])
    sections = []
    if any(r.accuracy is not None for r in rows):
        sections.append(html.section("Learning curve", html.picture(svg(rows, extra=extra))))
    if rows:
        sections += _round_sections(rows)
    sections += loss_sections(source, events) + selection_sections(source, events)
    changed = changes(source, events)
    if changed:
        title = f"The same question, before and after: {changed[0]} and {changed[1]}"
        sections.append(html.section(title, "".join(html.pair(a, b) for a, b in changed[2])))
    for title, samples in examples(source, events):
        sections.append(html.section(title, html.cards(samples)))
    sections += _label_section(run, source)
    sections.append(html.section("Stages", html.stages(run, events)))
    faults = "".join(f"<p>{html.text(fault)}</p>" for fault in dict.fromkeys(source.faults))
    damaged = [html.section("Damaged or missing", faults)] if faults else []
    heading = html.heading(run.name, standing(run) + gain(rows), info, built(run))
    heading += f"<p>{html.text(worse)}</p>" if (worse := fall(run, rows)) else ""
    return write_bytes(run.path / "report.html", html.page(run.name, [heading, *damaged, *sections]).encode())


@dataclass
class Source:
    """Where the page takes artifacts and samples from. What cannot be read is left out and noted in ``faults``."""

    store: Store
    task_settings: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def artifact(self, event: Event) -> Artifact | None:
        """The artifact of an event; None where it is gone or damaged."""
        try:
            return self.store.get(event.key)
        except StarError as e:
            self.faults.append(e.what)
            return None

    def samples(self, event: Event, filter: SampleFilter, n: int) -> PickedSamples | None:
        """Samples of an event's artifact; None where it, or what it was made of, is gone or damaged."""
        artifact = self.artifact(event)
        if artifact is None:
            return None
        try:
            return pick_samples(self.store, artifact, filter, n, settings=self.task_settings)
        except StarError as e:
            self.faults.append(e.what)
            return None


def _label_section(run: Run, source: Source) -> list[str]:
    """What people labelled in `star view`, and how often that contradicts the grader; nothing where there is none."""
    try:
        files = [(path, labels) for path, labels in labels_of(run) if labels]
    except StarError as e:
        source.faults.append(e.what)
        return []
    if not files:
        return []
    columns = [
        Column("labels", [f"{FOLDER}/{path.name}" for path, _ in files], left=True),
        Column("samples", [f"{len(labels):,}" for _, labels in files]),
        Column("against the grader", [f"{sum(one.disputes for one in labels):,}" for _, labels in files]),
    ]
    return [html.section("Labels", html.table(columns))]


def _round_sections(rows: list[RoundRow]) -> list[str]:
    """The table of rounds, and beside it the health of the loop with what its numbers mean."""
    first, blocks = round_blocks(rows)
    *others, health = blocks
    sections = [html.section("Rounds", html.table([*first, *(column for block in others for column in block)]))]
    if health:
        names = {name for r in rows for name in r.health}
        meanings = "".join(
            f"<dt>{html.text(name.replace('_', ' '))}</dt><dd>{html.text(meaning)}</dd>"
            for name, meaning in MEANING.items()
            if name in names
        )
        explained = f"<details><summary>What they mean</summary><dl>{meanings}</dl></details>"
        sections.append(html.section("Health of the loop", html.table([*first, *health]) + explained))
    return sections


def selection_sections(source: Source, events: list[Event]) -> list[str]:
    """A section for each way of picking answers that was measured (the last round's of each name)."""
    sections = []
    for event in {e.name: e for e in selections(events)}.values():
        artifact = source.artifact(event)
        if artifact is not None:
            s = selection_of(artifact)
            notes = "".join(f'<p class="soft">{html.text(x)}</p>' for x in [*s.about(), RULES])
            tables = html.table(s.columns()) + html.table(s.difference_columns())
            content = html.picture(s.chart().svg()) + tables + notes
            sections.append(html.section(f"Picking an answer: {event.place}", content))
    return sections


def loss_sections(source: Source, events: list[Event]) -> list[str]:
    """The loss of every step, a line a training; nothing where none was kept."""
    lines = []
    for event in events:
        artifact = source.artifact(event) if stage_class(event.stage).makes else None
        losses = thinned(losses_of(artifact)) if artifact is not None else []
        if losses:
            lines.append(Line(event.place, [(step, loss, None, None) for step, loss in losses]))
    return [html.section("Loss by step", html.picture(Chart(lines, "step", "loss").svg()))] if lines else []


def thinned(losses: list[tuple[int, float]], most: int = 300) -> list[tuple[float, float]]:
    """At most ``most`` points: means over equal stretches of steps where there are more, at the middle of each."""
    size = -(-len(losses) // most) or 1
    stretches = [losses[i : i + size] for i in range(0, len(losses), size)]
    return [(sum(s for s, _ in part) / len(part), sum(x for _, x in part) / len(part)) for part in stretches]


def examples(source: Source, events: list[Event], n: int = 3) -> list[tuple[str, list[Sample]]]:
    """Rationales worth a look, each kind from the last stage that has some: (title, samples)."""
    plain = judgements(events) or evaluations(events)
    hinted = hinted_judgements(events)
    kinds = [
        ("Right", plain, SampleFilter(right=True)),
        ("Wrong", plain, SampleFilter(wrong=True)),
        ("Right answer, wrong step", plain + hinted, SampleFilter(kept_wrong=True)),
        ("Rationalized: right with the answer as a hint", hinted, SampleFilter(right=True)),
    ]
    sections: list[tuple[str, list[Sample]]] = []
    for title, judged, filter in kinds:
        for event in reversed(judged):
            picked = source.samples(event, filter, n)
            if picked and picked.samples:
                count = f"{len(picked.samples)} of {picked.matching:,} in {event.place}"
                sections.append((f"{title} ({count})", picked.samples))
                break
    return sections


def changes(source: Source, events: list[Event], n: int = 2) -> tuple[str, str, list[tuple[Sample, Sample]]] | None:
    """Held-out questions that the first model got wrong and the last one right: (first, last, pairs); else None."""
    measured = [e for e in evaluations(events) if source.artifact(e)]
    if len(measured) < 2:
        return None
    first, last = measured[0], measured[-1]
    after = source.samples(last, SampleFilter(right=True), ALL)
    before = source.samples(first, SampleFilter(wrong=True), ALL)
    if before is None or after is None:
        return None
    right = {s.rationale.identity(): s for s in after.samples}
    pairs = [(s, right[s.rationale.identity()]) for s in before.samples if s.rationale.identity() in right]
    step = max(1, len(pairs) // n)
    shown = pairs[step // 2 :: step][:n]
    return (f"round {first.round}", f"round {last.round}", shown) if pairs else None
