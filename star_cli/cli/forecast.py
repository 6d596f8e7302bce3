"""star forecast: what to expect of a run, before any fine-tuning."""

from __future__ import annotations

import json

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides


@app.command(
    context_settings=PASS,
    epilog="Examples:  star forecast experiment=rl_star_tabular   |   star forecast demo   |   "
    "star forecast demo pilot.problems=300   |   star run forecast=true",
)
def forecast(context: typer.Context, home: Home = "", as_json: Json = False) -> None:
    """What to expect of a run: accuracy by round with an 80 % band, the plateau, and whether to start at all.

    Takes a run's name or the overrides of star run, or both. Only the base model is sampled (pilot.problems x
    pilot.samples); nothing is fine-tuned. A run's own forecast is kept in its folder and shown beside what it measures.
    """
    from star_cli.analysis.forecast.forecast import forecast_run
    from star_cli.report.forecast import print_forecast
    from star_cli.report.terminal import Terminal

    result = forecast_run(overrides(context, home), observer=lambda progress: Terminal("none" if as_json else progress))
    if as_json:
        typer.echo(json.dumps({**result.forecast.as_json(), "measured": result.measured}))
    else:
        print_forecast(result.forecast, result.name, result.measured)
