"""star select: pass@k, votes and best of k among many candidates of a run's model."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides
from star_cli.cli.completion import run_paths


@app.command(
    context_settings=PASS,
    epilog="Examples:  star select demo   |   star select demo/round-2 verification.candidates=64   |   "
    "star select demo --verifier v/round-3/verifier-dpo   |   star select demo task=math task.path=math.jsonl",
)
def select(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="RUN[/round-2]", help="A run, or one of its rounds.", autocompletion=run_paths)
    ],
    verifier: Annotated[
        list[str] | None,
        typer.Option(
            "--verifier", help="A verifier, as RUN/round-N/STAGE or a key; may be repeated. Default: the run's."
        ),
    ] = None,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Draw candidates from a run's model and measure how to choose one of k: pass@k, majority, weighted, best of k.

    Settings are the run's; NAME=VALUE changes them, task=NAME asks another task. Exit code 1 where there is no model.
    """
    from star_cli.report.selection import SelectionView
    from star_cli.report.terminal import Terminal, console
    from star_cli.run.select import select as measured

    artifact = measured(
        what,
        verifier or [],
        overrides(context, home),
        observer=lambda progress: Terminal("none" if as_json else progress),
    )
    view = SelectionView(artifact, what)
    if as_json:
        typer.echo(json.dumps(view.as_json(), indent=1))
    else:
        view.print(console())
