"""`star plan`: the same loop with a Lab that builds nothing."""

from __future__ import annotations

from typing import Any

from star_cli.errors import NotBuilt, StarError
from star_cli.run.build import Planner, Step
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.execute import check_takes_weights
from star_cli.run.lab import Lab
from star_cli.run.observe import Silent
from star_cli.store.artifacts import open_store


def planned(args: list[str]) -> tuple[str, list[Step], str | None]:
    """What a run with these arguments would do: its name, its steps, and where the plan cannot see further."""
    if {"-m", "--multirun"} & set(args):
        raise StarError("star plan shows one run, not a sweep", hint="leave -m out and give one value for each setting")

    def job(c: Composed) -> Any:
        x = c.experiment
        check_takes_weights(x)
        planner = Planner(x.equipment(), open_store(x.home), Silent())
        open_end = None
        try:
            lab = Lab(x, planner)
            x.method.run(lab)
            lab.finish()
        except NotBuilt as e:
            open_end = e.what
        return x.name, planner.steps, open_end

    result = launch(args, job)
    if result is None:
        raise StarError("nothing was planned", hint="star plan takes the overrides of star run")
    name, steps, open_end = result
    return name, steps, open_end
