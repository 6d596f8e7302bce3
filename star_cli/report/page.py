"""The end of a run: its table and curve in the terminal, curve.png and the one-file report.html in its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.text import Text

from star_cli.errors import StarError
from star_cli.lib.health import MEANING
from star_cli.report import html
from star_cli.report.curve import Extra, svg, write_png, write_whole
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.samples import Sample, Wanted, pick, placed
from star_cli.report.selection import RULES, selection_of
from star_cli.report.show import gain, print_places, print_plot, standing
from star_cli.report.tables import duration, round_blocks, rounds_table, width_of
from star_cli.report.terminal import Terminal
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Event, Run


def show_finished(run: Run, terminal: Terminal) -> None:
    """Print how a run ended and write its curve and page; whatever cannot be shown is said, and fails nothing."""
    out, store = terminal.out, Store(run.home / "artifacts")
    try:
        rows = rounds_of(run, store)
    except StarError as e:
        terminal.say(f"the table cannot be shown: {e}")
        return
    out.print(Text(f"\n{run.name}: {standing(run)}{gain(rows)}; {built(run)}", style="bold"))
    if not rows:
        return
    width = width_of(out)
    out.print(rounds_table(rows, width), width=width)
    if not run.info.get("sweep"):
        _kept(terminal, "the plot cannot be drawn", lambda: print_plot(rows, out))
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
    store = Store(run.home / "artifacts")
    rows = rounds_of(run, store) if rows is None else rows
    _kept(
        terminal,
        "curve.png could not be written",
        lambda: write_png(rows, run.path / "curve.png", title=run.name, extra=extra),
    )
    _kept(terminal, "report.html could not be written", lambda: write_page(run, store, rows=rows, extra=extra))


def _kept(terminal: Terminal, what: str, action: Callable[[], Any]) -> None:
    try:
        action()
    except (OSError, ImportError, StarError) as e:
        told = e.strerror or str(e) if isinstance(e, OSError) else str(e)
        terminal.say(f"{what}: {told} (the run itself is complete)")


def write_page(run: Run, store: Store, *, rows: list[RoundRow] | None = None, extra: Extra | None = None) -> Path:
    """Write ``report.html`` into the run's folder; it needs nothing beside itself. Raises OSError on a full disk."""
    rows = rounds_of(run, store) if rows is None else rows
    info, events = run.info, run.events()
    told = info.get("config", {}).get("task")
    task = told if isinstance(told, dict) else {}
    parts = [html.heading(run.name, standing(run) + gain(rows), info, built(run))]
    if any(r.accuracy is not None for r in rows):
        parts.append(html.section("Learning curve", html.picture(svg(rows, extra=extra))))
    if rows:
        first, blocks = round_blocks(rows)
        parts.append(html.section("Rounds", html.table([*first, *(c for block in blocks[:-1] for c in block)])))
        if blocks[-1]:
            told = {name for r in rows for name in r.health}
            words = "".join(
                f"<dt>{html.text(name.replace('_', ' '))}</dt><dd>{html.text(meaning)}</dd>"
                for name, meaning in MEANING.items()
                if name in told
            )
            inside = (
                html.table([*first, *blocks[-1]])
                + f"<details><summary>What they mean</summary><dl>{words}</dl></details>"
            )
            parts.append(html.section("Health of the loop", inside))
    parts += selections(store, events)
    changed = changes(store, events, settings=task)
    if changed:
        title = f"The same question, before and after: {changed[0]} and {changed[1]}"
        parts.append(html.section(title, "".join(html.pair(a, b) for a, b in changed[2])))
    for title, samples in examples(store, events, settings=task):
        parts.append(html.section(title, html.cards(samples)))
    parts.append(html.section("Stages", html.stages(run, events)))
    return write_whole(run.path / "report.html", html.page(run.name, parts).encode())


def selections(store: Store, events: list[Event]) -> list[str]:
    """A section for each way of picking answers that was measured (the last round's of each name)."""
    last = {e.name: e for e in events if e.stage == "select"}
    found = []
    for event in last.values():
        artifact = store.get(event.key)
        if artifact is not None:
            s = selection_of(artifact)
            notes = "".join(f'<p class="soft">{html.text(x)}</p>' for x in [*s.about(), RULES])
            inside = html.picture(s.chart().svg()) + html.table(s.columns()) + html.table(s.gaps()) + notes
            found.append(html.section(f"Picking an answer: round-{event.round}/{event.name}", inside))
    return found


def examples(
    store: Store, events: list[Event], n: int = 3, *, settings: dict[str, Any] | None = None
) -> list[tuple[str, list[Sample]]]:
    """Rationales worth a look, each kind from the last stage that has some: (title, samples)."""
    plain = [e for e in events if e.stage == "filter" and not e.name.startswith("filter-")]
    plain = plain or [e for e in events if e.stage == "evaluate"]
    hinted = [e for e in events if e.name == "filter-rationalized"]
    kinds = [
        ("Right", plain, Wanted(right=True)),
        ("Wrong", plain, Wanted(wrong=True)),
        ("Right answer, wrong step", plain + hinted, Wanted(kept_wrong=True)),
        ("Rationalized: right with the answer as a hint", hinted, Wanted(right=True)),
    ]
    found: list[tuple[str, list[Sample]]] = []
    for title, sources, wanted in kinds:
        for event in reversed(sources):
            artifact = store.get(event.key)
            picked = pick(store, artifact, wanted, n, settings=settings) if artifact else None
            if picked and picked.samples:
                where = f"round-{event.round}/{event.name}"
                found.append((f"{title} ({len(picked.samples)} of {picked.matching:,} in {where})", picked.samples))
                break
    return found


def changes(
    store: Store, events: list[Event], n: int = 2, *, settings: dict[str, Any] | None = None
) -> tuple[str, str, list[tuple[Sample, Sample]]] | None:
    """Held-out questions that the first model got wrong and the last one right; None where there are none."""
    judged = [(e, a) for e in events if e.name == "evaluate" and (a := store.get(e.key)) is not None]
    if len(judged) < 2:
        return None
    (first, before), (last, after) = judged[0], judged[-1]
    found = pick(store, after, Wanted(right=True), 10**6)
    right = found.samples
    now = {s.rationale.identity(): s for s in right}
    wrong = pick(store, before, Wanted(wrong=True), 10**6).samples
    pairs = [(s, now[s.rationale.identity()]) for s in wrong if s.rationale.identity() in now]
    step = max(1, len(pairs) // n)
    shown = [placed(list(p), found.rationales, settings or {}) for p in pairs[step // 2 :: step][:n]]
    return (f"round {first.round}", f"round {last.round}", [(a, b) for a, b in shown]) if pairs else None
