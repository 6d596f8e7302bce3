"""star trace: where the time of a run went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_names


@app.command(epilog="Examples:  star trace demo   |   star trace demo --perfetto trace.json")
def trace(
    run: Annotated[str, typer.Argument(help="A run.", autocompletion=run_names)],
    perfetto: Annotated[
        Path | None, typer.Option("--perfetto", help="Write FILE.json for ui.perfetto.dev or chrome://tracing.")
    ] = None,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Show where the time of a run went: writing, grading, new weights, training, the store; and what reuse saved."""
    from star_cli.analysis.trace import perfetto as perfetto_of
    from star_cli.analysis.trace import trace_of
    from star_cli.report.terminal import console
    from star_cli.report.trace import print_trace
    from star_cli.run.overrides import home_of
    from star_cli.store.durable import write_json

    times = trace_of(home_of(home), run)
    if perfetto is not None:
        write_json(perfetto, perfetto_of(times))
    if as_json:
        typer.echo(json.dumps(times.as_json(), indent=1))
        return
    print_trace(times, console())
    if perfetto is not None:
        typer.echo(f"trace      {perfetto}")
