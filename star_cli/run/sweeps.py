"""`star run` over one experiment or the arms of a sweep: a failing arm does not stop the others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from star_cli.errors import StarError
from star_cli.run.build import Pins
from star_cli.run.compose import Composed, launch
from star_cli.run.execute import execute, live_engine
from star_cli.run.observe import Display
from star_cli.run.overrides import home_of
from star_cli.store.artifacts import open_store
from star_cli.store.runs import arms_below


def run_all(args: list[str], *, pins: Pins | None = None, display: Display | None = None) -> None:
    """Run what the arguments ask for. Raises StarError after all arms are done when any of them failed."""
    failures: list[str] = []
    sweeps: dict[str, Path] = {}
    many = bool({"-m", "--multirun"} & set(args))

    def job(c: Composed) -> None:
        if c.sweep:
            sweeps[c.sweep] = c.experiment.home
        try:
            execute(c, pins=pins, display=display)
        except KeyboardInterrupt:
            home = "" if c.experiment.home == home_of(None) else f" home={c.experiment.home}"
            again = "the same command again" if many else f"star resume {c.experiment.name}{home}"
            print(f"\ninterrupted. Nothing finished is lost; continue with: {again}", file=sys.stderr, flush=True)
            leave(130)
        except StarError as e:
            if not many:
                raise
            failures.append(c.experiment.name)
            print(f"star: {c.experiment.name} failed: {e}", file=sys.stderr, flush=True)
        except Exception as e:
            if not many:
                raise
            failures.append(c.experiment.name)
            import traceback

            traceback.print_exc()
            print(f"star: {c.experiment.name} failed: {type(e).__name__}: {e}", file=sys.stderr, flush=True)

    try:
        launch(args, job)
    finally:
        live_engine.close()
        for name, home in sweeps.items():
            (display or Display()).swept(name, arms_below(home, name), open_store(home))
    if failures:
        raise StarError(
            f"{len(failures)} arm(s) of the sweep failed: {', '.join(failures)}",
            hint="mend the cause and run the same command again; finished arms are found, not repeated",
        )


def leave(code: int) -> None:
    """End the process at once: an engine's threads must not hold back a Ctrl-C."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
