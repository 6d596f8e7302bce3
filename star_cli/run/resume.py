"""Going on with a run: `star resume` and `star plan`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from star_cli.run.compose import Composed, launch
from star_cli.errors import NotBuilt, StarError, unknown
from star_cli.run.lab import Lab, Step
from star_cli.run.live_engine import Residency
from star_cli.store.ledger import Run
from star_cli.run.execute import open_store
from star_cli.run.sweeps import run_all
from star_cli.run.trackers.wandb import Silent


def resume_run(home: Path, name: str, start: str | None, extra: list[str], *, rebuild: bool = False) -> None:
    """Run ``name`` again with ``extra`` overrides; stages before ``start`` (``round-2/filter``) are taken as they are."""
    run = Run(home, name)
    info = run.info
    if "overrides" not in info:
        arms = [p.parent.name for p in run.path.glob("*/run.json")]
        raise StarError(f"{name} is a sweep of {len(arms)} runs, not one run", hint=f"name one: {name}/{arms[0]}"
                        if arms else "star ls runs shows them all")
    pins = pins_before(run, start) if start else {}
    if rebuild:
        if not start:
            raise StarError("--rebuild needs --from, to know where to begin", hint="for example --from round-2/filter")
        _forget(run, home, set(pins.values()))
    changes = [o for o in extra if name_of(o) not in ("name", "home", "runtime", "tracking")]
    told = [o for o in extra if name_of(o) == "name"]
    new_name = name if not changes else name + "+" + "+".join(re.sub(r"[^A-Za-z0-9._,=-]+", "_", o) for o in changes)
    if told:
        new_name = told[-1].partition("=")[2]
    kept = [o for o in info["overrides"] if name_of(o) not in {name_of(e) for e in extra} | {"name", "home"}]
    args = [*kept, *(o for o in extra if name_of(o) not in ("name", "home")), f"name='{new_name}'", f"home='{home}'"]
    run_all(args, pins=pins)


def name_of(override: str) -> str:
    """The setting an override changes: ``+trainer.lr=1`` -> trainer.lr; Runtime and tracking count as one each."""
    name = override.lstrip("+~").partition("=")[0]
    return name.split(".")[0] if name.split(".")[0] in ("runtime", "tracking") else name


def pins_before(run: Run, start: str) -> dict[tuple[int, str], str]:
    """The keys of every stage of the run before ``start``."""
    match = re.fullmatch(r"round-(\d+)/([^/]+)", start)
    if match is None:
        raise StarError(f"--from {start!r} is not a stage", hint="name it like --from round-2/filter")
    at = (int(match[1]), match[2])
    events = run.events()
    order = [(e.round, e.name) for e in events]
    if at not in order:
        raise unknown(f"stage of run {run.name}", start, [f"round-{r}/{n}" for r, n in order])
    return {(e.round, e.name): e.key for e in events[: order.index(at)]}


def _forget(run: Run, home: Path, keep: set[str]) -> None:
    store = open_store(home)
    for event in run.events():
        artifact = store.get(event.key)
        if event.key not in keep and artifact:
            with store.lock(event.key):
                shutil.rmtree(artifact.path)


def planned(args: list[str]) -> tuple[str, list[Step], str | None]:
    """What a run with these arguments would do: its name, its steps, and where the plan cannot see further."""
    if {"-m", "--multirun"} & set(args):
        raise StarError("star plan shows one run, not a sweep", hint="leave -m out and give one value for each setting")

    def job(c: Composed) -> Any:
        lab = Lab(c.experiment, open_store(c.experiment.home), Silent(), Residency(), planning=True)
        try:
            c.experiment.method.run(lab)
        except NotBuilt as e:
            return c.experiment.name, lab.plan, e.what
        return c.experiment.name, lab.plan, None

    result = launch(args, job)
    if result is None:
        raise StarError("nothing was planned", hint="star plan takes the overrides of star run")
    name, steps, open_end = result
    return name, steps, open_end
