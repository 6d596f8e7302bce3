"""The plan of a training: which sequences every forward pass takes, known in full before the first step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from star_cli.backends.training.environment import tokens_at_once
from star_cli.backends.training.recipe import Recipe
from star_cli.core.keys import seed_of
from star_cli.core.parts import PreferenceJob, TrainJob
from star_cli.errors import need


@dataclass
class Plan:
    """``lengths`` are the tokens of each sequence of the data; the seed alone decides the order.

    The data is an endless stream of shuffled passes; each step takes the next ``batch`` sequences of it, sorts them by
    length, deals them to ``world`` devices and cuts each device's share into ``parts`` forward passes. So little is
    padded, and yet every batch is drawn at random.
    """

    lengths: list[int]
    steps: int
    batch: int
    parts: int
    world: int
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, job: TrainJob | PreferenceJob, lengths: Sequence[int], world: int) -> Plan:
        """The plan of a job on ``world`` devices; ``steps`` wins over ``epochs``. StarError without a step."""
        need(
            job.steps is not None or job.epochs is not None,
            "training needs a number of steps or of epochs",
            "for example schedule.start=40 or schedule.epochs=1",
        )
        batch = min(recipe.batch, len(lengths))
        world = min(world, batch)
        micro = recipe.micro_batch or max(1, tokens_at_once() // max(lengths))
        parts = min(math.ceil(math.ceil(batch / world) / micro), batch // world)
        steps = job.steps if job.steps is not None else math.ceil((job.epochs or 0) * len(lengths) / batch)
        need(steps >= 1, f"training needs at least one step, got {steps}", "for example schedule.start=40")
        return cls(list(lengths), steps, batch, parts, world, job.seed)

    def stream(self) -> Iterator[list[int]]:
        """The rows of each step, longest first."""
        waiting: list[int] = []
        turn = 0
        for _ in range(self.steps):
            while len(waiting) < self.batch:
                order = np.random.default_rng(seed_of(self.seed, "pass", turn)).permutation(len(self.lengths))
                waiting, turn = waiting + order.tolist(), turn + 1
            yield sorted(waiting[: self.batch], key=lambda i: -self.lengths[i])
            waiting = waiting[self.batch :]

    def share(self, rank: int) -> Iterator[list[int]]:
        """The rows of each forward pass of one device, ``parts`` to a step."""
        for rows in self.stream():
            dealt = rows[rank :: self.world]
            cuts = [i * len(dealt) // self.parts for i in range(self.parts + 1)]
            yield from (dealt[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True))

    def total(self, counts: Sequence[int]) -> int:
        """The sum over the whole training of a count of each row, such as its completion tokens."""
        return sum(counts[i] for rows in self.stream() for i in rows)

    @property
    def epochs(self) -> float:
        """How many passes over the data the steps make, to 3 digits."""
        return round(self.steps * self.batch / len(self.lengths), 3)


class PlannedBatches:
    """The forward passes of one process, as a batch sampler of PyTorch's DataLoader."""

    def __init__(self, plan: Plan, rank: int) -> None:
        self.plan, self.rank = plan, rank

    def __len__(self) -> int:
        return self.plan.steps * self.plan.parts

    def __iter__(self) -> Iterator[list[int]]:
        return self.plan.share(self.rank)
