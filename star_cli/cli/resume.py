"""star resume: go on with a run, or from one of its stages with other settings."""

from __future__ import annotations

from typing import Annotated

import typer

from star_cli.cli.app import PASS, Home, app, overrides
from star_cli.cli.completion import run_names, stages_of_the_run


@app.command(
    context_settings=PASS,
    epilog="Examples:  star resume demo   |   star resume demo --from round-2/filter "
    "grader=exact   |   star resume demo rounds=8",
)
def resume(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, for example demo.", autocompletion=run_names)],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Take every stage before this one as it is, for example round-2/filter.",
            autocompletion=stages_of_the_run,
        ),
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="With --from: build this stage and all after it again, even if nothing changed."
        ),
    ] = False,
    home: Home = "",
) -> None:
    """Continue a run, or go on from one of its stages with other settings.

    Without new settings the run goes on where it stopped. With new settings a new run begins (named after the old one
    and what changed, or name=...), that shares every stage whose key is the same; with --from the stages before that
    one are taken as they are, whatever the new settings say.
    """
    from star_cli.report.display import terminal_display
    from star_cli.run.overrides import home_in, parsed
    from star_cli.run.resume import resume_run

    words = overrides(context, home)
    changes = parsed(words).for_hydra()
    resume_run(home_in(words), run, start, changes, rebuild=rebuild, display=terminal_display())
