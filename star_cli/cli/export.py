"""star export: rounds of runs, or the samples of a stage, as one table for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_paths
from star_cli.errors import StarError, need


@app.command(
    epilog="Examples:  star export demo --table rounds.csv   |   star export sweep-shootout --table all.parquet   |   "
    "star export demo/round-2/evaluate --table samples.jsonl   |   star export demo/round-3 --model out   |   "
    "star export demo --model hub:ada/sums --private   |   star export demo --data sums-data"
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
        str,
        typer.Option(
            "--model", help="A folder, or hub:USER/NAME, to write a model to: the last round's, or RUN/round-N's."
        ),
    ] = "",
    data: Annotated[
        str, typer.Option("--data", help="A folder, or hub:USER/NAME, for what that model was trained on.")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="A new place on the hub is private.")] = False,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Write a table, a row for every round of runs or for every sample of a round or a stage; or a model, or its data.

    A model is a Hugging Face folder with a card that says how it was made: transformers and vLLM load it. Its data is
    what it was trained on, for datasets.load_dataset. Samples come with question, verdict and
    answer. From Python the same is star_cli.api.open(RUN): docs/view.md.
    """
    from star_cli.report.frames import write_table
    from star_cli.report.results import SAMPLE_COLUMNS, open_results
    from star_cli.run.overrides import home_of
    from star_cli.store.addresses import parse_path

    if (table is not None) + bool(model) + bool(data) != 1:
        raise StarError(
            "give one of --table FILE and --model DIR, or --data DIR",
            hint=f"for example star export {what[0]} --model out",
        )
    if table is None:
        if len(what) > 1:
            raise StarError("one model is exported at a time", hint=f"star export {what[0]} --model {model or data}")
        _for_others(what[0], model or data, bool(data), private, home, as_json)
        return
    need(not private, "--private has no effect with --table", "leave it out")
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


def _for_others(what: str, place: str, data: bool, private: bool, home: str, as_json: bool) -> None:
    """Write a model, or what it was trained on, and say where it is."""
    from star_cli.report.card import accuracy_of, data_card, model_card
    from star_cli.run.export import export as export_to
    from star_cli.run.export import model_of
    from star_cli.run.overrides import home_of
    from star_cli.store.artifacts import open_store

    store = open_store(home_of(home))
    run, event, model = model_of(home_of(home), store, what)
    card = data_card if data else model_card
    address, count = export_to(
        model, place, lambda title: card(run, store, model, event.round, title), data=data, private=private
    )
    facts = {"data" if data else "model": address, "from": f"{run.name}/{event.place}", "key": event.key}
    facts["accuracy"] = accuracy_of(run, store, event.round)
    if as_json:
        typer.echo(json.dumps({**facts, "round": event.round, "rows" if data else "files": count}))
    else:
        typer.echo(f"wrote {address}: {facts['from']}, {count:,} {'examples' if data else 'files'} and a card")
