"""star rm: remove runs."""

from __future__ import annotations

from typing import Annotated

import typer

from star_cli.cli.app import Home, app
from star_cli.cli.completion import run_names
from star_cli.errors import StarError


@app.command(epilog="Examples:  star rm demo   |   star rm sweep-shootout old --yes   |   star rm demo && star gc")
def rm(
    names: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, or sweeps (all their arms).", autocompletion=run_names)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    with_labels: Annotated[
        bool, typer.Option("--with-labels", help="Also runs with labels that somebody gave in star view.")
    ] = False,
    home: Home = "",
) -> None:
    """Remove runs: their settings, ledgers and pages. Their artifacts stay until `star gc`; other runs may use them."""
    from star_cli.run.overrides import home_of
    from star_cli.store.maintenance import unused
    from star_cli.store.removal import labelled, removable, remove_runs

    place = home_of(home)
    runs = removable(place, names)
    hand_made = labelled(runs)
    if hand_made and not with_labels:
        raise StarError(
            f"{hand_made[0].name} holds labels that somebody gave by hand ({hand_made[0].path / 'labels'})",
            hint="copy them elsewhere, or remove them too with --with-labels",
        )
    shown = ", ".join(run.name for run in runs[:5]) + (f" and {len(runs) - 5} more" if len(runs) > 5 else "")
    if not yes and not typer.confirm(f"remove {shown}?"):
        typer.echo("nothing was removed")
        return
    remove_runs(runs)
    free = unused(place).rows
    size = sum(row["bytes"] for row in free) / 1e6
    typer.echo(f"removed {shown}; {len(free)} artifacts are used by no run now: star gc frees {size:.1f} MB")
