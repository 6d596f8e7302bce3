"""star plan: what a run would build, before anything is built."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides


@app.command(
    context_settings=PASS,
    epilog="Examples:  star plan   |   star plan rounds=10 samples=4 --json   |   star plan --price 2.5",
)
def plan(
    context: typer.Context,
    price: Annotated[float | None, typer.Option("--price", min=0, help="What an hour of this machine costs.")] = None,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Show what `star run` with the same arguments would build, what is there already, how much text that is, and how
    long it takes at most by what this machine measured in earlier runs.
    """
    from star_cli.report.plan import plan_as_json, print_plan
    from star_cli.report.terminal import console
    from star_cli.run.plan import planned

    name, steps, open_end, speeds = planned(overrides(context, home))
    if as_json:
        typer.echo(json.dumps(plan_as_json(name, steps, open_end), indent=1))
    else:
        print_plan(name, steps, open_end, console(), speeds=speeds, price=price)
