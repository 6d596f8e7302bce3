"""star run, resume, plan, and the single stages."""

from __future__ import annotations

import typer

from star_cli.cli.main import app
from star_cli.errors import StarError

PASS = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=PASS, epilog="star run rounds=3 seed=1 name=demo   |   star run -m trainer.lr=1e-3,2e-3   "
             "|   star run experiment=rl_star_zip   |   star run --cfg job")
def run(context: typer.Context) -> None:
    """Run a whole experiment; the same command again continues it.

    Takes Hydra overrides (name=value) and Hydra flags: -m/--multirun sweeps over comma-separated values,
    --cfg job prints the settings, --config-dir adds a folder of your own.
    """
    from star_cli.sweeps import run_all

    run_all(list(context.args))
