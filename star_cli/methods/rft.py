"""rft: rejection sampling fine-tuning (Yuan et al. 2023, arXiv 2308.01825).

SFT on the data's own solutions; 100 samples of each problem from it; keep what is right and whose equations hold;
of those with the same list of equations one; train the base again on the own solutions and these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.run.lab import Experiment, Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "rft")
class Rft(Method):
    """One round in the paper. ``gold=false`` for data without solutions of its own: the base writes the first samples.

    Duplicates are by ordered equation list (``filter.dedupe=equations``); of several the text stays that is farthest by
    edit distance from those kept of the other lists, gone through as in the published code. Equations are checked
    (``filter.sound``), so the data's calculator marks are kept where it has some (``task.annotations=strip`` takes them
    away). Further rounds sample from the newest model and add.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "sampling.temperature": 0.7,
        "filter.limit": 0,
        "filter.dedupe": "equations",
        "filter.sound": True,
    }
    rounds: int = 1
    samples: int = 100
    gold: bool = True

    def prepare(self, experiment: Experiment) -> Experiment:
        """The task keeps the marks that its equations are read from, unless it is told otherwise."""
        task: Any = experiment.task
        if getattr(task, "annotations", None) != "auto":
            return experiment
        return replace(experiment, task=replace(task, annotations="keep"))

    def run(self, lab: Lab) -> Artifact:
        base = lab.base_model()
        problems = lab.problems("train", round=1)
        kept = [lab.gold(problems)] if self.gold else []
        model = lab.finetune(base, kept, round=0) if kept else base
        lab.evaluate(model, round=0)
        for n in lab.rounds(self.rounds):
            kept.append(lab.filter(problems, lab.generate(model, problems, round=n)))
            model = lab.finetune(base, [lab.merge(kept, round=n)], round=n)
            lab.evaluate(model, round=n)
        return model
