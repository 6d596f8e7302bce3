"""Going on with a run: `star resume` and `star plan`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from star_cli.errors import StarError, unknown
from star_cli.run.observe import Display
from star_cli.run.overrides import name_of
from star_cli.run.sweeps import run_all
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

# What may change without the run becoming another one.
UNNAMED_CHANGES = ("name", "home", "runtime", "tracking", "parts", "on_end", "--config-dir", "--multirun")


def resume_run(
    home: Path, name: str, start: str | None, extra: list[str], *, rebuild: bool = False, display: Display | None = None
) -> None:
    """Run ``name`` again with ``extra`` overrides; stages before ``start`` (``round-2/filter``) are taken as they
    are.
    """
    run = Run(home, name)
    overrides = run.info.overrides
    pins = pins_before(run, start) if start else {}
    if rebuild:
        if not start:
            raise StarError("--rebuild needs --from, to know where to begin", hint="for example --from round-2/filter")
        _forget(run, home, set(pins.values()))
    changes = [o for o in extra if name_of(o) not in UNNAMED_CHANGES]
    names = [o for o in extra if name_of(o) == "name"]
    new_name = name if not changes else name + "+" + "+".join(re.sub(r"[^A-Za-z0-9._,=-]+", "_", o) for o in changes)
    if names:
        new_name = names[-1].partition("=")[2]
    kept = [o for o in overrides if name_of(o) not in {name_of(e) for e in extra} | {"name", "home"}]
    args = [*kept, *(o for o in extra if name_of(o) not in ("name", "home")), f"name='{new_name}'", f"home='{home}'"]
    run_all(args, pins=pins, display=display)


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
