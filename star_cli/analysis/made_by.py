"""The task that an artifact was made with, from its manifest."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from star_cli.core import registry
from star_cli.core.parts import Task
from star_cli.errors import StarError
from star_cli.store.artifacts import Artifact


def task_of(rationales: Artifact, settings: dict[str, Any]) -> Task:
    """The task that made the prompts, from the manifest; what is no part of a key is taken from the run's settings."""
    tag = rationales.tag.get("task")
    if not isinstance(tag, dict) or str(tag.get("_")).count("/") != 2:
        raise StarError(f"the manifest of {rationales.key} names no task, so its prompts cannot be shown")
    kind, name, _ = tag["_"].split("/")
    task_class = registry.get(kind, name)
    values: dict[str, Any] = {}
    for f in fields(task_class):
        source = tag if f.metadata.get("identity", True) else settings
        if f.name in source:
            values[f.name] = type(f.default)(source[f.name]) if isinstance(f.default, Enum) else source[f.name]
    unknown = set(tag) - {f.name for f in fields(task_class)} - {"_"}
    if unknown:
        raise StarError(
            f"the {kind} {name} of this installation has no setting {', '.join(sorted(unknown))}, so the "
            f"prompts of {rationales.key} cannot be shown",
            hint="use the version of star that made the run",
        )
    task: Task = task_class(**values)
    return task
