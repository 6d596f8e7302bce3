"""Artifacts found by their key, or built now; and what a plan knows of those that are not built."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.keys import key, stable
from star_cli.core.parts import Part
from star_cli.core.records import SCHEMAS, Record
from star_cli.errors import NotBuilt
from star_cli.stages.base import Stage
from star_cli.store.artifacts import Artifact, provenance


@dataclass(frozen=True)
class Planned(Artifact):
    """An artifact that is not built: its key is known, its content is not."""

    rows: dict[str, int] = field(default_factory=dict, hash=False, compare=False)

    def count(self, kind: type[Record]) -> int:
        if kind.file not in self.rows:
            raise NotBuilt(f"how many {kind.schema} records {self.key} will hold is known only once it is built")
        return self.rows[kind.file]

    def read(self, kind: type[Any]) -> Any:
        raise NotBuilt(f"the {kind.schema} records of {self.key} are known only once it is built")


@dataclass
class Step:
    """A line of a plan. ``state`` is built, partial or missing; samples, tokens and steps are upper bounds."""

    round: int
    name: str
    stage: str
    key: str
    state: str
    cost: dict[str, int]


def stage_name(stage: Part) -> str:
    """The registered name of a stage."""
    return type(stage).__part__.split("/")[1]  # type: ignore[attr-defined, no-any-return]


def address_of(stage: Stage, inputs: dict[str, Artifact]) -> str:
    """The key of the artifact a stage makes of these inputs."""
    return key({"stage": stage, "inputs": {role: a.key for role, a in inputs.items()}, "schemas": sorted(SCHEMAS)})


def manifest_of(stage: Stage, inputs: dict[str, Artifact], metrics: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the manifest of a finished stage holds beside its files."""
    return {
        "stage": stage_name(stage),
        "tag": stable(stage),
        "inputs": {role: a.key for role, a in inputs.items()},
        "metrics": metrics,
        "seconds": round(seconds, 3),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **provenance(),
    }
