"""What `star show` shows: a run, a round, a sweep, or an artifact; each as text for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from star_cli.analysis.events import evaluations, hinted_judgements, judgements
from star_cli.core.records import Rationale, Verdict
from star_cli.errors import StarError
from star_cli.report.artifact import FactsView, RationalesView
from star_cli.report.columns import interval, percent, width_of
from star_cli.report.curve import text_plot
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.samples import SampleFilter
from star_cli.report.selection import SelectionView
from star_cli.report.tables import rounds_table, stages_table, sweep_rows, sweep_table
from star_cli.report.text import one_line
from star_cli.stages.base import stage_class
from star_cli.store.addresses import find_artifact, names_a_run, parse_path
from star_cli.store.artifacts import Store, open_store
from star_cli.store.ledger import Event
from star_cli.store.runs import Run, arms_below


class View(Protocol):
    """Something to look at."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""

    def print(self, out: Console) -> None:
        """For people."""


def view_of(home: Path, what: str, *, filter: SampleFilter, n: int = 5, prompt: bool = False) -> View:
    """What ``what`` names: RUN, RUN/round-2, RUN/round-2/filter, a sweep, or a key; else a StarError."""
    store = open_store(home)
    name, number, stage = parse_path(what)
    options = {
        "--wrong": filter.wrong,
        "--right": filter.right,
        "--problem": bool(filter.problem),
        "--reason": bool(filter.reason),
        "--text": bool(filter.text),
        "--group": bool(filter.group),
        "--kept-wrong": filter.kept_wrong,
        "--hinted": filter.hinted,
        "--prompt": prompt,
    }
    if filter.wrong and filter.right:
        raise StarError("--right and --wrong exclude each other", hint="leave both out to see all")
    if filter.wrong and filter.kept_wrong:
        raise StarError("--wrong and --kept-wrong exclude each other", hint="a wrong answer is never kept")
    if stage is None and (number is not None or not _is_key(home, name)):
        _refuse(options, what, "looks at rationales", f"name a stage: star show {name}/round-{number or 1}/filter")
        run = Run(home, name)
        if number is not None:
            return RoundView(run, number)
        arms = [] if run.exists() else arms_below(home, name)
        return SweepView(name, arms, store) if arms else RunView(run, store)
    artifact = find_artifact(home, store, what)
    if artifact.has(Verdict) or artifact.has(Rationale):
        run_named = Run(home, name) if number is not None else None
        return RationalesView(store, artifact, what, run_named, filter, n, prompt)
    _refuse(
        options,
        what,
        f"looks at rationales, and a {artifact.stage} artifact holds none",
        "name a generate, filter or evaluate stage",
    )
    if stage_class(artifact.stage).chooses:
        return SelectionView(artifact, what)
    return FactsView(artifact, what, n)


def _is_key(home: Path, text: str) -> bool:
    """Whether a name without a round is meant as a key: hex digits, and no run or sweep is called so."""
    return len(text) >= 4 and not set(text) - set("0123456789abcdef") and not names_a_run(home, text)


def _refuse(options: dict[str, bool], what: str, why: str, hint: str) -> None:
    """An option without effect is an error."""
    for name, is_set in options.items():
        if is_set:
            raise StarError(f"{name} has no effect on {what}: it {why}", hint=hint)


@dataclass(frozen=True)
class RunView:
    """How a run stands."""

    run: Run
    store: Store

    def as_json(self) -> dict[str, Any]:
        """The stable format of ``star show RUN --json``; ``faults`` is there where something is damaged."""
        info, rows = self.run.info, rounds_of(self.run, self.store)
        faults = _faults(self.run, rows)
        return {
            "name": self.run.name,
            "status": info.status,
            "rounds": [r.as_json() for r in rows],
            "stages": [_stage_json(e) for e in self.run.events()],
            **({"faults": faults} if faults else {}),
        }

    def print(self, out: Console) -> None:
        """Table, curve, and where everything is."""
        run, heading = self.run, standing(self.run)
        rows = rounds_of(run, self.store)
        out.print(Text(f"{run.name}: {heading}{gain(rows)}", style="bold"))
        for fault in _faults(run, rows):
            out.print(Text(f"damaged: {one_line(fault)}", style="yellow"))
        if not rows:
            out.print("no stage of it is finished yet")
            return
        if worse := fall(run, rows):
            out.print(Text(worse, style="yellow"))
        width = width_of(out)
        out.print(rounds_table(rows, width), width=width)
        print_plot(rows, out)
        print_places(run, out)


