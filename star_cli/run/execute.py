"""One `star run`: from a composed experiment to a finished, failed or interrupted run with its report."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from star_cli.errors import EngineDied, StarError
from star_cli.report.terminal import Terminal
from star_cli.run.compose import Composed
from star_cli.run.lab import Lab
from star_cli.run.live_engine import Residency
from star_cli.run.observe import Several
from star_cli.run.trackers.wandb import Wandb, logged_in
from star_cli.store.artifacts import open_store
from star_cli.store.ledger import Run

residency = Residency()  # the engine outlives a run: the arms of a sweep share it


def execute(
    c: Composed,
    *,
    pins: dict[tuple[int, str], str] | None = None,
    report: Callable[[Run, Terminal], None] = lambda run, terminal: None,
) -> Run:
    """Run an experiment's method from its first unfinished stage on. Raises what stopped it, after noting it."""
    x = c.experiment
    store = open_store(x.home).open()
    run = Run(x.home, x.name)
    run.start({**c.info(), "pins": {f"{r}/{n}": k for (r, n), k in (pins or {}).items()}})
    if x.runtime.engine_log is None:
        x.runtime = replace(x.runtime, engine_log=str(run.path / "engine.log"))
    x.engine.prepare(x.runtime)
    terminal = Terminal(x.runtime.progress)
    observer: Any = terminal
    wandb = None
    try:
        if x.tracking.kind == "wandb" or (x.tracking.kind == "auto" and logged_in() and _installed("wandb")):
            wandb = Wandb(x.tracking, x.name, c.config, run.path)
            observer = Several(terminal, wandb)
        lab = Lab(x, store, observer, residency, run, pins=pins)
        if x.forecast:
            from star_cli.run.forecasting import foretell_first

            foretell_first(lab, run)
        x.method.run(lab)
        run.update(built=lab.built)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the note
        run.finish("interrupted")
        if wandb:
            wandb.finish("interrupted")
        raise
    except BaseException as e:
        run.finish("failed", str(e))
        if wandb:
            wandb.finish("failed")
        if isinstance(e, EngineDied):
            raise StarError(
                f"{e.what}", hint=e.hint or f"see {x.runtime.engine_log}; star resume {x.name} continues"
            ) from e
        raise
    run.finish("finished")
    if wandb:
        wandb.finish("finished")
    report(run, terminal)
    return run


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None
