"""star ls: runs, artifacts, and the parts that can be chosen."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.errors import StarError


@app.command(
    context_settings={"allow_extra_args": True},  # parts=FILE
    epilog="Examples:  star ls runs   |   star ls runs --home DIR   |   star ls methods parts=my_parts.py",
)
def ls(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(help="runs, artifacts, tasks, graders, engines, trainers, methods, models or verifiers.")
    ] = "runs",
    home: Home = "",
    as_json: Json = False,
) -> None:
    """List runs (each sweep as a table of its own), artifacts, or the parts that can be chosen."""
    from star_cli.report.listing import artifact_rows, part_rows, print_artifacts, print_rows, print_runs, run_rows
    from star_cli.report.terminal import console
    from star_cli.run.overrides import home_of
    from star_cli.run.parts_override import with_parts
    from star_cli.store.artifacts import open_store

    place = home_of(home)
    others = [a for a in context.args if not a.startswith("parts=")]
    if others:
        raise StarError(f"star ls cannot use {others[0]!r}", hint="for example star ls methods parts=my_parts.py")
    if what == "runs":
        rows = run_rows(place)
    elif what == "artifacts":
        rows = artifact_rows(open_store(place))
    else:
        with_parts([*context.args, *([f"home={home}"] if home else [])])
        rows = part_rows(what)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    elif what == "runs" and not rows:
        typer.echo(f"no runs in {place / 'runs'}; star run makes one")
    elif what == "runs":
        print_runs(rows, console())
    elif what == "artifacts":
        print_artifacts(rows, console())
    else:
        print_rows(rows, what, console())
