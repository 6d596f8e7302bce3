"""A forecast from an experiment or a run: the pilot, the model that suits it, and where it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from star_cli.analysis.forecast.chain import forecast_chain
from star_cli.analysis.forecast.mixture import forecast_mixture
from star_cli.analysis.forecast.pilot import run_pilot
from star_cli.analysis.forecast.result import Outlook, Score, load, score
from star_cli.core.keys import seed_of
from star_cli.core.parts import ChainTask
from star_cli.core.records import Metric
from star_cli.errors import StarError
from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.execute import live_engine
from star_cli.run.lab import Lab
from star_cli.run.observe import Observer, Silent
from star_cli.run.overrides import home_in, name_of
from star_cli.store.artifacts import Store, open_store
from star_cli.store.ledger import Run


def foretell(lab: Lab) -> Outlook:
    """Run the pilot of an experiment and say what to expect of the run. Costs ``pilot`` samples of the base model."""
    x = lab.x
    if not hasattr(x.method, "rounds"):
        raise StarError("this method has no rounds to forecast", hint="star forecast works for method=star and its kin")
    evidence, seed = run_pilot(lab), seed_of(x.seed, "forecast", bits=31)
    if isinstance(x.task, ChainTask) and x.sampling.temperature:
        return forecast_chain(x, evidence, seed)
    return forecast_mixture(x, evidence, seed)


def measured_of(run: Run, store: Store) -> list[float]:
    """The accuracies a run measured, round 0 first."""
    rounds = sorted({e.round for e in run.events() if e.name == "evaluate"})
    found = []
    for n in rounds:
        metrics = {m.name: m.value for m in run.artifact(store, n, "evaluate").read(Metric)}
        found.append(metrics["accuracy"])
    return found


def judged(run: Run, store: Store) -> Score | None:
    """How the forecast kept with a run turned out; None where there is no forecast or no round yet."""
    outlook, measured = load(run.path), measured_of(run, store)
    return score(outlook, measured) if outlook and len(measured) > 1 else None


@dataclass(frozen=True)
class Foretold:
    """A forecast, the run it is about, and what that run measured so far (round 0 first)."""

    name: str
    outlook: Outlook
    measured: list[float]


def forecast_of(args: list[str], *, observer: Callable[[str], Observer] = lambda progress: Silent()) -> Foretold:
    """The forecast of a run (first argument) or of the overrides of `star run`; kept with the run if it exists."""
    if {"-m", "--multirun"} & set(args):
        raise StarError("star forecast looks at one run, not a sweep", hint="leave -m out, give one value a setting")
    args = with_settings_of_run(args)

    def job(c: Composed) -> Any:
        x = c.experiment
        store = open_store(x.home).open()
        outlook = foretell(Lab(x, Builder(x.equipment(), store, observer(x.runtime.progress), live_engine)))
        run = Run(x.home, x.name)
        measured: list[float] = []
        if (run.path / "run.json").exists():
            outlook.save(run.path)
            measured = measured_of(run, store)
        return Foretold(x.name, outlook, measured)

    try:
        found: Foretold | None = launch(args, job)
    finally:
        live_engine.close()
    if found is None:
        raise StarError("nothing was forecast", hint="star forecast takes a run's name or the overrides of star run")
    return found


def with_settings_of_run(args: list[str]) -> list[str]:
    """``args`` with a leading run name replaced by that run's own settings."""
    if not args or args[0].startswith("-") or "=" in args[0] and not _is_run(args):
        return args
    home = home_in(args)
    info, told = Run(home, args[0]).info, {name_of(a) for a in args[1:]}
    kept = [o for o in info.get("overrides", []) if name_of(o) not in told | {"name", "home"}]
    rest = [a for a in args[1:] if name_of(a) != "home"]
    return [*kept, *rest, *([] if "name" in told else [f"name='{args[0]}'"]), f"home='{home}'"]


def _is_run(args: list[str]) -> bool:
    """Whether the first argument, though it holds a =, is the name of a run that exists."""
    try:
        return (home_in(args) / "runs" / args[0] / "run.json").exists()
    except OSError:
        return False
