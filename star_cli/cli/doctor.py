"""star doctor: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import json

import typer

from star_cli.cli.app import Json, app

MARKS = {"ok": "[green]ok     [/]", "missing": "[red]missing[/]", "note": "[yellow]note   [/]"}


@app.command(epilog="Example:  star doctor --json")
def doctor(as_json: Json = False) -> None:
    """Say what was found on this machine, what is missing, and the command that mends it.

    The exit code is 1 when star run cannot work.
    """
    from star_cli.report.terminal import console
    from star_cli.run.doctor import findings

    rows = findings()
    if as_json:
        typer.echo(json.dumps([r.__dict__ for r in rows], indent=1))
    else:
        out = console()
        for r in rows:
            out.print(f"{MARKS[r.state]} {r.name:<12} ", end="")
            out.print(r.found, markup=False)
            if r.mend:
                out.print(f"        {'':<12} -> {r.mend}", markup=False)
    if any(r.state == "missing" and r.essential for r in rows):
        raise typer.Exit(1)
