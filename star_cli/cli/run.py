"""star run: a whole experiment, or a sweep of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides

if TYPE_CHECKING:
    from star_cli.run.overrides import Arguments


@app.command(
    context_settings=PASS,
    options_metavar="[NAME=VALUE]... [FLAGS]",
    epilog="Examples:  star run rounds=3 seed=1 name=demo   |   star run -m "
    "trainer.lr=1e-3,2e-3 rounds=2   |   star run experiment=rl_star_tabular   |   star run --cfg job method=rest_em",
)
def run(context: typer.Context, home: Home = "", as_json: Json = False) -> None:
    """Run a whole experiment; the same command again continues it.

    Settings are written NAME=VALUE; experiment=NAME sets many at once.
    Parts: task, method, model, grader, engine, trainer, verifier.
    Often set: name, home, seed, rounds, samples, problems, filter.limit,
    sampling.temperature, trainer.lr, evaluation.split, runtime.gpus.

    --cfg job prints every setting as it would be used. -m (--multirun) sweeps
    over values separated by commas. --config-dir DIR adds a folder of your own
    with experiment/NAME.yaml. --home DIR is home=DIR. --json prints the result as
    star show RUN --json does, and nothing else, to standard output.
    """
    from star_cli.report.display import json_display, terminal_display
    from star_cli.run.overrides import parsed
    from star_cli.run.sweeps import run_all

    words = overrides(context, home)
    arguments = parsed(words)
    if arguments.shows:
        _show(arguments)
    else:
        run_all(words, display=json_display() if as_json else terminal_display())


def _show(arguments: Arguments) -> None:
    """Print what --cfg, --info or --hydra-help ask for; of settings that a run would refuse say why, at the end."""
    from star_cli.report.settings import settings_text
    from star_cli.run.compose import launch, show_hydra

    if arguments.cfg in ("job", "all"):
        composed = launch(arguments.without_shows(), lambda c: c, lenient=True)
        typer.echo(settings_text(composed, arguments.package), nl=False)
        if composed.fault:
            raise composed.fault
    if arguments.cfg != "job":
        show_hydra(arguments)
