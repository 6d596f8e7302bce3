"""star verify: every file against the sha256 in its manifest."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_names


@app.command(epilog="Examples:  star verify   |   star verify demo")
def verify(
    run: Annotated[str, typer.Argument(help="A run; without one the whole store.", autocompletion=run_names)] = "",
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Check every file against the sha256 in its manifest, and that the runs' own files can be read.

    Exit code 1 when anything was changed, is damaged or missing.
    """
    from star_cli.report.text import one_line
    from star_cli.run.overrides import home_of
    from star_cli.store.maintenance import verify as check

    checked, faults = check(home_of(home), run or None)
    if as_json:
        typer.echo(json.dumps({"artifacts": checked, "faults": faults}, indent=1))
    else:
        for f in faults:
            typer.echo(one_line(f["fault"] if f["file"] in f["fault"] else f"{f['file']}: {f['fault']}"))
        typer.echo(f"{checked} artifacts checked, {len(faults)} fault(s)")
        if any(f["key"] for f in faults):
            typer.echo("remove an artifact's directory and run again to rebuild it")
    if faults:
        raise typer.Exit(1)
