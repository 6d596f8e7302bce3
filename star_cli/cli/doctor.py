"""star doctor: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Json, app
from star_cli.errors import StarError

MARKS = {"ok": "[green]ok     [/]", "missing": "[red]missing[/]", "note": "[yellow]note   [/]"}


@app.command(context_settings=PASS, epilog="Examples:  star doctor --json   |   star doctor data task=gsm8k")
def doctor(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="data", help="data: look at a task's data instead (task=NAME ...)."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what was found on this machine, what is missing, and the command that mends it.

    The exit code is 1 when star run cannot work. With "data": which held-out problems stand among the training problems
    word for word, or share 13 words in a row with one; the exit code is 1 where some do.
    """
    if what == "data":
        _data(list(context.args), as_json)
        return
    if what or context.args:
        raise StarError(
            f"star doctor knows no {what or context.args[0]!r}", hint="star doctor, or star doctor data task=gsm8k"
        )
    from star_cli.report.terminal import console
    from star_cli.run.doctor import findings

    rows = findings()
    if as_json:
        typer.echo(json.dumps([r.__dict__ for r in rows], indent=1))
    else:
        out = console()
        for r in rows:
            out.print(f"{MARKS[r.state]} {r.name:<12} ", end="")
            out.print(r.found, markup=False)
            if r.mend:
                out.print(f"        {'':<12} -> {r.mend}", markup=False)
    if any(r.state == "missing" and r.essential for r in rows):
        raise typer.Exit(1)


def _data(args: list[str], as_json: bool) -> None:
    """Print the overlap of a task's splits."""
    from star_cli.report.terminal import console
    from star_cli.report.text import one_line
    from star_cli.run.doctor_data import overlap_of_task

    overlap = overlap_of_task(args)
    if as_json:
        rows = [m.__dict__ for m in overlap.found]
        typer.echo(
            json.dumps(
                {"split": overlap.split, "held_out": overlap.held_out, "train": overlap.train, "matches": rows},
                indent=1,
            )
        )
    else:
        out = console()
        for m in overlap.found:
            kind = "word for word" if m.exact else "in part"
            places = f"{one_line(m.held_out)} is {kind} in train {one_line(m.other)}"
            out.print(f"{places}: {one_line(m.span)}", markup=False, soft_wrap=True)
        out.print(overlap.sentence(), markup=False, soft_wrap=True)
    if overlap.found:
        raise typer.Exit(1)
