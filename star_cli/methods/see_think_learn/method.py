"""see_think_learn: See-Think-Learn (Sharma et al. 2025, arXiv 2512.02456): a model that sees teaches itself to look.

    for n = 1..N:  P_n = {M_{n-1} writes caption, reasoning, conclusion : all three are there, the conclusion is right}
                   N_n = {M_{n-1} explains why an option is wrong : every wrong option of every question in P_n}
                   M_n = train(M_0, shuffle(P_n + N_n))                       M_0 is the base model

While it explains, the model is told which choice is right; that line is not in the training text. What it failed is not
asked again with a hint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from star_cli.core.keys import seed_of
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.methods.see_think_learn.stages import Negatives, Oppose, Positives
from star_cli.run.lab import Experiment, Lab, Method
from star_cli.store.artifacts import Artifact
from star_cli.tasks.base.visual import VisualTask

LEARN = ("both", "positives", "negatives", "answers")


@register("method", "see_think_learn")
class SeeThinkLearn(Method):
    """``learn`` is what is trained on: both, positives alone, negatives alone, or answers without any rationale.

    ``caption=false`` asks for no caption. ``wrong_options`` limits the negatives of a question (0: every wrong option);
    which ones is drawn by seed. A text without all its sections is not trained on, and the others in one normal form.
    """

    rounds: int = 5
    samples: int = 1
    learn: str = "both"
    caption: bool = True
    wrong_options: int = 0

    def check(self) -> None:
        super().check()
        need(self.learn in LEARN, f"method.learn must be one of {', '.join(LEARN)}, got {self.learn!r}")
        need(self.wrong_options >= 0, f"method.wrong_options must be >= 0 (0: all), got {self.wrong_options}")
        need(
            self.caption or self.learn != "answers",
            "method.caption=false has no effect on method.learn=answers",
            "leave method.caption=true",
        )

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        for n in lab.rounds(self.rounds):
            problems = lab.problems("train", round=n)
            model = lab.finetune(base, self._data(lab, model, problems, n), round=n)
            lab.evaluate(model, round=n)
        return model

    def _data(self, lab: Lab, model: Artifact, problems: Artifact, n: int) -> list[Artifact]:
        if self.learn == "answers":
            return [lab.answers(problems, round=n)]
        right = lab.filter(problems, lab.generate(model, problems, round=n))
        positives = lab.build(Positives(task=lab.x.task), {"problems": problems, "examples": right}, n, "positives")
        if self.learn == "positives":
            return [positives]
        oppose = Oppose(limit=self.wrong_options, seed=seed_of(lab.x.seed, n, "oppose") if self.wrong_options else 0)
        opposed = lab.build(oppose, {"problems": problems, "positives": positives}, n, "oppose")
        why = lab.generate(model, opposed, round=n, hint=True, samples=1, name="explain")
        negatives = lab.build(Negatives(task=lab.x.task), {"problems": opposed, "rationales": why}, n, "negatives")
        return [negatives] if self.learn == "negatives" else [positives, negatives]

    def prepare(self, experiment: Experiment) -> Experiment:
        """The task asks for the sections this method trains on; the base model is the same for all arms."""
        task = experiment.task
        if not isinstance(task, VisualTask):
            raise StarError(
                "method=see_think_learn needs a task that asks about pictures in sections",
                hint="task=tiny_scenes, or task=visual_qa task.path=FILE",
            )
        asks: Any = "answer" if self.learn == "answers" else task.asks if self.caption else "no_caption"
        return replace(experiment, task=replace(task, asks=asks), base_task=task)
