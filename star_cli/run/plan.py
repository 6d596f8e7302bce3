"""`star plan`: the same loop with a Lab that builds nothing."""

from __future__ import annotations

from typing import Any

from star_cli.errors import StarError
from star_cli.run.build import Step
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.execute import check_takes_weights
from star_cli.run.outlook import plan_of
from star_cli.run.speeds import Speeds
from star_cli.store.artifacts import open_store


def planned(args: list[str]) -> tuple[str, list[Step], str | None, Speeds]:
    """What a run with these arguments would do: its name, its steps, where the plan cannot see further, and the speeds
    that its times are estimated from.
    """
    if {"-m", "--multirun"} & set(args):
        raise StarError("star plan shows one run, not a sweep", hint="leave -m out and give one value for each setting")

    def job(c: Composed) -> Any:
        x = c.experiment
        check_takes_weights(x)
        store = open_store(x.home)
        steps, open_end, _ = plan_of(x, store)
        return x.name, steps, open_end, Speeds(store.root, {"task": x.task, "model": x.model, "engine": x.engine})

    result = launch(args, job)
    if result is None:
        raise StarError("nothing was planned", hint="star plan takes the overrides of star run")
    name, steps, open_end, speeds = result
    return name, steps, open_end, speeds
