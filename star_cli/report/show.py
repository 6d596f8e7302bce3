"""What `star show` shows: a run, a round, a sweep, or an artifact; each as text for people and as JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from star_cli.core.records import Rationale, Verdict
from star_cli.errors import StarError
from star_cli.report.artifact import FactsView, RationalesView
from star_cli.report.curve import text_plot
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.samples import Wanted
from star_cli.report.selection import SelectionView
from star_cli.report.tables import arms_of, percent, rounds_table, stages_table, sweep_table, width_of
from star_cli.report.text import one_line
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Event, Run, arms_below, find_artifact, parse_path


class View(Protocol):
    """Something to look at."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""

    def print(self, out: Console) -> None:
        """For people."""


def view_of(home: Path, what: str, *, wanted: Wanted, n: int = 5, prompt: bool = False) -> View:
    """What ``what`` names: RUN, RUN/round-2, RUN/round-2/filter, a sweep, or a key; else a StarError."""
    store = Store(home / "artifacts")
    name, number, stage = parse_path(what)
    options = {
        "--wrong": wanted.wrong,
        "--kept-wrong": wanted.kept_wrong,
        "--hinted": wanted.hinted,
        "--prompt": prompt,
    }
    if wanted.wrong and wanted.kept_wrong:
        raise StarError("--wrong and --kept-wrong exclude each other", hint="a wrong answer is never kept")
    if stage is None and (number is not None or not _is_key(home, name)):
        _refuse(options, what, "looks at rationales", f"name a stage: star show {name}/round-{number or 1}/filter")
        run, arms = Run(home, name), arms_below(home, name)
        if number is not None:
            return RoundView(run, number)
        return SweepView(name, arms, store) if arms and not (run.path / "run.json").exists() else RunView(run, store)
    artifact = find_artifact(home, store, what)
    if artifact.has(Verdict) or artifact.has(Rationale):
        run_named = Run(home, name) if number is not None else None
        return RationalesView(store, artifact, what, run_named, wanted, n, prompt)
    _refuse(
        options,
        what,
        f"looks at rationales, and a {artifact.stage} artifact holds none",
        "name a generate, filter or evaluate stage",
    )
    if artifact.stage == "select":
        return SelectionView(artifact, what)
    return FactsView(artifact, what, n)


def _is_key(home: Path, text: str) -> bool:
    """Whether a name without a round is meant as a key: hex digits, and no run or sweep is called so."""
    return len(text) >= 4 and not set(text) - set("0123456789abcdef") and not (home / "runs" / text).exists()


def _refuse(options: dict[str, bool], what: str, why: str, hint: str) -> None:
    """An option without effect is an error."""
    for name, given in options.items():
        if given:
            raise StarError(f"{name} has no effect on {what}: it {why}", hint=hint)


@dataclass(frozen=True)
class RunView:
    """How a run stands."""

    run: Run
    store: Store

    def as_json(self) -> dict[str, Any]:
        """The stable format of ``star show RUN --json``."""
        return {
            "name": self.run.name,
            "status": self.run.info.get("status"),
            "rounds": [r.as_json() for r in rounds_of(self.run, self.store)],
            "stages": [_stage_json(e) for e in self.run.events()],
        }

    def print(self, out: Console) -> None:
        """Table, curve, and where everything is."""
        run, said = self.run, standing(self.run)
        rows = rounds_of(run, self.store)
        out.print(Text(f"{run.name}: {said}{gain(rows)}", style="bold"))
        if not rows:
            out.print("no stage of it is finished yet")
            return
        width = width_of(out)
        out.print(rounds_table(rows, width), width=width)
        print_plot(rows, out)
        print_places(run, out)


@dataclass(frozen=True)
class RoundView:
    """The stages of one round."""

    run: Run
    number: int

    def events(self) -> list[Event]:
        """Its stages; a round that is not there is a StarError."""
        self.run.info  # noqa: B018  (an unknown run is told first)
        events = self.run.events()
        found = [e for e in events if e.round == self.number]
        if not found:
            have = ", ".join(str(n) for n in sorted({e.round for e in events}))
            raise StarError(
                f"run {self.run.name} has no round {self.number}; it has {have or 'none yet'}",
                hint=f"star show {self.run.name}",
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """The stages with their metrics."""
        return {
            "name": self.run.name,
            "round": self.number,
            "stages": [{**_stage_json(e), "metrics": e.metrics} for e in self.events()],
        }

    def print(self, out: Console) -> None:
        """A row for every stage."""
        out.print(stages_table(self.run.name, self.events(), width_of(out)), width=width_of(out))


@dataclass(frozen=True)
class SweepView:
    """The arms of a sweep."""

    name: str
    arms: list[Run]
    store: Store

    def as_json(self) -> dict[str, Any]:
        """Each arm with its last measured round."""
        return {"name": self.name, "arms": [a.as_json() for a in arms_of(self.arms, self.store)]}

    def print(self, out: Console) -> None:
        """A row for every arm."""
        out.print(Text(f"{self.name}: {len(self.arms)} runs", style="bold"))
        out.print(sweep_table(arms_of(self.arms, self.store), width_of(out)), width=width_of(out))
        if self.arms:
            out.print(Text(f"\nlook       star show {self.arms[0].name}"))


def _stage_json(e: Event) -> dict[str, Any]:
    return {"round": e.round, "stage": e.name, "key": e.key, "hit": e.hit, "seconds": e.seconds}


def standing(run: Run) -> str:
    """The run's status in words, with the reason where it failed."""
    info = run.info
    status = str(info.get("status"))
    if status == "running" and not _alive(info.get("pid")):
        return f"stopped in the middle (its process is gone); star resume {run.name} continues"
    if status in ("failed", "interrupted"):
        told = f": {one_line(str(info['message']), 200)}" if info.get("message") else ""
        return f"{status}{told}; star resume {run.name} continues"
    return status


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except OSError:
        return True
    return True


def gain(rows: list[RoundRow]) -> str:
    """From where to where accuracy went, for a heading."""
    judged = [r for r in rows if r.accuracy is not None]
    if not judged:
        return ""
    if len(judged) == 1:
        return f", accuracy {percent(judged[0].accuracy)} %"
    return f", accuracy {percent(judged[0].accuracy)} % -> {percent(judged[-1].accuracy)} %"


def print_plot(rows: list[RoundRow], out: Console) -> None:
    """The learning curve as text, where something was measured and the output can show it."""
    plot = text_plot(rows, width=min(60, width_of(out)))
    if plot and out.encoding.lower().startswith("utf"):
        out.print(Text("\n" + plot))


def print_places(run: Run, out: Console) -> None:
    """Where the pictures, the run and its artifacts lie, and what to look at next."""
    out.print()
    places = [
        ("curve", run.path / "curve.png"),
        ("report", run.path / "report.html"),
        ("run", run.path),
        ("artifacts", run.home / "artifacts"),
    ]
    for name, path in places:
        if path.exists():
            out.print(Text(f"{name:<10} {path}"))
    last = next((e for e in reversed(run.events()) if e.stage in ("filter", "evaluate")), None)
    if last:
        out.print(Text(f"{'look':<10} star show {run.name}/round-{last.round}/{last.name} --wrong"))
