"""star export: rounds of runs, or the samples of a stage, as one table for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_paths
from star_cli.errors import StarError


@app.command(
    epilog="Examples:  star export demo --table rounds.csv   |   star export sweep-shootout --table all.parquet   |   "
    "star export demo/round-2/evaluate --table samples.jsonl   |   star export demo/round-3 --model out"
)
def export(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN[/round-2[/filter]]...",
            help="Runs or sweeps, or one round or stage of a run.",
            autocompletion=run_paths,
        ),
    ],
    table: Annotated[
        Path | None, typer.Option("--table", help="The file to write: FILE.csv, FILE.parquet or FILE.jsonl.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="A folder to write a model to: the last round's, or RUN/round-N's.")
    ] = None,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Write a table, a row for every round of runs or for every sample of a round or a stage; or a model.

    A model is a Hugging Face folder with a card that says how it was made. Samples come with question, verdict and
    answer. From Python the same is star_cli.api.open(RUN): docs/view.md.
    """
    from star_cli.report.export_model import export_model
    from star_cli.report.frames import write_table
    from star_cli.report.results import SAMPLE_COLUMNS, open_results
    from star_cli.run.overrides import home_of
    from star_cli.store.addresses import parse_path

    if (table is None) == (model is None):
        raise StarError(
            "give one of --table FILE and --model DIR", hint=f"for example star export {what[0]} --model out"
        )
    if model is not None:
        if len(what) > 1:
            raise StarError("one model is exported at a time", hint=f"star export {what[0]} --model {model}")
        card = export_model(home_of(home), what[0], model)
        typer.echo(json.dumps({"model": str(model), **card}) if as_json else f"wrote {model}: {card['from']}")
        return
    assert table is not None
    named = [parse_path(text) for text in what]
    places = [(name, round, stage) for name, round, stage in named if round is not None]
    if places and len(named) > 1:
        raise StarError(
            "a round or a stage is exported by itself", hint=f"for example star export {what[0]} --table FILE.csv"
        )
    if places:
        ((name, round, stage),) = places
        place = f"round-{round}/{stage}" if stage else f"round-{round}"
        rows = open_results(name, home=home_of(home)).rationales(place)
        count = write_table(rows, table, SAMPLE_COLUMNS)
    else:
        opened = [open_results(name, home=home_of(home)) for name, _, _ in named]
        count = write_table((row for one in opened for row in one.round_rows()), table)
    typer.echo(json.dumps({"file": str(table), "rows": count}) if as_json else f"{count:,} rows in {table}")
