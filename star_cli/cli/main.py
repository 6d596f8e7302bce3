"""The entry point of the command `star`: one sentence for a user's mistake, a traceback only for our own."""

from __future__ import annotations

import os
import sys

import typer

from star_cli.cli.app import app
from star_cli.core.extras import extras_named
from star_cli.errors import Preempted, StarError


def main() -> None:
    """Run the command that the command line names, and leave with its exit code."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make a busy machine ten times slower
    from star_cli.cli import (
        compare,
        diff,
        doctor,
        explain,
        export,
        forecast,
        gc,
        grade,
        import_,
        init,
        ls,
        plan,
        resume,
        rm,
        run,
        select,
        show,
        stages,
        theory,
        trace,
        verify,
        view,
        watch,
    )

    # the order of --help, whichever was imported first
    order = (
        init,
        run,
        plan,
        resume,
        show,
        watch,
        view,
        trace,
        ls,
        explain,
        compare,
        forecast,
        theory,
        export,
        import_,
        grade,
        stages,
        select,
        diff,
        verify,
        rm,
        gc,
        doctor,
    )
    app.registered_commands.sort(key=lambda command: [m.__name__ for m in order].index(command.callback.__module__))

    try:
        with extras_named():
            app(prog_name="star")
    except StarError as e:
        sys.stdout.flush()
        typer.echo(f"star: {e}", err=True)
        sys.exit(1)
    except Preempted as e:
        typer.echo(f"\nstar: {e}: ended; the same command goes on", err=True)
        sys.exit(75)
    except KeyboardInterrupt:
        typer.echo("\nstar: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
