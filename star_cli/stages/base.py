"""What a stage is: a value that says how to make one artifact, and what it may use while it runs.

@stage("answers")
class Answers(Stage):
    reads, writes = (Problem,), (Example,)
    task: Task

    def run(self, context: StageContext) -> dict[str, Any]:
        ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

import msgspec

from star_cli.core import registry
from star_cli.core.parts import Grader, Meter, ModelRef, Part, Session
from star_cli.core.records import Example, Problem, Rationale, Record
from star_cli.core.settings import Runtime
from star_cli.core.sources import mark
from star_cli.errors import StarError
from star_cli.store.artifacts import Artifact
from star_cli.store.drafts import Draft

T = TypeVar("T")


@dataclass
class StageContext:
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

    def numbered(self, role: str = "examples") -> list[Artifact]:
        """The inputs ``role.0``, ``role.1``, ... in order."""
        roles = sorted((r for r in self.inputs if r.startswith(f"{role}.")), key=lambda r: int(r.rpartition(".")[2]))
        return [self.inputs[r] for r in roles]


class Stage(Part):
    """How to make one artifact. Its fields, its inputs' keys and the records it reads and writes are its address.

    The class variables are what others may know of a stage; nobody compares stage names.
    """

    reads: ClassVar[tuple[type[Record], ...]] = ()  # the kinds of records it reads from its inputs
    writes: ClassVar[tuple[type[Record], ...]] = ()  # the kinds of records its artifact holds
    judges: ClassVar[bool] = False  # it decides which rationales are right, and which are trained on
    measures: ClassVar[bool] = False  # its metrics are a model's accuracy on held-out problems
    chooses: ClassVar[bool] = False  # its metrics say what each way to pick one of k candidates reaches
    monitors: ClassVar[bool] = False  # its metrics are the health of the loop, as lib/health.py defines it
    quick: ClassVar[bool] = False  # it copies or counts: tables leave it out unless it took a second
    makes: ClassVar[str | None] = (
        None  # the weights its artifact holds: "base" (a run starts there), "model", "verifier"
    )

    @property
    def device(self) -> str | None:
        """What it needs the machine's accelerator for: "engine", "trainer" (the engine sleeps meanwhile), or None."""
        return None

    def run(self, context: StageContext) -> dict[str, Any]:
        """Write the artifact's files into ``context.draft``; returns metrics for the manifest."""
        raise NotImplementedError

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        """What building it would take, as upper bounds: {"samples": ..., "tokens": ...} or {"steps": ...}."""
        return {}

    def rows(self, inputs: dict[str, Artifact]) -> dict[type[Record], int]:
        """How many records of a kind its artifact will hold, where that is known before it is built."""
        return {}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        """The few numbers of a finished stage that matter, as words for one line of the terminal."""
        return ""


STAGES: dict[str, type[Stage]] = {}


@dataclass_transform(kw_only_default=True)
def stage(name: str, *, version: int | None = None) -> Callable[[type[T]], type[T]]:
    """Make a dataclass the stage ``name``; raise ``version`` when what it writes changes.

    A stage from outside of star that says no version has a hash of its code instead, as ``register`` has it.
    """

    def add(cls: type[T]) -> type[T]:
        made: Any = dataclass(kw_only=True)(cls)
        other = STAGES.get(name)
        if other is not None and (other.__module__, other.__qualname__) != (made.__module__, made.__qualname__):
            raise StarError(
                f"the stage {name!r} is defined twice: by {other.__module__}.{other.__qualname__} and by "
                f"{made.__module__}.{made.__qualname__}",
                hint="give one of them another name",
            )
        mark(made, "stage", name, version)
        STAGES[name] = made
        return made  # type: ignore[no-any-return]

    return add


def stage_class(name: str) -> type[Stage]:
    """The stage that a manifest or a ledger names; the bare Stage for one of a plug-in that is not installed."""
    if name not in STAGES:
        registry.discover()  # a stage of a method stands with its method
    return STAGES.get(name, Stage)


def stage_name(stage: Stage) -> str:
    """The registered name of a stage."""
    return type(stage).__part__.split("/")[1]  # type: ignore[attr-defined, no-any-return]


def with_picture_paths(rows: list[Example], picture: Callable[[str], str]) -> list[Example]:
    """Examples whose pictures are paths on this machine instead of names."""
    return [msgspec.structs.replace(e, images=[picture(name) for name in e.images]) if e.images else e for e in rows]
