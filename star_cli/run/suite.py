"""star evaluate --suite: a published benchmark on a model of a run, or on any model directory, beside our numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from star_cli.backends.suites import run_suite
from star_cli.errors import StarError, need
from star_cli.stages.base import stage_class
from star_cli.store.addresses import find_artifact
from star_cli.store.artifacts import open_store


def evaluate_suite(
    home: Path, suite: str, inputs: list[str], *, data: Path | None, limit: int | None, chat: bool
) -> dict[str, Any]:
    """The suite's metrics for the one input ``model=ADDRESS``: a directory, a run's model, or a base from outside."""
    role, _, address = inputs[0].partition("=") if inputs else ("", "", "")
    need(
        len(inputs) == 1 and role == "model" and bool(address),
        "--suite takes one --input model=...",
        "for example --input model=demo/round-2/finetune, or --input model=my-model for an exported directory",
    )
    need(limit is None or limit >= 1, f"--limit must be >= 1, got {limit}", "leave it out for the whole suite")
    return run_suite(suite, _place(home, address), data=data, limit=limit, chat=chat)


def _place(home: Path, address: str) -> str:
    """The directory or hub id of a model."""
    if Path(address).is_dir():
        return str(Path(address).resolve())
    artifact = find_artifact(home, open_store(home), address)
    if artifact.has_file("base.json"):
        return str(json.loads(artifact.file("base.json").read_bytes())["path"])
    if stage_class(artifact.stage).makes not in ("model", "base"):
        raise StarError(
            f"--input model={address} is a {artifact.stage} artifact, not a model",
            hint="give a finetune or pretrain artifact, or a directory",
        )
    return str(artifact.directory("model"))
