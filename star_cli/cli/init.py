"""star init and star schema: a project to begin with, and the settings as editors know them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import app
from star_cli.errors import StarError


@app.command(epilog="Examples:  star init sums   |   star init .")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it; made where it is missing.")],
) -> None:
    """Write a small project that runs: data, settings, a grader of your own, a README."""
    from star_cli.run.project import write_project

    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise StarError(
            f"{name!r} cannot be an experiment's name", hint="use letters, digits, _ . and -: star init sums"
        )
    for file in write_project(folder, name):
        typer.echo(f"wrote      {file}")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    typer.echo(f"try        {enter}star run --config-dir conf experiment={name} model=fake")


@app.command(epilog="Example:  star schema > star.schema.json")
def schema() -> None:
    """Print a JSON Schema of all settings, with which an editor completes and checks conf/experiment/NAME.yaml.

    Its path belongs into a comment of that file: # yaml-language-server: $schema=PATH
    """
    from star_cli.run.schema import schema as made

    typer.echo(json.dumps(made(), indent=1))
