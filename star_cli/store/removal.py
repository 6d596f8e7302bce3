"""Removing a run: its folder goes, the artifacts that it shares with others stay until star gc."""

from __future__ import annotations

import shutil
from pathlib import Path

from star_cli.errors import StarError
from star_cli.store.durable import sync_directory, writing
from star_cli.store.runs import RUN_JSON, Run, arms_below

LABELS = "labels"  # the folder of what people labelled in star view


def removable(home: Path, names: list[str]) -> list[Run]:
    """The runs that names mean, a sweep's being its arms. Raises StarError for an unknown one and one under way."""
    chosen: dict[str, Run] = {}
    for name in names:
        run = Run(home, name.rstrip("/"))
        own = [run] if run.exists() else arms_below(home, run.name)
        chosen |= {one.name: one for one in own or [run.require()]}
    for run in chosen.values():
        if _state(run) == "running":
            raise StarError(f"{run.name} is being run now (process {run.info.pid})", hint="end it first: Ctrl-C there")
    return list(chosen.values())


def _state(run: Run) -> str:
    try:
        return run.info.state
    except StarError:  # damaged: it can be removed all the same
        return "broken"


def labelled(runs: list[Run]) -> list[Run]:
    """Those that hold labels which somebody gave by hand."""
    return [run for run in runs if any((run.path / LABELS).glob("*.jsonl"))]


def remove_runs(runs: list[Run]) -> None:
    """Remove the folders of runs, and of a sweep whose arms are all gone the folder with its page."""
    for run in runs:
        with writing(str(run.path)):
            keep = [p for p in run.path.iterdir() if (p / RUN_JSON).exists()]  # arms of a sweep of the same name
            for path in [] if not keep else [p for p in run.path.iterdir() if p not in keep]:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            if not keep:
                shutil.rmtree(run.path)
            parent = run.path.parent
            if "/" in run.name and not any((p / RUN_JSON).exists() for p in (parent, *parent.iterdir())):
                shutil.rmtree(parent)
            sync_directory(run.home / "runs")
