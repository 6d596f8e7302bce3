"""star ls, diff and doctor."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Home, Json, app
from star_cli.errors import StarError


@app.command(
    context_settings=PASS,
    epilog="Examples:  star ls runs   |   star ls tasks --json   |   star ls methods parts=my_parts.py",
)
def ls(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(help="runs, artifacts, tasks, graders, engines, trainers, methods or models.")
    ] = "runs",
    home: Home = "",
    as_json: Json = False,
) -> None:
    """List runs (a sweep as one table), artifacts, or the parts that can be chosen."""
    from star_cli.report.listing import print_rows
    from star_cli.report.parts_listing import artifact_rows, part_rows, run_rows, sweeps_of
    from star_cli.run.overrides import home_of
    from star_cli.run.parts_override import with_parts
    from star_cli.store.artifacts import open_store

    place = home_of(home)
    strange = [a for a in context.args if not a.startswith("parts=")]
    if strange:
        raise StarError(f"star ls cannot use {strange[0]!r}", hint="for example star ls methods parts=my_parts.py")
    if what == "runs":
        rows = run_rows(place, open_store(place))
    elif what == "artifacts":
        rows = artifact_rows(open_store(place))
    else:
        with_parts([*context.args, *([f"home={home}"] if home else [])])
        rows = part_rows(what)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    elif what == "runs":
        for title, some in sweeps_of(rows):
            print_rows(some, title)
        if not rows:
            typer.echo(f"no runs in {place / 'runs'}; star run makes one")
    else:
        print_rows(rows, what)


@app.command(epilog="Examples:  star diff demo/round-1/finetune demo/round-2/finetune   |   star diff demo demo2")
def diff(
    a: Annotated[str, typer.Argument(help="A run, a stage of a run (demo/round-2/filter), or a key.")],
    b: Annotated[str, typer.Argument(help="What to compare it with.")],
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Say field by field why two keys differ (through their inputs), or how two runs differ.

    Of two verdict artifacts (filter, evaluate) the confusion table and the samples that flipped are shown too.
    """
    from star_cli.analysis.agreement import confused
    from star_cli.report.confusion import show
    from star_cli.report.listing import print_rows
    from star_cli.report.terminal import console
    from star_cli.run.overrides import home_of
    from star_cli.store.explain import differences

    place = home_of(home)
    rows = differences(place, a, b)
    found = confused(place, a, b)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    if rows:
        shown = {"": "(empty)", None: "(none)"}
        print_rows(
            [{k: shown.get(v, v) if isinstance(v, str | None) else v for k, v in row.items()} for row in rows],
            f"{a}  against  {b}",
        )
    else:
        typer.echo("the same: no field differs")
    if found:
        show(found, console(), (a, b))


@app.command(epilog="Example:  star doctor --json")
def doctor(as_json: Json = False) -> None:
    """Say what was found on this machine, what is missing, and the command that mends it.

    The exit code is 1 when star run cannot work.
    """
    from star_cli.report.terminal import console
    from star_cli.run.doctor import findings

    rows = findings()
    if as_json:
        typer.echo(json.dumps([r.__dict__ for r in rows], indent=1))
    else:
        out = console()
        for r in rows:
            mark = {"ok": "[green]ok     [/]", "missing": "[red]missing[/]", "note": "[yellow]note   [/]"}[r.state]
            out.print(f"{mark} {r.name:<12} ", end="")
            out.print(r.found, markup=False)
            if r.mend:
                out.print(f"        {'':<12} -> {r.mend}", markup=False)
    if any(r.state == "missing" and r.essential for r in rows):
        raise typer.Exit(1)
