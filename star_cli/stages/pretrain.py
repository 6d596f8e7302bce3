"""pretrain and base: where a run's base model comes from."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any

from star_cli.core.keys import CHANGED
from star_cli.core.parts import RUNTIME, Model, ModelRef, Task, Trainer, TrainJob
from star_cli.core.records import Example
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage, with_picture_paths
from star_cli.stages.losses import Progress, watched
from star_cli.store.durable import write_json


@stage("pretrain")
class Pretrain(Stage):
    """A small model made here: a tokenizer and random weights, trained on the task's supervised lessons.

    ``first`` lessons, where there are any, are taught for ``first_steps`` before the others.
    """

    writes = (Example,)
    makes = "base"
    model: Model
    task: Task
    lessons: dict[str, int]
    trainer: Trainer
    steps: int
    seed: int
    first: dict[str, int]
    first_steps: int

    @property
    def device(self) -> str:
        return "trainer"

    def run(self, context: StageContext) -> dict[str, Any]:
        rows = list(self.task.lesson_examples(self.lessons, self.seed))
        if not rows:
            raise StarError(
                "this task has no lessons to pretrain a tiny model on",
                hint="name some with pretraining.lessons, or use model=hf model.path=DIR",
            )
        context.draft.write(Example, rows)
        easy = with_picture_paths(list(self.task.lesson_examples(self.first, self.seed)), self.task.picture)
        rows = with_picture_paths(rows, self.task.picture)
        scratch = context.draft.directory("scratch", fresh=False)
        start, primed = scratch / "untrained", context.draft.directory("scratch/primed")
        self.trainer.initialise(self.model, (e.prompt + e.completion for e in [*easy, *rows]), start, self.seed)

        def train(
            begin: Path, examples: list[Example], out: Path, aside: Path, steps: int, progress: Progress
        ) -> dict[str, Any]:
            return self.trainer.train(
                TrainJob(
                    start=_local(self.model, str(begin)),
                    examples=examples,
                    out=out,
                    scratch=aside,
                    seed=self.seed,
                    runtime=context.runtime,
                    steps=steps,
                    progress=progress,
                )
            )

        with watched(context, "pretrain", self.first_steps + self.steps) as losses:
            if self.first_steps:
                train(start, easy, primed, scratch / "first", self.first_steps, losses.progress())
            begin, progress = primed if self.first_steps else start, losses.progress(self.first_steps)
            return train(begin, rows, context.draft.directory("model"), scratch, self.steps, progress)

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{steps} steps on {examples} examples, loss {loss_first:.3f} -> {loss_last:.3f}".format(**metrics)

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {"steps": self.first_steps + self.steps}


def _local(model: Model, path: str) -> ModelRef:
    return ModelRef(key="untrained", path=path, dtype=model.dtype, chat=model.chat)


@stage("base")
class Base(Stage):
    """Weights from outside, by their content or pinned revision; the files stay where they are."""

    makes = "base"
    quick = True
    content: str
    dtype: str
    chat: bool | None
    path: str = field(metadata=RUNTIME)
    revision: str | None = field(default=None, metadata=RUNTIME)
    thinking: str = field(default="auto", metadata={"identity": CHANGED})  # as the task asks for it
    reasoning: list[str] | None = field(default=None, metadata={"identity": CHANGED})

    def run(self, context: StageContext) -> dict[str, Any]:
        write_json(context.draft.path / "base.json", {"path": self.path, "revision": self.revision})
        return {"start_weights": self.content}
