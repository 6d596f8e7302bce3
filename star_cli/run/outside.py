"""star import: rationales that were written elsewhere, as an artifact that can be filtered and trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.execute import live_engine
from star_cli.run.lab import Lab
from star_cli.run.observe import Observer, Silent
from star_cli.stages.outside import OutsideRationales, content_of
from star_cli.store.artifacts import Artifact, open_store


def import_rationales(
    file: Path,
    args: list[str],
    *,
    split: str = "train",
    observer: Callable[[str], Observer] = lambda progress: Silent(),
) -> tuple[Artifact, bool]:
    """The rationales of a JSONL file for the problems of a task's split; and whether they were there already."""
    content = content_of(file)

    def job(c: Composed) -> Any:
        x = c.experiment
        builder = Builder(x.equipment(), open_store(x.home).open(), observer(x.runtime.progress), live_engine)
        problems = Lab(x, builder).problems(split, whole=True)
        built = builder.built
        stage = OutsideRationales(task=x.task, content=content, path=str(file.resolve()))
        artifact = builder.build(stage, {"problems": problems}, 0, "import")
        return artifact, builder.built == built

    artifact, hit = launch(args, job)
    return artifact, hit
