"""`star`: one sentence for a user's mistake, a traceback only for our own."""

from __future__ import annotations

import os
import sys

import typer

from star_cli import __version__
from star_cli.errors import StarError

app = typer.Typer(
    name="star", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Self-taught reasoners: a model writes rationales, a grader keeps the right ones, the model is fine-tuned on "
         "them, and again.", epilog="First steps: star run   |   star plan   |   star show RUN   |   star doctor")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"star {__version__}")
        raise typer.Exit


@app.callback()
def root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True,
                                      help="Print the version and leave.")) -> None:
    """Options that stand before the command."""


def main() -> None:
    """The entry point of the command `star`."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make a busy machine ten times slower
    from star_cli.cli import compare, forecast, grade, inspect, run, show, stages, store, theory  # noqa: F401, I001  (registers)

    try:
        app(standalone_mode=True)
    except StarError as e:
        sys.stdout.flush()
        typer.echo(f"star: {e}", err=True)
        _leave(1)
    except KeyboardInterrupt:
        typer.echo("\nstar: interrupted", err=True)
        _leave(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(0)


def _leave(code: int) -> None:
    sys.exit(code)


if __name__ == "__main__":
    from star_cli.cli.main import main as entry  # the module the commands registered with

    entry()
