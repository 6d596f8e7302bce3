"""What lies before a run: its stages in order, which of them are there, and how long the others take."""

from __future__ import annotations

from typing import Any

from star_cli.errors import NotBuilt, StarError
from star_cli.run.build import Pins, Planner, Step
from star_cli.run.lab import Experiment, Lab
from star_cli.run.observe import Outlook, Silent
from star_cli.store.artifacts import Store


def plan_of(x: Experiment, store: Store, pins: Pins | None = None) -> tuple[list[Step], str | None, dict[str, Any]]:
    """(the steps of an experiment, where its plan cannot see further or None, the base model as it was looked up)."""
    planner = Planner(x.equipment(), store, Silent(), pins=pins)
    lab = Lab(x, planner)
    open_end = None
    try:
        x.method.run(lab)
        lab.finish()
    except NotBuilt as e:
        open_end = e.what
    return planner.steps, open_end, lab.base


def outlook_of(steps: list[Step], open_end: str | None) -> Outlook:
    """The steps as a run shows them; a stage that is named twice counts once."""
    by_place = {f"round-{s.round}/{s.name}": s for s in steps}
    missing = {place: s for place, s in by_place.items() if s.state != "built"}
    unknown = any(s.seconds is None and s.device for s in missing.values())
    seconds = {place: s.seconds or 0.0 for place, s in missing.items()}
    return Outlook(list(by_place), seconds, unknown, open_end is not None)


def foreseen(x: Experiment, store: Store, pins: Pins | None) -> tuple[Outlook | None, dict[str, Any]]:
    """(what lies before a run, the base model as it was looked up); nothing where the plan already fails: the run will
    say why.
    """
    try:
        steps, open_end, base = plan_of(x, store, pins)
    except StarError:
        return None, {}
    return outlook_of(steps, open_end), base
