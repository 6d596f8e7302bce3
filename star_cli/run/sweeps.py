"""`star run` over one experiment or the arms of a sweep: a failing arm does not stop the others."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path

from star_cli.core import preemption
from star_cli.errors import StarError
from star_cli.run.arms import Arm
from star_cli.run.build import Pins
from star_cli.run.compose import launch, launch_sweep
from star_cli.run.composed import Composed
from star_cli.run.execute import execute, live_engine
from star_cli.run.observe import Display
from star_cli.run.overrides import home_of, parsed
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run, arms_below

ACCURACY = "evaluate/accuracy"


def run_all(args: list[str], *, pins: Pins | None = None, display: Display | None = None) -> None:
    """Run what the arguments ask for. Raises StarError after all arms are done when any of them failed."""
    sweep, parent = parsed(args).sweep, os.getpid()

    def job(c: Composed) -> float | list[float] | None:
        try:
            run = execute(c, pins=pins, display=display)
        except KeyboardInterrupt:
            if preemption.is_asked():
                what = f"star: {preemption.state.signal}: ended within its grace; the same command goes on"
                print(f"\n{what}", file=sys.stderr, flush=True)
                leave(preemption.EXIT_CODE)
            home = "" if c.experiment.home == home_of(None) else f" home={c.experiment.home}"
            again = "the same command again" if sweep else f"star resume {c.experiment.name}{home}"
            print(f"\ninterrupted. Nothing finished is lost; continue with: {again}", file=sys.stderr, flush=True)
            leave(130)
        finally:
            if os.getpid() != parent:  # a launcher may end this process at any time: no engine is left behind
                live_engine.close()
        return objective(run, c.config["optimize"])

    try:
        with preemption.heeded():
            if not sweep:
                launch(args, job)
                return
            arms = launch_sweep(args, job)
    finally:
        live_engine.close()
    _show(arms, display or Display())
    failed = [a for a in arms if a.failure or not a.ended]
    if failed:
        reasons = [f"{a.name}: {(a.failure or 'its process ended').splitlines()[0]}" for a in failed]
        raise StarError(
            "\n  ".join([f"{len(failed)} arm(s) of the sweep failed: {', '.join(a.name for a in failed)}", *reasons]),
            hint="mend the cause and run the same command again; finished arms are found, not repeated",
        )


def _show(arms: list[Arm], display: Display) -> None:
    """The table of each sweep that the arms belong to."""
    for name, home in dict.fromkeys((a.name.partition("/")[0], a.home) for a in arms if a.home):
        display.swept(name, arms_below(Path(home), name), open_store(Path(home)))


def objective(run: Run, optimize: str | list[str] | None) -> float | list[float] | None:
    """What a sweeper that optimises is told of a finished run.

    ``optimize`` names metrics of the ledger: METRIC is the last one of this name, STAGE/METRIC that of a stage; without
    it the last accuracy, or None where nothing was evaluated. Raises StarError for a metric that the run does not have.
    """
    metrics: dict[str, float] = {}
    for event in run.events():
        for name, value in event.metrics.items():
            if isinstance(value, (int, float)):
                metrics.pop(f"{event.name}/{name}", None)  # the newest stands last
                metrics[f"{event.name}/{name}"] = float(value)
    if optimize is None:
        return metrics.get(ACCURACY)
    values = [_metric(metrics, name, run.name) for name in ([optimize] if isinstance(optimize, str) else optimize)]
    return values[0] if isinstance(optimize, str) else values


def _metric(metrics: dict[str, float], name: str, run: str) -> float:
    whole = ACCURACY if name == "accuracy" else name
    values = [value for known, value in metrics.items() if whole in (known, known.partition("/")[2])]
    if values:
        return values[-1]
    near = get_close_matches(name, [*metrics, *(m.partition("/")[2] for m in metrics)], n=1)
    by_stage: dict[str, list[str]] = {}
    for stage, _, metric in (m.partition("/") for m in metrics):
        by_stage.setdefault(stage, []).append(metric)
    raise StarError(
        f"optimize={name}: {run} has no such metric" + (f". Did you mean {near[0]}?" if near else ""),
        hint="its STAGE/METRIC are " + "; ".join(f"{s}/ {', '.join(m)}" for s, m in by_stage.items()),
    )


def leave(code: int) -> None:
    """End the process at once: an engine's threads must not hold back a Ctrl-C."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
