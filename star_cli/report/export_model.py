"""A model of a run as a folder of its own, with a card that says how it was made and how good it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from star_cli.analysis.events import Accuracy, evaluations, metrics_as
from star_cli.errors import StarError
from star_cli.report.columns import interval
from star_cli.stages.base import stage_class
from star_cli.store.addresses import parse_path
from star_cli.store.artifacts import open_store
from star_cli.store.durable import writing
from star_cli.store.ledger import Event
from star_cli.store.runs import Run

CARD = """\
---
tags: [star, self-taught-reasoner]
---

Made by `star`, run `{run}`, {place} (artifact `{key}`).

- accuracy on held-out problems: {accuracy}
- method {method}, task {task}, base model {model}
- settings: `{overrides}`
"""


def export_model(home: Path, what: str, folder: Path) -> dict[str, Any]:
    """Copy the model of RUN, RUN/round-N or RUN/round-N/STAGE to a new folder; returns what the card is made of.

    Raises StarError where the run has no such model, or where the folder holds something.
    """
    name, number, stage = parse_path(what)
    run, store = Run(home, name), open_store(home)
    run.require()
    made = [e for e in run.events() if stage_class(e.stage).makes in ("model", "base")]
    made = [e for e in made if number in (None, e.round) and stage in (None, e.name)]
    if not made:
        raise StarError(f"{what} holds no model", hint=f"star show {name} shows the rounds that trained one")
    event = made[-1]
    artifact = run.artifact(store, event.round, event.name)
    weights = artifact.path / "model"
    if not weights.is_dir():
        raise StarError(f"{name}/{event.place} is a model from outside star", hint="it lies where model.path says")
    if folder.exists() and any(folder.iterdir()):
        raise StarError(f"{folder} is not empty", hint="name a new folder: --model DIR")
    facts = {"from": f"{name}/{event.place}", "key": event.key, "accuracy": _accuracy(run, event)}
    with writing(str(folder)):
        shutil.copytree(weights, folder, dirs_exist_ok=True)
        info = run.info
        card = CARD.format(
            run=name, place=event.place, key=event.key, accuracy=facts["accuracy"] or "not measured",
            method=info.parts.get("method"), task=info.parts.get("task"), model=info.parts.get("model"),
            overrides=" ".join(info.overrides),
        )  # fmt: skip
        (folder / "README.md").write_text(card, encoding="utf-8")
    return facts


def _accuracy(run: Run, event: Event) -> str | None:
    measured = [metrics_as(Accuracy, e) for e in evaluations(run.events()) if e.round == event.round]
    return f"{interval(measured[-1].accuracy, measured[-1].low, measured[-1].high)} %" if measured else None
