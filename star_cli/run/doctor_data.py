"""`star doctor data`: which held-out problems of a task also stand among its training problems."""

from __future__ import annotations

from star_cli.core.parts import Task
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.stages.overlap import Overlap, overlap_of


def overlap_of_task(args: list[str]) -> Overlap:
    """The overlap of the whole splits of the task that the overrides ``args`` compose."""

    def job(c: Composed) -> tuple[Task, str]:
        return c.experiment.task, c.experiment.evaluation.split

    task, split = launch(args, job)
    return overlap_of(split, task.problems(split), task.problems("train"))
