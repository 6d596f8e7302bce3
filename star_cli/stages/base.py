"""What a stage is: a value that says how to make one artifact, and what it may use while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    dataclass_transform,
)

from star_cli.core.records import Example, Problem, Rationale
from star_cli.errors import StarError

if TYPE_CHECKING:
    from star_cli.store.artifacts import Artifact, Draft

import msgspec

from star_cli.core.parts import Grader, Meter, ModelRef, Part, Session, T
from star_cli.core.settings import Runtime
from star_cli.store.artifacts import Artifact


@dataclass
class Work:
    """What a stage may use while it runs. Nothing in here is part of the stage's identity."""

    draft: Draft
    inputs: dict[str, Artifact]
    runtime: Runtime
    session: Callable[[Artifact], Session]  # the living engine with these weights in it
    revive: Callable[[Artifact, StarError], Session]  # a new engine after one died; raises when it dies again
    model: Callable[[Artifact], ModelRef]
    meter: Callable[[str, int], Meter]  # (what, total) -> display
    warn: Callable[[str], None]
    glance: Callable[[Problem, Rationale], bool | None]  # right or wrong for the display only; None: not shown
    grader: Grader | None = None  # the one that will judge what is written
    picture: Callable[[str], str] = str  # the path of a picture as examples name it
    max_gold_errors: float = 1.0  # share of problems it cannot use above which nothing is written


class Stage(Part):
    """A value that says how to make one artifact. Its fields and its inputs' keys are the artifact's address."""

    def run(self, work: Work) -> dict[str, Any]:
        """Write the artifact's files into ``work.draft``; returns metrics for the manifest."""
        raise NotImplementedError

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        """What building it would take, as upper bounds: {"samples": ..., "tokens": ...} or {"steps": ...}."""
        return {}


@dataclass_transform(kw_only_default=True)
def stage(name: str, *, version: int = 1) -> Callable[[type[T]], type[T]]:
    """Make a dataclass a stage named ``name``; raise ``version`` when what it writes changes."""

    def add(cls: type[T]) -> type[T]:
        made = dataclass(kw_only=True)(cls)
        made.__part__ = f"stage/{name}/{version}"  # type: ignore[attr-defined]
        return made

    return add


def placed(rows: list[Example], picture: Callable[[str], str]) -> list[Example]:
    """Examples with their pictures as paths on this machine."""
    return [msgspec.structs.replace(e, images=[picture(name) for name in e.images]) if e.images else e for e in rows]


def sources(work: Work, role: str = "examples") -> list[Artifact]:
    """The inputs ``role.0``, ``role.1``, ... in order."""
    found = sorted((r for r in work.inputs if r.startswith(f"{role}.")), key=lambda r: int(r.rpartition(".")[2]))
    return [work.inputs[r] for r in found]
