"""A run in progress in the terminal: stages as they end, how far the present one is, and what was written last."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from star_cli.core.records import Rationale, decode
from star_cli.errors import StarError
from star_cli.report.columns import percent
from star_cli.report.show import standing
from star_cli.report.terminal import Terminal
from star_cli.report.text import one_line
from star_cli.run.progress import Progress, read_progress
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

PAUSE = 1.0  # seconds between two looks
END = 1 << 16  # bytes at the end of a journal that are looked at for its last line
WIDTH = 160  # characters of a text


def follow(run: Run, out: Console) -> None:
    """Print what a run does until it ends (another process runs it), or at once how one that has ended stands."""
    terminal, shown, last = Terminal("plain", out), 0, (0, "")
    store = open_store(run.home)
    while True:
        running = run.info.state == "running"
        events = run.latest()
        shown = 0 if len(events) < shown else shown  # it was started anew
        for event in events[shown:]:
            terminal.stage_done(event)
        shown = len(events)
        if not running:
            out.print(Text(f"{run.name}: {standing(run)}", style="bold"))
            return
        progress = read_progress(run.path)
        if progress is not None and progress.done and (progress.done, progress.key) != last:
            last = progress.done, progress.key
            out.print(Text(_line(progress), style="dim"))
            newest = newest_rationale(store.partial(progress.key) / f"{Rationale.file}.journal")
            if newest is not None:
                out.print(Text(f"      {one_line(newest.problem_id, 40)}: {one_line(newest.text, WIDTH)}"))
        time.sleep(PAUSE)


def newest_rationale(journal: Path) -> Rationale | None:
    """The last whole rationale of a journal that another process writes; None where there is none."""
    try:
        with open(journal, "rb") as f:
            f.seek(max(0, f.seek(0, os.SEEK_END) - END))
            lines = f.read().split(b"\n")[:-1]  # the rest is not whole yet
    except OSError:
        return None
    for line in reversed(lines):
        try:
            return decode(line.rpartition(b"\t")[0], Rationale, str(journal))
        except StarError:  # the first line of the piece may be half
            continue
    return None


def _line(p: Progress) -> str:
    """round-1/generate: 311 of 1,000, about 40 s left, 39.2 % right, loss 0.1234"""
    parts = [f"{p.done:,} of {p.total:,}" if p.total else f"{p.done:,}"]
    if p.remaining is not None:
        parts.append(f"about {p.remaining:.0f} s left")
    if p.judged:
        parts.append(f"{percent(p.right / p.judged)} % right")
    if p.loss is not None:
        parts.append(f"loss {p.loss:.4f}")
    return f"  round-{p.round}/{p.name}: {', '.join(parts)}"
