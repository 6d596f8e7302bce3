"""Artifacts found by their key, or built now. The Planner is the same loop and builds nothing."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from star_cli.backends.mkl import use_all_kernels
from star_cli.core import preemption
from star_cli.core.extras import extras_named, require
from star_cli.core.keys import stable
from star_cli.core.parts import Engine, Grader, Model, ModelRef, Part, Session, Task
from star_cli.core.records import Problem, Rationale, Record
from star_cli.core.registry import name_of
from star_cli.core.settings import Runtime
from star_cli.core.sources import sources_in
from star_cli.errors import NotBuilt, StarError
from star_cli.run.live_engine import LiveEngine
from star_cli.run.observe import Observer
from star_cli.run.speeds import Speeds
from star_cli.stages.base import Stage, StageContext, stage_name
from star_cli.stages.grading.pool import judge
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.drafts import Draft
from star_cli.store.durable import writing
from star_cli.store.ledger import Event, now
from star_cli.store.manifest import Manifest, address, new_manifest
from star_cli.store.runs import Run

Pins = dict[tuple[int, str], str]  # (round, name) -> the key of the artifact that is taken as it is


@dataclass(frozen=True)
class Equipment:
    """What stages work with, whatever they are. Nothing enters a key by standing here."""

    task: Task
    grader: Grader
    engine: Engine
    model: Model
    runtime: Runtime
    max_gold_errors: float = 1.0


class Builder:
    """Finds the artifact of a stage by its key or builds it, and keeps one engine alive. It knows no particular
    stage.
    """

    def __init__(
        self,
        equipment: Equipment,
        store: Store,
        observer: Observer,
        live_engine: LiveEngine,
        run: Run | None = None,
        *,
        pins: Pins | None = None,
    ) -> None:
        self.equipment, self.store, self.observer, self.live_engine, self.run = (
            equipment,
            store,
            observer,
            live_engine,
            run,
        )
        self.pins = pins or {}
        self.built = 0
        self._engine = equipment.engine  # the one that writes for the stage under way
        parts: dict[str, Part] = {"task": equipment.task, "model": equipment.model, "engine": equipment.engine}
        self.speeds = Speeds(store.root, parts)
        self.base_paths: dict[str, str] = {}  # where the weights of a base from outside lie on this machine
        self._done: dict[tuple[int, str, str], Artifact] = {}
        self._spent: dict[str, float] = defaultdict(float)  # seconds of the stage under way, by what they went into

    def build(self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str) -> Artifact:
        """The artifact of a stage under ``round-N/name``; raises what stopped the stage, with its draft kept."""
        pinned = self.pins.get((round, name))
        address = pinned or address_of(stage, inputs)
        at = (round, name, address)
        if at not in self._done:
            self._done[at] = self._obtain(stage, inputs, round, name, address, pinned is not None)
        return self._done[at]

    def artifact(self, key: str) -> Artifact | None:
        """The artifact of a key: one this builder gave, or one in the store."""
        return next((a for a in self._done.values() if a.key == key), None) or self.store.get(key)

    def _obtain(
        self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str, address: str, pinned: bool
    ) -> Artifact:
        preemption.stop_if_asked()
        started, began = time.monotonic(), time.time()
        self._spent = defaultdict(float)
        self.observer.stage_started(round, name, address)
        wait = f"round-{round}/{name} is being built by another process; waiting for it"
        with self.store.lock(address, lambda: self.observer.say(wait)):  # until the ledger has it: star gc asks for it
            self._spent["locks"] = time.monotonic() - started
            artifact = hit = self.store.get(address) or self.store.recover(address)
            if artifact is None and pinned:
                raise StarError(
                    f"the artifact {address} that round-{round}/{name} is pinned to is no longer in the store",
                    hint="resume without --from, or from an earlier stage",
                )
            artifact = artifact or self._make(stage, inputs, address)
            seconds = time.monotonic() - started
            self._spent["looking up" if hit else work_of(stage)] += seconds - sum(self._spent.values())
            event = Event(
                time=now(),
                round=round,
                name=name,
                stage=artifact.stage,
                key=address,
                hit=hit is not None,
                seconds=seconds,
                metrics=artifact.manifest.metrics,
                began=began,
                parts=dict(self._spent),
            )
            if self.run:
                self.run.record(event, artifact)
        if hit is None and self.run:
            self.speeds.note(stage, event)
        self.built += hit is None
        self.observer.stage_done(event)
        return artifact

    def _make(self, stage: Stage, inputs: dict[str, Artifact], address: str) -> Artifact:
        engine = [self.equipment.engine] if self.run else []  # said before the first training, not after it
        require(*(part for part in (*vars(stage).values(), *engine) if isinstance(part, Part)))
        draft = self.store.draft(address)
        started = time.monotonic()
        if stage.device:
            use_all_kernels()
        if stage.device == "trainer":
            self.live_engine.sleep(self.observer.say)
        self._engine = next(iter(engines_of(stage)), self.equipment.engine)
        try:
            with writing(str(draft.path)), extras_named():
                metrics = stage.run(self._context(stage, draft, inputs))
                surplus = draft.schemas() - {kind.schema for kind in stage.writes}
                if surplus:
                    raise TypeError(
                        f"the stage {stage_name(stage)} wrote {sorted(surplus)}, which its writes do not name"
                    )
                manifest = manifest_of(address, stage, inputs, metrics, time.monotonic() - started)
                with self._timed("store"):
                    return self.store.commit(draft, manifest)
        finally:
            draft.close()

    @contextmanager
    def equipped(self, task: Task, grader: Grader) -> Iterator[None]:
        """Stages of a block work with another task and its grader."""
        before = self.equipment
        self.equipment = replace(before, task=task, grader=grader)
        try:
            yield
        finally:
            self.equipment = before

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """Count the seconds of a block of the stage under way as ``what``."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._spent[what] += time.monotonic() - started

    def _context(self, stage: Stage, draft: Draft, inputs: dict[str, Artifact]) -> StageContext:
        tools = self.equipment
        return StageContext(
            draft=draft,
            inputs={role: replace(a, readable=stage.reads) for role, a in inputs.items()},
            runtime=tools.runtime,
            session=self.session,
            revive=self.revive,
            model=self.reference,
            meter=self.observer.meter,
            warn=self.observer.say,
            glance=self._glance,
            grader=tools.grader,
            max_gold_errors=tools.max_gold_errors,
            picture=tools.task.picture,
        )

    def _glance(self, problem: Problem, rationale: Rationale) -> bool | None:
        grader = self.equipment.grader
        return judge(grader, problem, rationale).correct if grader.cheap else None

    # ---- models and engines ------------------------------------------------------------------------------------------
    def reference(self, model: Artifact) -> ModelRef:
        """How to load the weights of a model artifact."""
        m = self.equipment.model
        talk = ModelRef(
            model.key,
            "",
            dtype=m.dtype,
            chat=m.chat,
            thinking=self.equipment.task.thinking,
            reasoning=tuple(m.reasoning or ()),
        )
        if model.has_file("base.json"):
            base = json.loads(model.file("base.json").read_bytes())
            path = self.base_paths.get(model.key, base["path"])
            return replace(talk, path=path, revision=base["revision"])
        directory = model.directory("model")
        canary = directory / "canary.json"
        texts = tuple(json.loads(canary.read_bytes())) if canary.exists() else ()
        return replace(talk, path=str(directory), canary=texts)

    def session(self, model: Artifact) -> Session:
        """The living engine, with the weights of ``model`` in it."""
        engine = self._engine
        if not self.live_engine.alive:
            self.observer.engine_starts(name_of(engine), self.speeds.engine_start())
        opened, started = self.live_engine.opened, time.monotonic()
        try:
            return self.live_engine.session(engine, self.reference(model), self.equipment.runtime, self.observer.say)
        finally:
            what = "engine start" if self.live_engine.opened > opened else "new weights"
            self._spent[what] += time.monotonic() - started

    def revive(self, model: Artifact, error: StarError) -> Session:
        """A new engine after one died; a second death in the same stage is the caller's to raise."""
        reason = error.what.splitlines()[0]
        self.observer.say(f"the engine died ({reason}); starting a new one, written samples are kept")
        self.live_engine.close()
        return self.session(model)


