"""star forecast: what to expect of a run, before any fine-tuning."""

from __future__ import annotations

import json

import typer

from star_cli.cli.app import PASS, app


@app.command(
    context_settings=PASS,
    epilog="Examples:  star forecast experiment=rl_star_tabular   |   star forecast demo   |   "
    "star forecast demo pilot.problems=300   |   star run forecast=true",
)
def forecast(context: typer.Context, as_json: bool = typer.Option(False, "--json", help="Print JSON only.")) -> None:
    """What to expect of a run: accuracy by round with an 80 % band, the plateau, and whether to start at all.

    Takes a run's name or the overrides of star run, or both. Only the base model is sampled (pilot.problems x
    pilot.samples); nothing is fine-tuned. A run's own forecast is kept in its folder and shown beside what it measures.
    """
    from star_cli.analysis.forecast.forecast import forecast_of
    from star_cli.report.forecast import show_outlook
    from star_cli.report.terminal import Terminal

    found = forecast_of(list(context.args), observer=lambda progress: Terminal("none" if as_json else progress))
    if as_json:
        typer.echo(json.dumps({**found.outlook.record(), "measured": found.measured}))
    else:
        show_outlook(found.outlook, found.name, found.measured)
