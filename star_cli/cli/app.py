"""The application, and the options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from star_cli import __version__

app = typer.Typer(
    name="star",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Self-taught reasoners: a model writes rationales, a grader keeps the right ones, the model is fine-tuned on "
    "them, and again.",
    epilog="First steps: star run   |   star plan   |   star show RUN   |   star doctor",
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"star {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Options that stand before the command."""


PASS = {"allow_extra_args": True, "ignore_unknown_options": True}


Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


Home = Annotated[str, typer.Option("--home", help="Home of artifacts and runs (default: STAR_HOME or this directory).")]