def _faults(run: Run, rows: list[RoundRow]) -> list[str]:
    """What of a run is damaged, as sentences."""
    lost = run.lost()
    sentences = [fault for row in rows for fault in row.faults]
    if lost:
        sentences.append(f"the ledger {run.ledger} has lost {', '.join(lost)}; star resume {run.name} notes them again")
    return sentences


@dataclass(frozen=True)
class RoundView:
    """The stages of one round."""

    run: Run
    number: int

    def events(self) -> list[Event]:
        """Its stages; a round that is not there is a StarError."""
        self.run.require()
        events = self.run.events()
        of_round = [e for e in events if e.round == self.number]
        if not of_round:
            rounds = ", ".join(str(n) for n in sorted({e.round for e in events}))
            raise StarError(
                f"run {self.run.name} has no round {self.number}; it has {rounds or 'none yet'}",
                hint=f"star show {self.run.name}",
            )
        return of_round

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
        return {"name": self.name, "arms": [row.as_json() for row in sweep_rows(self.arms, self.store)]}

    def print(self, out: Console) -> None:
        """A row for every arm."""
        rows = sweep_rows(self.arms, self.store)
        out.print(Text(f"{self.name}: {len(rows)} runs", style="bold"))
        out.print(sweep_table(rows, width_of(out)), width=width_of(out))
        for row in rows:
            if row.fault:
                out.print(Text(f"{row.run.name}: {one_line(row.fault)}", style="yellow"))
        if rows:
            out.print(Text(f"\nlook       star show {rows[0].run.name}"))


def _stage_json(e: Event) -> dict[str, Any]:
    return {"round": e.round, "stage": e.name, "key": e.key, "hit": e.hit, "seconds": e.seconds}


def standing(run: Run) -> str:
    """The run's status in words, with the reason where it failed."""
    info = run.info
    if info.state == "killed":
        return f"stopped in the middle (its process is gone); star resume {run.name} continues"
    if info.status in ("failed", "interrupted"):
        reason = f": {one_line(info.message, 200)}" if isinstance(info.message, str) and info.message else ""
        return f"{info.status}{reason}; star resume {run.name} continues"
    return one_line(info.status, 40)


def gain(rows: list[RoundRow]) -> str:
    """From where to where accuracy went, for a heading."""
    measured = [r for r in rows if r.accuracy is not None]
    if not measured:
        return ""
    if len(measured) == 1:
        return f", accuracy {percent(measured[0].accuracy)} %"
    return f", accuracy {percent(measured[0].accuracy)} % -> {percent(measured[-1].accuracy)} %"


def fall(run: Run, rows: list[RoundRow]) -> str:
    """Where accuracy ended below the base model's interval: what is known of why, and what helps; else ""."""
    measured = [r for r in rows if r.accuracy is not None]
    if len(measured) < 2:
        return ""
    base, last = measured[0], measured[-1]
    if base.low is None or last.high is None or last.high >= base.low:
        return ""
    here = f"round-{last.round}"
    sentences = [
        f"The model got worse: {interval(base.accuracy, base.low, base.high)} % before, "
        f"{interval(last.accuracy, last.low, last.high)} % in round {last.round}."
    ]
    trained = [e.metrics for e in run.events() if stage_class(e.stage).makes == "model" and e.round <= last.round]
    trainer = run.info.config.get("trainer")
    batch = trainer.get("batch") if isinstance(trainer, dict) else None
    repeated = [(m["steps"] * batch / m["examples"], m) for m in trained if batch and m.get("examples")]
    if repeated and max(passes for passes, _ in repeated) >= 10:
        passes, m = max(repeated, key=lambda pair: pair[0])
        sentences.append(
            f"It was trained on {m['examples']:,} examples {passes:.0f} times over ({m['steps']:,} steps of {batch}), "
            "which teaches them by heart: take more problems (problems=N) or samples, or fewer steps "
            f"(schedule.epochs=3, or schedule.start={max(1, 3 * m['examples'] // batch)})."
        )
    if any(m.get("loss_last", 0) > m.get("loss_first", 0) for m in trained):
        sentences.append("Its loss rose while it was trained: a lower trainer.lr may help.")
    sentences.append(f"What was lost: star show {run.name} --diff round-{base.round} {here}")
    return " ".join(sentences)


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
    events = run.events()
    trained = [e for e in events if stage_class(e.stage).makes == "model"]
    if trained:
        out.print(Text(f"{'model':<10} {run.path / trained[-1].place / 'model'}"))
    with_verdicts = {e.place for e in evaluations(events) + judgements(events) + hinted_judgements(events)}
    last = next((e for e in reversed(events) if e.place in with_verdicts), None)
    if last:
        out.print(Text(f"{'look':<10} star show {run.name}/{last.place} --wrong"))
