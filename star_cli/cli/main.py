"""`star`: one sentence for a user's mistake, a traceback only for our own."""

from __future__ import annotations

import os
import sys

import typer

from star_cli.cli.app import app
from star_cli.core.extras import extras_named
from star_cli.errors import StarError


def main() -> None:
    """The entry point of the command `star`."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make a busy machine ten times slower
    from star_cli.cli import compare, forecast, grade, inspect, run, show, stages, store, theory  # noqa: F401, I001  (registers)

    try:
        with extras_named():
            app(prog_name="star")
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
    main()
