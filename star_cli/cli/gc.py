"""star gc: remove what no run uses."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app


@app.command(epilog="Examples:  star gc --dry-run   |   star gc --yes")
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Remove artifacts that no run uses, and what interrupted stages left behind.

    While a ledger, or the manifest of an artifact in use, cannot be read, finished artifacts are left alone.
    """
    from star_cli.run.overrides import home_of
    from star_cli.store.maintenance import collect, unused

    place = home_of(home)
    result = unused(place)
    total = sum(row["bytes"] for row in result.rows)
    if as_json and dry_run:
        typer.echo(json.dumps({"unused": result.rows, "bytes": total, "doubts": result.doubts}, indent=1))
        return
    for doubt in result.doubts:
        typer.echo(f"{doubt}\n  so it is not known what is in use, and finished artifacts stay", err=True)
    if not as_json:
        for row in result.rows:
            typer.echo(f"{row['key'][:18]}  {row['stage']:<10} {row['bytes'] / 1e6:10.1f} MB")
        typer.echo(f"{len(result.rows)} unused, {total / 1e6:.1f} MB")
    if dry_run or (not result.rows and not as_json):
        return
    if result.rows and not yes and not typer.confirm("remove them?"):
        typer.echo("nothing was removed")
        return
    removed = collect(place, result)
    typer.echo(json.dumps({"removed": removed}) if as_json else f"{len(removed)} removed")
