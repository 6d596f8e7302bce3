"""star diff: why two keys differ, or how two runs differ."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_paths


@app.command(epilog="Examples:  star diff demo/round-1/finetune demo/round-2/finetune   |   star diff demo demo2")
def diff(
    a: Annotated[
        str, typer.Argument(help="A run, a stage of a run (demo/round-2/filter), or a key.", autocompletion=run_paths)
    ],
    b: Annotated[str, typer.Argument(help="What to compare it with.", autocompletion=run_paths)],
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Say field by field why two keys differ (through their inputs), or how two runs differ.

    Of two verdict artifacts (filter, evaluate) the confusion table and the samples that flipped are shown too.
    """
    from star_cli.analysis.agreement import confusion_at
    from star_cli.report.confusion import print_confusion
    from star_cli.report.listing import print_rows
    from star_cli.report.terminal import console
    from star_cli.run.overrides import home_of
    from star_cli.store.explain import differences

    place = home_of(home)
    rows = differences(place, a, b)
    confusion = confusion_at(place, a, b)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    if rows:
        print_rows([{k: _text(v) for k, v in row.items()} for row in rows], f"{a}  against  {b}", console())
    else:
        typer.echo("the same: no field differs")
    if confusion:
        print_confusion(confusion, console(), (a, b))


def _text(value: object) -> object:
    """A value as a table shows it: the empty text and None are told apart."""
    return "(empty)" if value == "" else "(none)" if value is None else value
