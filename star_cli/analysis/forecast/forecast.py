"""A forecast from an experiment or a run: the pilot, the model that suits it, and where it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from star_cli.analysis.events import evaluations
from star_cli.analysis.forecast.chain import forecast_chain
from star_cli.analysis.forecast.mixture import forecast_mixture
from star_cli.analysis.forecast.pilot import run_pilot
from star_cli.analysis.forecast.result import Forecast
from star_cli.analysis.forecast.start import forecast_start
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
from star_cli.store.runs import Run


def make_forecast(lab: Lab) -> Forecast:
    """Run the pilot of an experiment and say what to expect of the run. Costs ``pilot`` samples of the base model."""
    x = lab.x
    if not hasattr(x.method, "rounds"):
        raise StarError("this method has no rounds to forecast", hint="star forecast works for method=star and its kin")
    pilot, seed = run_pilot(lab), seed_of(x.seed, "forecast", bits=31)
    if isinstance(x.task, ChainTask) and x.sampling.temperature:
        return forecast_chain(x, pilot, seed)
    return forecast_mixture(x, pilot, seed) if x.pilot.uncalibrated else forecast_start(x, pilot, seed)


def measured_of(run: Run, store: Store) -> list[float]:
    """The accuracies a run measured, round 0 first."""
    accuracies = []
    for event in sorted(evaluations(run.events()), key=lambda e: e.round):
        metrics = {m.name: m.value for m in run.artifact(store, event.round, event.name).read(Metric)}
        accuracies.append(metrics["accuracy"])
    return accuracies


@dataclass(frozen=True)
class RunForecast:
    """A forecast, the name of the run it is about, and what that run measured so far (round 0 first)."""

    name: str
    forecast: Forecast
    measured: list[float]


def forecast_run(args: list[str], *, observer: Callable[[str], Observer] = lambda progress: Silent()) -> RunForecast:
    """The forecast of a run (first argument) or of the overrides of `star run`; kept with the run if it exists."""
    if {"-m", "--multirun"} & set(args):
        raise StarError("star forecast looks at one run, not a sweep", hint="leave -m out, give one value a setting")
    args = with_settings_of_run(args)

    def job(c: Composed) -> RunForecast:
        x = c.experiment
        store = open_store(x.home).open()
        forecast = make_forecast(Lab(x, Builder(x.equipment(), store, observer(x.runtime.progress), live_engine)))
        run = Run(x.home, x.name)
        if not run.exists():
            return RunForecast(x.name, forecast, [])
        forecast.save(run.path)
        return RunForecast(x.name, forecast, measured_of(run, store))

    try:
        result: RunForecast | None = launch(args, job)
    finally:
        live_engine.close()
    if result is None:
        raise StarError("nothing was forecast", hint="star forecast takes a run's name or the overrides of star run")
    return result


def with_settings_of_run(args: list[str]) -> list[str]:
    """``args`` with a leading run name replaced by that run's own settings; later arguments win."""
    if not args or args[0].startswith("-") or ("=" in args[0] and not _is_run(args)):
        return args
    home = home_in(args)
    overridden = {name_of(a) for a in args[1:]}
    kept = [o for o in Run(home, args[0]).info.overrides if name_of(o) not in overridden | {"name", "home"}]
    rest = [a for a in args[1:] if name_of(a) != "home"]
    return [*kept, *rest, *([] if "name" in overridden else [f"name='{args[0]}'"]), f"home='{home}'"]


def _is_run(args: list[str]) -> bool:
    """Whether the first argument, though it holds a =, is the name of a run that exists."""
    try:
        return Run(home_in(args), args[0]).exists()
    except StarError:  # no run can be called so
        return False
