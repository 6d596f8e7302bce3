"""star run, resume and plan."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Json, app


@app.command(
    context_settings=PASS,
    epilog="Examples:  star run rounds=3 seed=1 name=demo   |   star run -m "
    "trainer.lr=1e-3,2e-3 rounds=2   |   star run experiment=rl_star_tabular   |   star run --cfg job",
)
def run(context: typer.Context) -> None:
    """Run a whole experiment; the same command again continues it.

    Takes Hydra overrides (name=value) and Hydra flags: -m/--multirun sweeps over comma-separated values,
    --cfg job prints the settings, --config-dir adds a folder of your own.
    """
    from star_cli.report.display import terminal_display
    from star_cli.run.sweeps import run_all

    run_all(list(context.args), display=terminal_display())


@app.command(
    context_settings=PASS,
    epilog="Examples:  star resume demo   |   star resume demo --from round-2/filter "
    "grader=exact   |   star resume demo rounds=8",
)
def resume(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, for example demo.")],
    start: Annotated[
        str | None,
        typer.Option("--from", help="Take every stage before this one as it is, for example round-2/filter."),
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="With --from: build this stage and all after it again, even if nothing changed."
        ),
    ] = False,
) -> None:
    """Continue a run, or go on from one of its stages with other settings.

    Without new settings the run goes on where it stopped. With new settings a new run begins (named after the old one
    and what changed, or name=...), that shares every stage whose key is the same; with --from the stages before that
    one are taken as they are, whatever the new settings say.
    """
    from star_cli.report.display import terminal_display
    from star_cli.run.overrides import home_of
    from star_cli.run.resume import resume_run

    args = list(context.args)
    homes = [a.partition("=")[2] for a in args if a.startswith("home=")]
    home = home_of(homes[-1] if homes else None)
    resume_run(home, run, start, args, rebuild=rebuild, display=terminal_display())


@app.command(context_settings=PASS, epilog="Examples:  star plan   |   star plan rounds=10 samples=4 --json")
def plan(context: typer.Context, as_json: Json = False) -> None:
    """Show what `star run` with the same arguments would build, what is there already, and how much text that is."""
    from rich.table import Table

    from star_cli.report.terminal import console
    from star_cli.run.plan import planned

    name, steps, open_end = planned(list(context.args))
    total = {k: sum(s.cost.get(k, 0) for s in steps) for k in ("samples", "tokens", "steps")}
    if as_json:
        rows = [{"round": s.round, "stage": s.name, "key": s.key, "state": s.state, **s.cost} for s in steps]
        typer.echo(json.dumps({"name": name, "stages": rows, "total": total, "open_end": open_end}, indent=1))
        return
    table = Table(title=f"plan of {name}", title_justify="left", box=None, pad_edge=False)
    for column, side in (
        ("stage", "left"),
        ("key", "left"),
        ("state", "left"),
        ("samples", "right"),
        ("tokens", "right"),
        ("steps", "right"),
    ):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for s in steps:
        state = {"built": "[green]built[/]", "partial": "[yellow]partial[/]", "missing": "missing"}[s.state]
        numbers = [f"<= {s.cost[k]:,}" if k != "steps" else f"{s.cost[k]:,}" for k in s.cost]
        cells = dict(zip(s.cost, numbers, strict=True))
        table.add_row(f"round-{s.round}/{s.name}", s.key[:10], state, *(cells.get(k, "") for k in total))
    out = console()
    out.print(table)
    missing = sum(s.state != "built" for s in steps)
    out.print(
        f"{missing} of {len(steps)} stages to build: at most {total['samples']:,} samples and {total['tokens']:,} "
        f"tokens, {total['steps']:,} training steps"
    )
    if open_end:
        out.print(f"[yellow]from here on it depends on what is found: {open_end}[/]")
