"""ray: another engine in many actors of Ray, on one machine or a cluster; who wrote a sample does not matter.

It has no form of its own in keys: {"_": "engine/vllm/1", ...} of the engine that its actors hold.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from star_cli.backends.engines import _ray_cluster as cluster
from star_cli.backends.engines._ray_worker import ABSENT, PORTION, file_sizes
from star_cli.core.parts import Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import part_of, register
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError, need


@register("engine", "ray")
class Ray(Engine):
    """``actors`` of Ray, each with a session of the engine ``of`` and its ``settings`` (0: as many as the GPUs allow).

    The artifacts are those of the engine ``of``: same keys, and the same bytes where that engine is exact. All samples
    of a problem go to one actor. An actor that dies is started anew, up to ``restarts`` times, and only what it had not
    returned is asked for again. ``address`` joins a cluster (auto, HOST:PORT, ray://...); null starts Ray here, with
    ``store_mb`` of shared memory. Weights go by path where the actors see it, else through Ray's object store.
    """

    of: str = "vllm"
    settings: dict[str, Any] = field(default_factory=dict)
    actors: int = 0
    address: str | None = None
    restarts: int = 3
    store_mb: int = 128
    start_seconds: float = 900.0

    @property
    def packages(self) -> tuple[str, ...]:
        return ("ray", *self.inner.packages)

    @property
    def inner(self) -> Engine:
        """The engine that each actor holds."""
        engine: Engine = part_of("engine", self.described, "engine.of")
        return engine

    @property
    def described(self) -> dict[str, Any]:
        """The inner engine in plain values."""
        return {"name": self.of, **self.settings}

    @property
    def key_part(self) -> Engine:
        """What stands in keys and manifests in its place."""
        return self.inner

    @property
    def own_weights(self) -> bool:
        """As the engine that the actors hold."""
        return self.inner.own_weights

    def check(self) -> None:
        need(self.of != "ray", "engine.of=ray: an actor cannot hold actors", "for example engine.of=vllm")
        for name, least in (("actors", 0), ("restarts", 0), ("store_mb", 80)):
            need(getattr(self, name) >= least, f"engine.{name} must be >= {least}, got {getattr(self, name)}")
        need(self.start_seconds > 0, f"engine.start_seconds must be > 0, got {self.start_seconds}")
        self.inner.check()

    def open(self, model: ModelRef, runtime: Runtime) -> RaySession:
        """Place the actors and open a session in each; returns once all are ready, or those that found a place."""
        self.check()
        cluster.connect(self.address, self.actors, self.store_mb)
        return RaySession(self, model, runtime)


@dataclass(eq=False)
class Actor:
    """One actor as the run sees it: ``asked`` are requests it has not answered, by the number they have there."""

    number: int
    handle: Any
    asked: dict[int, Request] = field(default_factory=dict)
    deaths: int = 0
    place: tuple[str, int] = ("", 0)  # machine and process
    wants: int = PORTION
    opening: Any = None  # the answer to ``open`` that is still to come
    working: Any = None  # the answer to ``exchange`` that is still to come


class RaySession:
    """All actors as one session."""

    device = "ray"

    def __init__(self, spec: Ray, model: ModelRef, runtime: Runtime) -> None:
        self.spec, self.model, self.runtime = spec, model, runtime
        self.restarted = 0
        self._busy = self._closed = False
        self._sent: tuple[str, Any] | None = None  # the key of the weights in the object store, and where
        count = cluster.actor_count(spec.actors, runtime)
        self.actors = [Actor(n, cluster.place(spec.described, runtime, spec.restarts)) for n in range(count)]
        try:
            for actor in self.actors:
                self._begin_opening(actor)
            self._wait_until_open()
        except BaseException:
            self.close()
            raise

    # ---- weights --------------------------------------------------------------------------------------------------
    def _begin_opening(self, actor: Actor, files: Any = None) -> None:
        """Ask an actor, wherever it is by now, to open its session with the present weights."""
        actor.asked, actor.wants, actor.working = {}, PORTION, None
        # -1: Ray sends it again to the process it starts anew, for as long as there are restarts
        opening = actor.handle.open.options(max_task_retries=-1)
        actor.opening = opening.remote(self.model, self.runtime, actor.number, file_sizes(self.model.path), files)

    def _wait_until_open(self) -> None:
        """Wait for all actors; those without a place after ``start_seconds`` join later, unless no other is there."""
        import ray

        deadline = time.monotonic() + self.spec.start_seconds
        while waiting := {a.opening: a for a in self.actors if a.opening is not None}:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            self._opened(waiting[ready[0]])
        if waiting:
            self._note(
                f"{len(waiting)} of {len(self.actors)} actors have no place; the cluster has {cluster.resources()}"
            )
        if len(waiting) == len(self.actors):
            raise StarError(
                f"no actor was ready within {self.spec.start_seconds:g} s; the cluster has {cluster.resources()}",
                hint="an actor takes 1 CPU and runtime.tensor_parallel GPUs: lower engine.actors, or free the cluster",
            )

    def _opened(self, actor: Actor) -> None:
        """Take note that an actor has its weights, or send them to it; StarError where they are not the right ones."""
        fault = self._get(actor.opening)
        if fault == ABSENT:
            return self._begin_opening(actor, self._files(self.model))
        actor.opening, actor.place = None, self._get(actor.handle.place.remote())
        if fault:
            raise StarError(
                f"actor {actor.number} of engine=ray disagrees with the trainer about {self.model.path}: {fault}",
                hint="the weights on its disk may be damaged or others, or model.dtype does not suit its device",
            )

    def _files(self, model: ModelRef) -> Any:
        """All files of a model in Ray's object store: once, however many actors need them."""
        import ray

        if self._sent is None or self._sent[0] != model.key:
            here = Path(model.path)
            self._sent = model.key, ray.put({name: (here / name).read_bytes() for name in file_sizes(model.path)})
        return self._sent[1]

    def swap(self, model: ModelRef) -> bool:
        """The new weights into every actor; False where one of them could not prove by the canary that it has them."""
        self._ready()
        sizes, self.model = file_sizes(model.path), model
        try:
            faults = self._each(lambda a: a.handle.swap.remote(model, sizes))
            if ABSENT in faults.values():  # where it is there, nothing is done twice
                files = self._files(model)
                faults = self._each(lambda a: a.handle.swap.remote(model, sizes, files))
        except EngineDied as e:
            faults = {-1: e.what}
        for number, fault in faults.items():
            if fault:
                self._note(f"actor {number} did not take new weights: {fault}")
        return not any(faults.values())

    # ---- writing --------------------------------------------------------------------------------------------------
    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions as they finish. Actors ask for more when their engines need it; nothing is pulled before that."""
        self._ready()
        if self._busy:
            raise RuntimeError("this session is still streaming; close that stream first")
        self._busy = True
        source = Source(requests)
        try:
            while True:
                self._hand_out(source)
                waiting = {ref: a for a in self.actors for ref in (a.opening, a.working) if ref is not None}
                if not waiting:
                    if source.is_empty():
                        return
                    raise self._all_dead()
                yield from self._collect(waiting, source)
        finally:
            self._busy = False
            if not self._closed:
                self._stop_all()

    def _hand_out(self, source: Source) -> None:
        for actor in self.actors:
            if actor.opening is None and actor.working is None:
                portion = source.take(actor.wants)
                if portion or actor.asked:
                    actor.asked.update(portion)
                    numbered = [replace(r, id=(r.id[0], n)) for n, r in portion.items()]
                    actor.working = actor.handle.exchange.remote(numbered, source.is_empty())

    def _collect(self, waiting: dict[Any, Actor], source: Source) -> Iterator[Completion]:
        """What one or more actors have to say."""
        import ray

        some, rest = ray.wait(list(waiting), num_returns=1)
        if rest:  # whoever else has something to say: one question for all of them, not one for each
            some += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for ref in some:
            actor = waiting[ref]
            try:
                if ref is actor.opening:
                    self._opened(actor)
                    continue
                answer = self._get(ref)
                actor.working = None
            except EngineDied as e:
                self._lost(actor, source, e.what)
                continue
            for completion in answer.completions:
                request = actor.asked.pop(completion.id[1])
                yield replace(completion, id=request.id)
            actor.wants = answer.wants if actor.asked else PORTION
            if answer.died:
                self._lost(actor, source, answer.error[0].splitlines()[0])
            elif answer.error:
                raise StarError(answer.error[0], hint=answer.error[1])

    def _lost(self, actor: Actor, source: Source, why: str) -> None:
        """An actor died: what it had not returned is asked for again, and it is opened anew where Ray restarts it."""
        import ray

        self.restarted += 1
        actor.deaths += 1
        where = "{}, process {}".format(*actor.place)
        self._note(f"actor {actor.number} ({where}) died: {why}; {len(actor.asked)} requests are asked again")
        source.put_back(actor.asked)
        if actor.opening is not None or actor.deaths > self.spec.restarts:  # it does not come up again
            self.actors.remove(actor)
            ray.kill(actor.handle)
        else:
            self._begin_opening(actor)

    def _all_dead(self) -> EngineDied:
        return EngineDied(
            f"all actors of engine=ray died, {self.restarted} times in all",
            hint="see the actors' logs beside runtime.engine_log, or raise engine.restarts; the same command continues",
        )

    def _stop_all(self) -> None:
        """Have every actor give up what is still being written for a stream that ended early."""
        for actor in self.actors:
            if actor.asked and actor.opening is None:
                try:
                    if actor.working is not None:
                        self._get(actor.working)
                    self._get(actor.handle.stop.remote())
                except EngineDied:
                    self._begin_opening(actor)
            actor.asked, actor.working, actor.wants = {}, None, PORTION

    # ---- all actors at once ---------------------------------------------------------------------------------------
    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """As one session: the items are shared out, the scores come back in order."""
        self._ready()
        size = max(1, -(-len(items) // max(1, len(self.actors))))
        parts = [list(items[i : i + size]) for i in range(0, len(items), size)]
        for _ in range(self.spec.restarts + 1):
            living = self._living()
            refs = [living[i % len(living)].handle.score.remote(part) for i, part in enumerate(parts)]
            try:
                return [score for ref in refs for score in self._get(ref)]
            except EngineDied as e:
                self._note(f"an actor died while it scored ({e.what}); all is scored again")
                self._reopen_dead()
        raise self._all_dead()

    def _living(self) -> list[Actor]:
        if any(a.opening is not None for a in self.actors):
            self._wait_until_open()
        living = [a for a in self.actors if a.opening is None]
        if not living:
            raise self._all_dead()
        return living

    def _reopen_dead(self) -> None:
        for actor in list(self.actors):
            try:
                self._get(actor.handle.place.remote())
                self._begin_opening(actor)  # does nothing in one that has its weights
            except EngineDied:
                try:
                    self._begin_opening(actor)
                    self._opened(actor)
                except EngineDied:
                    self.actors.remove(actor)

    def _each(self, ask: Callable[[Actor], Any]) -> dict[int, Any]:
        """The answer of every actor, by its number."""
        refs = {a.number: ask(a) for a in self._living()}
        return {number: self._get(ref) for number, ref in refs.items()}

    def sleep(self) -> None:
        """Let all actors give their device's memory back."""
        self._each(lambda a: a.handle.sleep.remote())

    def wake(self) -> None:
        """Let all actors take it again."""
        self._each(lambda a: a.handle.wake.remote())

    def close(self) -> None:
        """End all actors; Ray itself goes on until this process ends."""
        import ray

        if self._closed:
            return
        self._closed = True
        for actor in self.actors:
            if ray.is_initialized():
                ray.kill(actor.handle)
        self.actors = []

    def _get(self, ref: Any) -> Any:
        """The answer of an actor. Raises EngineDied for one whose process or node is gone, and its own StarErrors."""
        import ray

        try:
            return ray.get(ref)
        except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError, ray.exceptions.ObjectLostError) as e:
            lines = [line.strip() for line in str(e).splitlines() if line.strip()] or [type(e).__name__]
            cause = f": {lines[-1][:300]}" if len(lines) > 1 else ""
            raise EngineDied(lines[0].partition(", \x1b")[0][:200] + cause) from None
        except ray.exceptions.RayTaskError as e:
            cause = e.cause
            if isinstance(cause, StarError):
                raise type(cause)(cause.what, hint=cause.hint) from None
            raise

    def _note(self, line: str) -> None:
        if self.runtime.engine_log and os.path.isdir(os.path.dirname(self.runtime.engine_log)):
            with open(self.runtime.engine_log, "a", encoding="utf-8") as f:
                f.write(time.strftime("%H:%M:%S ") + line + "\n")

    def _ready(self) -> None:
        if self._closed:
            raise StarError("this session was closed; an engine is opened again with Engine.open")


class Source:
    """Requests in portions, the samples of a problem together; each has a number of its own while it is under way."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._groups = (list(group) for _, group in groupby(requests, key=lambda r: r.id[0]))
        self._ahead: deque[tuple[int, Request]] = deque()
        self._numbers = 0
        self._more = True

    def take(self, wanted: int) -> dict[int, Request]:
        """About ``wanted`` requests, by their numbers: whole problems, and at least one where there is one left."""
        portion: dict[int, Request] = {}
        while len(portion) < wanted and self._fill():
            problem = self._ahead[0][1].id[0]
            while self._ahead and self._ahead[0][1].id[0] == problem:
                number, request = self._ahead.popleft()
                portion[number] = request
        return portion

    def put_back(self, requests: dict[int, Request]) -> None:
        """Requests that are to be asked again, before all others."""
        self._ahead.extendleft(reversed(requests.items()))

    def is_empty(self) -> bool:
        """Whether nothing is left to hand out."""
        return not self._fill()

    def _fill(self) -> bool:
        if not self._ahead and self._more:
            group = next(self._groups, None)
            if group is None:
                self._more = False
            else:
                self._ahead.extend(enumerate(group, self._numbers))
                self._numbers += len(group)
        return bool(self._ahead)
