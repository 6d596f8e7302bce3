"""star watch: what is being run now."""

from __future__ import annotations

import json
from contextlib import suppress

import typer

from star_cli.cli.app import Home, Json, app


@app.command(epilog="Examples:  star watch   |   star watch --json   |   star show demo --follow")
def watch(home: Home = "", as_json: Json = False) -> None:
    """Show what the runs that are under way do now, until all have ended (Ctrl-C ends the looking, not the runs)."""
    from star_cli.report.terminal import console
    from star_cli.report.watch import watch as watch_runs
    from star_cli.report.watch import watched_rows
    from star_cli.run.overrides import home_of

    place = home_of(home)
    if as_json:
        typer.echo(json.dumps(watched_rows(place), indent=1))
        return
    with suppress(KeyboardInterrupt):
        watch_runs(place, console())
