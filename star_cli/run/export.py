"""A round of a run for other programs: its model as a plain directory, or what it was trained on as a data set."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.backends.hub import CARD, card_text, publish, write_data
from star_cli.core.records import Example
from star_cli.errors import StarError, need
from star_cli.stages.base import stage_class
from star_cli.store.addresses import parse_path
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Event
from star_cli.store.runs import Run

OURS = ("canary.json", "canary-*", "optimizer.pt", "orm.json")  # of no use to other programs
HUB = "hub:"


@dataclass(frozen=True)
class Card:
    """What a model or a data set says of itself: the hub's header, measured results, and a page."""

    header: dict[str, Any]
    results: list[dict[str, Any]]
    body: str


def model_of(home: Path, store: Store, what: str) -> tuple[Run, Event, Artifact]:
    """The model of RUN (its last), RUN/round-N or RUN/round-N/STAGE, with its run and where it stands in it."""
    name, number, stage = parse_path(what)
    run = Run(home, name).require()
    made = [e for e in run.events() if stage_class(e.stage).makes in ("model", "base")]
    made = [e for e in made if number in (None, e.round) and stage in (None, e.name)]
    if not made:
        raise StarError(f"{what} holds no model", hint=f"star show {name} shows the rounds that trained one")
    event = made[-1]
    return run, event, run.artifact(store, event.round, event.name)


def base_of(store: Store, model: Artifact) -> Artifact | None:
    """The base model from which a model was trained, through however many rounds; None where one is gone."""
    at: Artifact | None = model
    while at is not None and stage_class(at.stage).makes != "base":
        at = store.get(at.input("start") or "")
    return at


def export(
    model: Artifact, destination: str, card: Callable[[str], Card], *, data: bool = False, private: bool = False
) -> tuple[str, int]:
    """Write the model, or with ``data`` its training set, to a new directory or to ``hub:USER/NAME``.

    ``card`` is asked for the card of what is written under a name. Returns where it is now and how many files it has
    (rows, of a data set). A directory appears whole or not at all; one that holds something is refused.
    """
    if destination.startswith(HUB):
        name = destination.removeprefix(HUB)
        need(
            re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None,
            f"{destination!r} names no place on the hub",
            "write it as hub:USER/NAME",
        )
        staging = model.path.parent / f"{model.key}.export"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            count = _write(model, staging, card(name), data)
            return publish(staging, name, "dataset" if data else "model", private=private), count
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    need(not private, "--private has no effect on a directory", "it is for hub:USER/NAME")
    out = Path(destination).expanduser()
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise StarError(f"{out} is not empty", hint="name a new folder")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        count = _write(model, partial, card(out.name), data)
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    except OSError as e:
        raise StarError(f"{out} cannot be written: {e.strerror or e}", hint="give another directory") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return str(out), count


def _write(model: Artifact, out: Path, card: Card, data: bool) -> int:
    """The files of an export; returns how many they are (rows, of a data set)."""
    if data:
        need(
            model.count(Example) > 0, f"{model.key} was trained on nothing of this run", "name a round that trained one"
        )
        count = write_data((_row(e) for e in model.read(Example)), out)
    else:
        if not any(name.startswith("model/") for name in model.manifest.files):
            raise StarError(f"{model.key} is a model from outside star", hint="it lies where model.path says")
        shutil.copytree(model.directory("model"), out, ignore=shutil.ignore_patterns(*OURS))
        count = sum(1 for file in out.rglob("*") if file.is_file())
    kind = "dataset" if data else "model"
    (out / CARD).write_text(card_text(kind, card.header, card.results, card.body), "utf-8")
    return count


def _row(example: Example) -> dict[str, Any]:
    """An example as a row of a data set; prompt and completion are what trainers such as TRL's read."""
    return {
        "prompt": example.prompt,
        "completion": example.completion,
        "problem_id": example.problem_id,
        "origin": example.origin,
        "round": example.round,
        "images": example.images,
    }
