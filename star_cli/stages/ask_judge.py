"""ask_judge: a model is asked about every rationale; what it answers are votes for a grader to count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from star_cli.core.parts import Engine, Grader, Prompt, Task
from star_cli.core.records import Problem, Rationale
from star_cli.core.settings import Sampling
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import joined
from star_cli.stages.sampling import SampleWriter
from star_cli.store.artifacts import Artifact


@dataclass(kw_only=True)
class AsItIs(Task):
    """A task whose prompts are its problems' questions, word for word."""

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        return Prompt(problem.question)


@stage("ask_judge")
class AskJudge(Stage):
    """Inputs: ``model`` (the judge), ``problems``, ``rationales``. Writes ``votes`` texts about each rationale, whose
    ``problem_id`` is PROBLEM/SAMPLE of what was judged.
    """

    reads, writes = (Problem, Rationale), (Rationale,)
    grader: Grader
    engine: Engine
    seed: int

    @property
    def device(self) -> str:
        return "engine"

    def run(self, context: StageContext) -> dict[str, Any]:
        grader: Any = self.grader
        sampling = Sampling(temperature=grader.temperature, max_tokens=grader.max_tokens)
        context.grader = None  # nothing judges the judge
        writer = SampleWriter(context, task=AsItIs(), sampling=sampling, seed=self.seed, round=0)
        total = context.inputs["rationales"].count(Rationale) * grader.votes
        with writer:
            if writer.reused < total:
                context.session(context.inputs["model"])
            meter = context.meter("judge", total)
            meter.step(writer.reused)
            writer.show = lambda p, r: meter.step(tokens=r.tokens)
            try:
                writer.write(lambda: ((q, range(grader.votes)) for q in self._questions(context)))
            finally:
                meter.close()
        order = ((q.id, n) for q in self._questions(context) for n in range(grader.votes))
        return {"samples": writer.settle(order), "tokens": writer.tokens, "truncated": writer.truncated}

    def _questions(self, context: StageContext) -> Iterator[Problem]:
        """What the judge is asked, one question a rationale, in their order."""
        grader: Any = self.grader
        for problem, rationale in joined(context.inputs["problems"], context.inputs["rationales"]):
            id = f"{rationale.problem_id}/{rationale.sample}"
            yield Problem(id=id, question=grader.question(problem, rationale), answer="")

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        grader: Any = self.grader
        samples = inputs["rationales"].count(Rationale) * grader.votes
        return {"samples": samples, "tokens": samples * grader.max_tokens}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['samples']} votes, {metrics['tokens']} tokens"
