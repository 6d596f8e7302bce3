"""star ls: runs, artifacts, and the parts that can be chosen."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import listable
from star_cli.errors import StarError


@app.command(
    context_settings={"allow_extra_args": True},  # parts=FILE, and filters such as method=rft
    epilog="Examples:  star ls runs   |   star ls runs method=rft status=finished --sort accuracy   |   "
    "star ls runs 'name=exp*' seed=1   |   star ls experiments   |   star ls methods parts=my_parts.py",
)
def ls(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="runs, artifacts, experiments, tasks, graders, engines, trainers, methods, models or verifiers.",
            autocompletion=listable,
        ),
    ] = "runs",
    sort: Annotated[
        str | None, typer.Option("--sort", help="Runs by accuracy, started, name, rounds or status, the best first.")
    ] = None,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """List runs (each sweep as a table of its own), artifacts, experiments, or the parts that can be chosen.

    Runs are filtered by NAME=VALUE: name, status, a part (method=rft, task=gsm8k), or
    any setting of theirs (seed=1, trainer.lr=0.001); * stands for any text.
    """
    from star_cli.report.listing import (
        artifact_rows,
        chosen_runs,
        experiment_rows,
        part_rows,
        print_artifacts,
        print_rows,
        print_runs,
        run_rows,
    )
    from star_cli.report.terminal import console
    from star_cli.run.overrides import home_of
    from star_cli.run.parts_override import with_parts
    from star_cli.store.artifacts import open_store

    place = home_of(home)
    others = [a for a in context.args if not a.startswith("parts=")]
    if others and (what != "runs" or any("=" not in a for a in others)):
        hint = f"star explain {what.removesuffix('s')}.{others[0]} says more of one of them"
        hint = "for example star ls runs method=rft seed=1" if what == "runs" or "=" in others[0] else hint
        raise StarError(f"star ls {what} cannot use {others[0]!r}", hint=hint)
    if sort is not None and what != "runs":
        raise StarError(f"--sort has no effect on {what}", hint="it sorts runs: star ls runs --sort accuracy")
    if what == "runs":
        rows = chosen_runs(run_rows(place), others, sort)
    elif what == "artifacts":
        rows = artifact_rows(open_store(place))
    elif what == "experiments":
        rows = experiment_rows()
    else:
        with_parts([*(a for a in context.args if a.startswith("parts=")), *([f"home={home}"] if home else [])])
        rows = part_rows(what)
    if as_json:
        typer.echo(json.dumps([{k: v for k, v in row.items() if k != "config"} for row in rows], indent=1))
    elif what == "runs" and not rows:
        typer.echo(
            f"no such runs in {place / 'runs'}" if others else f"no runs in {place / 'runs'}; star run makes one"
        )
    elif what == "runs":
        print_runs(rows, console())
    elif what == "artifacts":
        print_artifacts(rows, console())
    else:
        print_rows(rows, what, console())
        example = f"{what.removesuffix('s')}.{rows[0]['name']}"
        more = "star run --cfg job experiment=NAME" if what == "experiments" else f"star explain {example}"
        typer.echo(f"settings   {more}")
