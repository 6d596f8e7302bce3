"""`star forecast` and `star run forecast=true`: from words on the command line to an Outlook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.analysis.forecast.forecast import foretell, measured_of
from star_cli.analysis.forecast.result import Outlook
from star_cli.errors import StarError
from star_cli.report.forecast import show_outlook
from star_cli.report.terminal import Terminal
from star_cli.run.compose import Composed, launch
from star_cli.run.execute import residency
from star_cli.run.lab import Lab
from star_cli.run.overrides import home_of, name_of
from star_cli.store.artifacts import open_store
from star_cli.store.ledger import Run


@dataclass(frozen=True)
class Foretold:
    """A forecast, the run it is about, and what that run measured so far (round 0 first)."""

    name: str
    outlook: Outlook
    measured: list[float]


def forecast_of(args: list[str], *, quiet: bool = False) -> Foretold:
    """The forecast of a run (first argument) or of the overrides of `star run`; kept with the run if it exists."""
    if {"-m", "--multirun"} & set(args):
        raise StarError("star forecast looks at one run, not a sweep", hint="leave -m out, give one value a setting")
    args = with_settings_of_run(args)

    def job(c: Composed) -> Any:
        store = open_store(c.experiment.home).open()
        observer = Terminal("none" if quiet else c.experiment.runtime.progress)
        outlook = foretell(Lab(c.experiment, store, observer, residency))
        run = Run(c.experiment.home, c.experiment.name)
        measured: list[float] = []
        if (run.path / "run.json").exists():
            outlook.save(run.path)
            measured = measured_of(run, store)
        return Foretold(c.experiment.name, outlook, measured)

    try:
        found: Foretold | None = launch(args, job)
    finally:
        residency.close()
    if found is None:
        raise StarError("nothing was forecast", hint="star forecast takes a run's name or the overrides of star run")
    return found


def with_settings_of_run(args: list[str]) -> list[str]:
    """``args`` with a leading run name replaced by that run's own settings."""
    if not args or args[0].startswith("-") or "=" in args[0] and not _is_run(args):
        return args
    homes = [a.partition("=")[2] for a in args if a.startswith("home=")]
    home = home_of(homes[-1].strip("'\"") if homes else None)
    info, told = Run(home, args[0]).info, {name_of(a) for a in args[1:]}
    kept = [o for o in info.get("overrides", []) if name_of(o) not in told | {"name", "home"}]
    rest = [a for a in args[1:] if name_of(a) != "home"]
    return [*kept, *rest, *([] if "name" in told else [f"name='{args[0]}'"]), f"home='{home}'"]


def _is_run(args: list[str]) -> bool:
    """Whether the first argument, though it holds a =, is the name of a run that exists."""
    homes = [a.partition("=")[2] for a in args if a.startswith("home=")]
    try:
        return (Path(home_of(homes[-1] if homes else None)) / "runs" / args[0] / "run.json").exists()
    except OSError:
        return False


def foretell_first(lab: Lab, run: Run) -> None:
    """What ``forecast=true`` does before the first round: say what to expect, and keep it with the run."""
    outlook = foretell(lab)
    outlook.save(run.path)
    if lab.x.runtime.progress != "none":
        show_outlook(outlook, run.name)
