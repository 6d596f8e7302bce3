"""star verify and gc."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app


@app.command(epilog="Examples:  star verify   |   star verify demo")
def verify(
    run: Annotated[str, typer.Argument(help="A run; without one the whole store.")] = "",
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Check every file against the sha256 in its manifest. Exit code 1 when anything was changed or is missing."""
    from star_cli.run.overrides import home_of
    from star_cli.store.maintenance import verify as check

    checked, faults = check(home_of(home), run or None)
    if as_json:
        typer.echo(json.dumps({"artifacts": checked, "faults": faults}, indent=1))
    else:
        for f in faults:
            typer.echo(f"{f['file']}: {f['fault']}")
        typer.echo(f"{checked} artifacts checked, {len(faults)} fault(s)")
        if faults:
            typer.echo("remove an artifact's directory and run again to rebuild it")
    if faults:
        raise typer.Exit(1)


@app.command(epilog="Examples:  star gc --dry-run   |   star gc --yes")
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Remove artifacts that no run uses, and what interrupted stages left behind."""
    from star_cli.run.overrides import home_of
    from star_cli.store.maintenance import collect, unused

    place = home_of(home)
    found = unused(place)
    total = sum(f["bytes"] for f in found)
    if as_json and dry_run:
        typer.echo(json.dumps({"unused": found, "bytes": total}, indent=1))
        return
    for f in found if not as_json else ():
        typer.echo(f"{f['key'][:18]}  {f['stage']:<10} {f['bytes'] / 1e6:10.1f} MB")
    if not as_json:
        typer.echo(f"{len(found)} unused, {total / 1e6:.1f} MB")
    if not found or dry_run:
        return
    if not yes and not typer.confirm("remove them?"):
        typer.echo("nothing was removed")
        return
    removed = collect(place, found)
    typer.echo(json.dumps({"removed": removed}) if as_json else f"{len(removed)} removed")
