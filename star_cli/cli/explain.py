"""star explain: what a part or a setting is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import explainable
from star_cli.errors import StarError


@app.command(
    context_settings={"allow_extra_args": True},  # parts=FILE
    epilog="Examples:  star explain task.jsonl   |   star explain sampling   |   star explain trainer.lr   |   "
    "star explain method=rest_em --json",
)
def explain(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="KIND.NAME|SECTION[.SETTING]",
            help="A part (task.jsonl), a section (sampling) or a setting (trainer.lr).",
            autocompletion=explainable,
        ),
    ],
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Say what a task, a method or any other part is, what its settings mean, and their defaults."""
    from star_cli.report.explain import explain as explained
    from star_cli.report.terminal import console
    from star_cli.run.parts_override import with_parts

    others = [a for a in context.args if not a.startswith("parts=")]
    if others:
        raise StarError(f"star explain cannot use {others[0]!r}", hint="for example star explain task.jsonl")
    with_parts([*context.args, *([f"home={home}"] if home else [])])
    answer = explained(what)
    if as_json:
        typer.echo(json.dumps(answer.as_json(), indent=1, default=str))
    else:
        answer.print(console())