@dataclass(frozen=True)
class Planned(Artifact):
    """An artifact that is not built: its key is known, its content is not."""

    rows: dict[type[Record], int] = field(default_factory=dict, hash=False, compare=False)

    def count(self, kind: type[Record]) -> int:
        if kind not in self.rows:
            raise NotBuilt(f"how many {kind.schema} records {self.key} will hold is known only once it is built")
        return self.rows[kind]

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
    seconds: float | None = None  # at most, by what such work took before; None where that is not known
    device: str | None = None
    kind: str = ""  # of work, as Speeds names it


class Planner(Builder):
    """Builds nothing: ``steps`` says what a Builder would do. An artifact that is missing is a Planned one."""

    def __init__(self, equipment: Equipment, store: Store, observer: Observer, *, pins: Pins | None = None) -> None:
        super().__init__(equipment, store, observer, LiveEngine(), pins=pins)
        self.steps: list[Step] = []

    def _obtain(
        self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str, address: str, pinned: bool
    ) -> Artifact:
        built = self.store.get(address)
        state = "built" if built else "partial" if self.store.partial(address).exists() else "missing"
        cost = {} if built else _known(lambda: stage.cost(inputs))
        seconds = None if built else self.speeds.seconds(stage, cost)
        kind = self.speeds.kind(stage)
        self.steps.append(Step(round, name, stage_name(stage), address, state, cost, seconds, stage.device, kind))
        if built:
            return built
        path = self.store.root / address
        return Planned(address, path, manifest_of(address, stage, inputs), rows=_known(lambda: stage.rows(inputs)))


