"""star run, resume and plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from star_cli.cli.app import PASS, Json, app

if TYPE_CHECKING:
    from star_cli.run.overrides import Arguments


@app.command(
    context_settings=PASS,
    options_metavar="[NAME=VALUE]... [FLAGS]",
    epilog="Examples:  star run rounds=3 seed=1 name=demo   |   star run -m "
    "trainer.lr=1e-3,2e-3 rounds=2   |   star run experiment=rl_star_tabular   |   star run --cfg job method=rest_em",
)
def run(context: typer.Context) -> None:
    """Run a whole experiment; the same command again continues it.

    Settings are written NAME=VALUE; experiment=NAME sets many at once.
    Parts: task, method, model, grader, engine, trainer, verifier.
    Often set: name, home, seed, rounds, samples, problems, filter.limit,
    sampling.temperature, trainer.lr, evaluation.split, runtime.gpus.

    --cfg job prints every setting as it would be used. -m (--multirun) sweeps
    over values separated by commas. --config-dir DIR adds a folder of your own
    with experiment/NAME.yaml. --home DIR is home=DIR.
    """
    from star_cli.report.display import terminal_display
    from star_cli.run.overrides import parsed
    from star_cli.run.sweeps import run_all

    arguments = parsed(list(context.args))
    if arguments.shows:
        _show(arguments)
    else:
        run_all(list(context.args), display=terminal_display())


def _show(arguments: Arguments) -> None:
    """Print what --cfg, --info or --hydra-help ask for; of settings that a run would refuse say why, at the end."""
    from star_cli.report.settings import settings_text
    from star_cli.run.compose import launch, show_hydra

    if arguments.cfg in ("job", "all"):
        composed = launch(arguments.without_shows(), lambda c: c, lenient=True)
        typer.echo(settings_text(composed, arguments.package), nl=False)
        if composed.fault:
            raise composed.fault
    if arguments.cfg != "job":
        show_hydra(arguments)


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
    from star_cli.run.overrides import home_in, parsed
    from star_cli.run.resume import resume_run

    home, changes = home_in(list(context.args)), parsed(list(context.args)).for_hydra()
    resume_run(home, run, start, changes, rebuild=rebuild, display=terminal_display())


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
