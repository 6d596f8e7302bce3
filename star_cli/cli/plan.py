"""star plan: what a run would build, before anything is built."""

from __future__ import annotations

import json

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides


@app.command(context_settings=PASS, epilog="Examples:  star plan   |   star plan rounds=10 samples=4 --json")
def plan(context: typer.Context, home: Home = "", as_json: Json = False) -> None:
    """Show what `star run` with the same arguments would build, what is there already, and how much text that is."""
    from star_cli.report.plan import plan_as_json, print_plan
    from star_cli.report.terminal import console
    from star_cli.run.plan import planned

    name, steps, open_end = planned(overrides(context, home))
    if as_json:
        typer.echo(json.dumps(plan_as_json(name, steps, open_end), indent=1))
    else:
        print_plan(name, steps, open_end, console())
