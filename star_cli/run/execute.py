"""One `star run`: from a composed experiment to a finished, failed or interrupted run with its report."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import replace
from importlib.util import find_spec

from star_cli.core import preemption
from star_cli.core.registry import name_of
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError, need
from star_cli.run.build import Builder, Pins
from star_cli.run.composed import Composed
from star_cli.run.lab import Experiment, Lab
from star_cli.run.live_engine import LiveEngine
from star_cli.run.observe import Display, Observer, Several
from star_cli.run.on_end import run_hook
from star_cli.run.outlook import foreseen
from star_cli.run.progress import ProgressFile
from star_cli.run.trackers.mlflow import Mlflow
from star_cli.run.trackers.tensorboard import Tensorboard
from star_cli.run.trackers.tracker import Tracker
from star_cli.run.trackers.trackio import Trackio
from star_cli.run.trackers.wandb import Wandb, logged_in
from star_cli.store.artifacts import Store, open_store
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run

TRACKERS: dict[str, type[Tracker]] = {
    "trackio": Trackio,
    "mlflow": Mlflow,
    "tensorboard": Tensorboard,
}
live_engine = LiveEngine()  # the engine outlives a run: the arms of a sweep share it


def execute(c: Composed, *, pins: Pins | None = None, display: Display | None = None) -> Run:
    """Run an experiment's method from its first unfinished stage on. Raises what stopped it, after noting it."""
    x, display = c.experiment, display or Display()
    check_takes_weights(x)
    preemption.state.grace = x.runtime.grace_seconds
    store = open_store(x.home).open()
    run = Run(x.home, x.name)
    mended = run.start(Settings(**c.info(), pins={f"{r}/{n}": k for (r, n), k in (pins or {}).items()}))
    if x.runtime.engine_log is None:
        x.runtime = replace(x.runtime, engine_log=str(run.path / "engine.log"))
    shown = observer = display.observer(x.runtime.progress)
    try:
        for sentence in [*mended, *_idle(x.runtime)]:
            observer.say(sentence)
        observer = Several(_with_tracker(shown, x, c, run, store), ProgressFile(run.path))
        outlook, base = foreseen(x, store, pins)
        if outlook is not None:
            observer.planned(outlook)
        builder = Builder(x.equipment(), store, observer, live_engine, run, pins=pins)
        lab = Lab(x, builder, base=base)
        if x.forecast:
            display.forecast(lab, run)
        x.method.run(lab)
        lab.finish()
        run.update(built=builder.built)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the note
        run.finish("interrupted")
        observer.finish("interrupted")
        _hook(c, run, shown)
        raise
    except BaseException as e:
        run.finish("failed", str(e))
        observer.finish("failed")
        _hook(c, run, shown)
        if isinstance(e, EngineDied):
            hint = e.hint or f"see {x.runtime.engine_log}; star resume {x.name} continues"
            raise StarError(e.what, hint=hint) from e
        raise
    run.finish("finished")
    observer.finish("finished")
    display.finished(run, shown)
    _hook(c, run, shown)
    return run


def check_takes_weights(x: Experiment) -> None:
    """Raise a StarError where the engine cannot write with the weights that every round of a run trains."""
    engine = name_of(x.engine)
    need(
        x.engine.own_weights,
        f"engine={engine} writes with a model that is fixed, and a run trains new weights in every round",
        f"set engine.reload so that the servers take them (star ls engines), or let the model be a teacher: "
        f"+method.teacher={{name: {engine}, model: ..., urls: [...]}} beside engine=vllm",
    )


def _hook(c: Composed, run: Run, shown: Observer) -> None:
    """What is to be done at the end of a run."""
    failure = run_hook(c.config["on_end"], run) if c.config["on_end"] else None
    if failure:
        shown.say(failure)


def _idle(runtime: Runtime) -> list[str]:
    """A sentence where more GPUs are asked for than the machine has."""
    asked = max(runtime.gpus, runtime.tensor_parallel)
    if asked == 1:
        return []
    there = listed_gpus()
    name = "gpus" if runtime.gpus == asked else "tensor_parallel"
    here = f"{there} GPU(s)" if there else "no GPU"
    return [f"runtime.{name}={asked}, but nvidia-smi finds {here} on this machine"] if there < asked else []


def _with_tracker(observer: Observer, x: Experiment, c: Composed, run: Run, store: Store) -> Observer:
    """The observer, and beside it the tracker that is asked for (auto: wandb where somebody is logged in to it)."""
    kind = x.tracking.kind
    if kind in TRACKERS:
        tracker = TRACKERS[kind](x.tracking, x.name, c.config, folder=run.path, home=x.home, store=store)
        return Several(observer, tracker)
    if kind == "none" or (kind == "auto" and not (logged_in() and find_spec("wandb") is not None)):
        return observer
    try:
        return Several(observer, Wandb(x.tracking, x.name, c.config, run.path))
    except StarError as e:
        if x.tracking.kind == "wandb":
            raise
        observer.say(f"{e.what}; nothing is reported there")  # it was not asked for by name
        return observer


def listed_gpus() -> int:
    """How many GPUs nvidia-smi lists; 0 where there is none, or no nvidia-smi."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
