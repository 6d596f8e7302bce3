"""star run: a whole experiment, or a sweep of them."""

from __future__ import annotations

import typer

from star_cli.cli.app import PASS, Home, app, overrides


@app.command(
    context_settings=PASS,
    epilog="Examples:  star run rounds=3 seed=1 name=demo   |   star run -m "
    "trainer.lr=1e-3,2e-3 rounds=2   |   star run experiment=rl_star_tabular   |   star run --cfg job",
)
def run(context: typer.Context, home: Home = "") -> None:
    """Run a whole experiment; the same command again continues it.

    Takes Hydra overrides (name=value) and Hydra flags: -m/--multirun sweeps over comma-separated values,
    --cfg job prints the settings, --config-dir adds a folder of your own.
    """
    from star_cli.report.display import terminal_display
    from star_cli.run.sweeps import run_all

    run_all(overrides(context, home), display=terminal_display())
