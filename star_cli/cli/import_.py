"""star import: rationales that were written elsewhere, to filter and train on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides


@app.command(
    "import",
    context_settings=PASS,
    epilog="Example:  star import answers.jsonl task=gsm8k task.path=gsm8k/   then   "
    "star filter --input rationales=KEY task=gsm8k task.path=gsm8k/",
)
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help='JSON lines: {"problem_id": ..., "text": ...}, or {"prompt": ..., "text": ...}.'
        ),
    ],
    split: Annotated[str, typer.Option("--split", help="The split of the task whose problems they answer.")] = "train",
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Take in rationales that were written elsewhere, as an artifact for star filter to grade.

    A line names its problem by its id, its question or the prompt as the task asks it. finish and tokens are optional.
    """
    from star_cli.report.terminal import Terminal, console
    from star_cli.run.outside import import_rationales

    artifact, hit = import_rationales(
        file,
        overrides(context, home),
        split=split,
        observer=lambda progress: Terminal("none" if as_json else progress),
    )
    if as_json:
        shown = {"stage": artifact.stage, "key": artifact.key, "path": str(artifact.path), "hit": hit}
        typer.echo(json.dumps({**shown, "metrics": artifact.metrics}, indent=1))
        return
    console().print(f"{artifact.stage} {artifact.key} {'was already there' if hit else 'built'}: {artifact.path}")