def _known(ask: Callable[[], dict[Any, int]]) -> dict[Any, int]:
    """What is asked, or nothing where it depends on artifacts that are not built."""
    try:
        return ask()
    except NotBuilt:
        return {}


def address_of(stage: Stage, inputs: dict[str, Artifact]) -> str:
    """The key of the artifact a stage makes of these inputs, from its fields and the records it reads and writes."""
    return address(stage, {role: a.key for role, a in inputs.items()}, schemas_of(stage))


def work_of(stage: Stage) -> str:
    """What a stage does, as `star trace` adds it up."""
    return (
        "grading"
        if stage.judges
        else {"engine": "writing", "trainer": "training"}.get(stage.device or "", "other stages")
    )


def engines_of(stage: Stage) -> list[Engine]:
    """The engines among a stage's own settings."""
    return [value for value in vars(stage).values() if isinstance(value, Engine)]


def schemas_of(stage: Stage) -> list[str]:
    """The schemas of the records that a stage reads and writes, sorted."""
    return sorted({kind.schema for kind in (*stage.reads, *stage.writes)})


def manifest_of(
    address: str,
    stage: Stage,
    inputs: dict[str, Artifact],
    metrics: dict[str, Any] | None = None,
    seconds: float = 0.0,
) -> Manifest:
    """The manifest of a stage's artifact, without its files yet."""
    return new_manifest(
        address,
        stage=stage_name(stage),
        tag=stable(stage),
        sources=sources_in(stage),
        inputs={role: a.key for role, a in inputs.items()},
        schemas=schemas_of(stage),
        metrics=metrics,
        seconds=seconds,
        mkl=use_all_kernels() if stage.device else "",
        determinism="none" if any(e.determinism == "none" for e in engines_of(stage)) else "",
    )
