"""star show: a run, one of its rounds, a sweep, rationales, or any other artifact."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_paths
from star_cli.errors import StarError

if TYPE_CHECKING:
    from star_cli.report.show import View


@app.command(
    epilog="Examples:  star show demo   |   star show demo/round-2   |   star show demo/round-2/filter --wrong --prompt"
    "   |   star show demo/round-2/filter --group digits=3 --reason TRUNCATED"
    "   |   star show demo --diff round-1 round-3   |   star show demo --follow   |   star show demo --json   |   "
    "star show 9f2c41"
)
def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN[/round-2[/filter]]",
            help="A run, one of its rounds or stages, a sweep, or an artifact's key.",
            autocompletion=run_paths,
        ),
    ],
    wrong: Annotated[bool, typer.Option("--wrong", help="Only rationales with a wrong answer.")] = False,
    kept_wrong: Annotated[
        bool, typer.Option("--kept-wrong", help="Only rationales with a right answer and a wrong step.")
    ] = False,
    hinted: Annotated[bool, typer.Option("--hinted", help="Only rationales written with a hint.")] = False,
    right: Annotated[bool, typer.Option("--right", help="Only rationales with a right answer.")] = False,
    problem: Annotated[str, typer.Option("--problem", metavar="ID", help="Only those of one problem.")] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="REASON", help="Only those with this verdict: MISMATCH, TRUNCATED, ...")
    ] = "",
    text: Annotated[
        str, typer.Option("--text", metavar="TEXT", help="Only those that hold a text, or whose question does.")
    ] = "",
    group: Annotated[
        str, typer.Option("--group", metavar="NAME=VALUE", help="Only problems of a group, for example digits=3.")
    ] = "",
    n: Annotated[int, typer.Option("--n", "-n", min=0, help="How many rationales or rows.")] = 5,
    prompt: Annotated[
        bool,
        typer.Option(
            "--prompt", help="Show the prompt as the model saw it (before its chat template, where it has one)."
        ),
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what a run in progress does, until it ends.")
    ] = False,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option("--diff", metavar="round-1 round-3", help="What became of each problem between two rounds."),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Write the run's curve.png and report.html anew, or the sweep's.")
    ] = False,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Look at a run, a round, a sweep, or the rationales of a stage.

    RUN --json is a stable format (round 0 is the base model; what is unknown is null):
    {"name", "status", "rounds": [{"round", "accuracy", "low", "high", "n", "solved", "rationalized", "tokens",
    "seconds", "health"}], "stages": [{"round", "stage", "key", "hit", "seconds"}]}.
    """
    from star_cli.report.changes import changes_between
    from star_cli.report.follow import follow as follow_run
    from star_cli.report.page import write_report
    from star_cli.report.samples import SampleFilter
    from star_cli.report.show import RunView, SweepView, view_of
    from star_cli.report.sweep_page import write_sweep_page
    from star_cli.report.terminal import Terminal, console
    from star_cli.run.overrides import home_of
    from star_cli.run.parts_override import load_parts_of
    from star_cli.store.addresses import parse_path
    from star_cli.store.runs import Run

    name, round, _ = parse_path(what)
    load_parts_of(Run(home_of(home), name))
    chosen = {"--wrong": wrong, "--kept-wrong": kept_wrong, "--hinted": hinted, "--prompt": prompt, "--page": page}
    chosen |= {"--right": right, "--problem": bool(problem), "--reason": bool(reason), "--text": bool(text)}
    chosen["--group"] = bool(group)
    if round is not None and (follow or diff is not None):
        raise StarError(f"{what!r} names a part of a run", hint=f"name the run alone: star show {name}")
    if follow:
        _refuse(chosen | {"--diff": diff is not None, "--json": as_json}, "--follow")
        with suppress(KeyboardInterrupt):  # ends the looking, not the run
            follow_run(Run(home_of(home), name), console())
        return
    if diff is not None:
        _refuse(chosen, "--diff")
        _print(changes_between(Run(home_of(home), name), diff, n), as_json)
        return
    filter = SampleFilter(
        right=right,
        wrong=wrong,
        kept_wrong=kept_wrong,
        hinted=hinted,
        problem=problem,
        reason=reason,
        text=text,
        group=group,
    )
    view = view_of(home_of(home), what, filter=filter, n=n, prompt=prompt)
    if page:
        if isinstance(view, SweepView):
            write_sweep_page(home_of(home), view.name, view.arms, view.store)
        elif isinstance(view, RunView):
            write_report(view.run, Terminal("none"))
        else:
            raise StarError(f"--page writes the page of a run or a sweep, and {what} is neither", hint="star ls runs")
    _print(view, as_json)


def _refuse(options: dict[str, bool], mode: str) -> None:
    """An option without effect is an error."""
    for option, is_set in options.items():
        if is_set:
            raise StarError(f"{option} has no effect with {mode}", hint="leave it out")


def _print(view: View, as_json: bool) -> None:
    """A view for people, or as JSON."""
    from star_cli.report.terminal import console

    if as_json:
        typer.echo(json.dumps(view.as_json(), indent=1))
    else:
        view.print(console())
