"""The card of an exported model or data set, from the manifests and the ledger of its run."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from star_cli.core.records import Example
from star_cli.report.columns import interval
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.run.export import Card, base_of
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.runs import Run

ABSOLUTE = re.compile(r"=[/~]\S*?([^/\s]+)(?=\s|$)")
LICENCE = (
    "## Licence\n\nNone is stated here. Whoever publishes this names one that the base model and the data allow "
    "(`license:` at the head of this page)."
)


def model_card(run: Run, store: Store, model: Artifact, round: int, name: str) -> Card:
    """The card of the model of a round: what it was made of and how, and what it was measured to reach."""
    info, rows = run.info, rounds_of(run, store)
    parts, base = info.parts, base_of(store, model)
    origin = _origin(base)
    row = next((r for r in rows if r.round == round), RoundRow(round))
    split = str(info.config.get("evaluation", {}).get("split", "dev"))
    header: dict[str, Any] = {
        "model_name": name,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["star", "self-taught-reasoner", str(parts.get("method"))],
    }
    if origin and not origin.startswith(("/", ".")):
        header["base_model"] = origin
    results = []
    if row.accuracy is not None:
        results = [
            {
                "task_type": "text-generation",
                "dataset_type": str(parts.get("task")),
                "dataset_name": f"{parts.get('task')} ({split}, {row.n} problems)",
                "metric_type": "accuracy",
                "metric_value": round_to(row.accuracy),
            }
        ]
    body = [
        f"# {name}",
        f"A self-taught reasoner: round {round} of `method={parts.get('method')}` on `task={parts.get('task')}`, "
        f"trained by star from {_said(origin, base)}. It was fine-tuned on rationales that models of this run wrote "
        f"and that `grader={parts.get('grader')}` found right.",
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model, tokenizer = AutoModelForCausalLM.from_pretrained("{name}"), AutoTokenizer.from_pretrained("{name}")\n'
        "```",
        "## Accuracy\n\n" + _accuracies(rows, split),
        "## Training data\n\n" + _training(model),
        "## How it was made\n\n" + _making(run, store, model, base),
        LICENCE,
    ]
    return Card(header, results, "\n\n".join(body))


def data_card(run: Run, store: Store, model: Artifact, round: int, name: str) -> Card:
    """The card of what the model of a round was trained on."""
    info = run.info
    header = {
        "pretty_name": name,
        "task_categories": ["text-generation"],
        "tags": ["star", "self-taught-reasoner", str(info.parts.get("method"))],
    }
    body = [
        f"# {name}",
        f"What round {round} of `method={info.parts.get('method')}` on `task={info.parts.get('task')}` was fine-tuned "
        f"on: rationales that models of this run wrote and that `grader={info.parts.get('grader')}` found right.",
        f'```python\nfrom datasets import load_dataset\n\ndata = load_dataset("{name}", split="train")\n```',
        "`prompt` and `completion` are the texts; `origin` is own (written without help), rationalized (written with "
        "the answer shown, which the prompt here does not show), gold (from the data) or outside (mixed in); `round` "
        "is the round in which it was written.",
        "## Rows\n\n" + _training(model),
        "## How it was made\n\n" + _making(run, store, model, base_of(store, model)),
        LICENCE,
    ]
    return Card(header, [], "\n\n".join(body))


def accuracy_of(run: Run, store: Store, round: int) -> str:
    """The accuracy of a round with its interval, as the card has it; "-" where it was not measured."""
    row = next((r for r in rounds_of(run, store) if r.round == round), RoundRow(round))
    return interval(row.accuracy, row.low, row.high)


def round_to(share: float) -> float:
    """A share in percent with two digits, as model cards have it."""
    return round(100 * share, 2)


def _accuracies(rows: list[RoundRow], split: str) -> str:
    lines = [
        f"| {r.round}{' (the base model)' if r.round == 0 else ''} | {interval(r.accuracy, r.low, r.high)} | {r.n} |"
        for r in rows
        if r.accuracy is not None
    ]
    if not lines:
        return "It was not measured."
    head = "| round | accuracy, % [95 % interval] | problems |\n|---|---|---|"
    return f"On the split `{split}`, each answer judged by the run's grader.\n\n" + "\n".join([head, *lines])


def _training(model: Artifact) -> str:
    origins: Counter[str] = Counter(e.origin for e in model.read(Example))
    kinds = ", ".join(f"{count:,} {origin}" for origin, count in origins.most_common())
    return f"{origins.total():,} examples: {kinds}."


def _making(run: Run, store: Store, model: Artifact, base: Artifact | None) -> str:
    """Command, lineage and versions, as the manifests have them."""
    lineage, at = [], model
    while at is not None and at.key not in lineage:
        lineage.append(f"{at.stage} `{at.key}`")
        before = store.get(at.input("start") or "")
        if before is None:
            break
        at = before
    command = ABSOLUTE.sub(r"=.../\1", " ".join(["star run", *run.info.overrides]))  # no path of this machine
    versions = ", ".join(f"{name} {version}" for name, version in sorted(model.manifest.versions.items()))
    weights = model.metrics.get("end_weights")
    return "\n".join(
        [
            f"- command: `{command}`",
            f"- lineage: {' from '.join(lineage)}",
            *([f"- sha256 of the weights: `{weights}`"] if weights else []),
            f"- made: {model.manifest.created}, with {versions}",
        ]
    )


def _origin(base: Artifact | None) -> str | None:
    """The path or hub id of a base model from outside."""
    if base is None or not base.has_file("base.json"):
        return None
    return str(json.loads(base.file("base.json").read_bytes())["path"])


def _said(origin: str | None, base: Artifact | None) -> str:
    if origin and origin.startswith(("/", ".")):  # where it lay is nobody's business
        return f"weights from outside (content `{base.metrics.get('start_weights') if base else '?'}`)"
    return f"`{origin}`" if origin else "a small model that it pretrained itself"
