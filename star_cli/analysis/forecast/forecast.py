"""A forecast from an experiment or a run: the pilot, the model that suits it, and where it is kept."""

from __future__ import annotations

from star_cli.analysis.forecast.chain import forecast_chain
from star_cli.analysis.forecast.mixture import forecast_mixture
from star_cli.analysis.forecast.pilot import run_pilot
from star_cli.analysis.forecast.result import Outlook, Score, load, score
from star_cli.core.keys import seed_of
from star_cli.core.records import Metric
from star_cli.errors import StarError
from star_cli.run.lab import Lab
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Run


def foretell(lab: Lab) -> Outlook:
    """Run the pilot of an experiment and say what to expect of the run. Costs ``pilot`` samples of the base model."""
    x = lab.x
    if not hasattr(x.method, "rounds"):
        raise StarError("this method has no rounds to forecast", hint="star forecast works for method=star and its kin")
    evidence, seed = run_pilot(lab), seed_of(x.seed, "forecast", bits=31)
    if x.task.chain() is not None and x.sampling.temperature:
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
