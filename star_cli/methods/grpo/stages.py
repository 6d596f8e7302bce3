"""reinforce: sample, judge and train, step by step; the artifact holds the model and all that was written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.parts import Completion, Grader, GroupPolicy, PolicyJob, Task, Trainer
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import Errors, check_golds, judged, with_wrong_steps
from star_cli.stages.sampling import prompt_key
from star_cli.store.artifacts import Artifact


@stage("reinforce")
class Reinforce(Stage):
    """Inputs: ``model`` (where the round starts, and its reference) and ``problems``. Writes every sample and verdict,
    and the right ones as examples, though all are trained on.

    Samples of a problem are numbered in the order they were written, over all steps; their seed is the stage's, for the
    trainer's loop decides the rest. ``vllm`` changes how they are written, so it is part of the address.
    """

    reads, writes = (Problem,), (Rationale, Verdict, Example)
    judges = True
    makes = "model"
    task: Task
    grader: Grader
    trainer: Trainer
    policy: GroupPolicy
    steps: int
    seed: int
    round: int
    vllm: bool = False
    max_errors: float = 0.02

    @property
    def device(self) -> str:
        return "trainer"

    def run(self, context: StageContext) -> dict[str, Any]:
        source = context.inputs["problems"]
        check_golds(self.grader, source, context.max_gold_errors, context.warn, context.runtime.grade_workers)
        problems = {p.id: p for p in source.read(Problem)}
        judging = Judging(self, context.runtime.grade_workers, problems)
        meter = context.meter("reinforce", self.steps)
        job = PolicyJob(
            start=context.model(context.inputs["model"]),
            prompts=judging.prompts,
            reward=judging.rewards,
            policy=self.policy,
            steps=self.steps,
            out=context.draft.directory("model"),
            scratch=context.draft.directory("scratch"),
            seed=self.seed,
            runtime=context.runtime,
            vllm=self.vllm,
            progress=lambda done, total, loss: meter.step(loss=loss),
        )
        try:
            metrics = self.trainer.reinforce(job)
        finally:
            meter.close()
        judging.errors.refuse(self.max_errors)
        place = {name: n for n, name in enumerate(problems)}
        rows = sorted(judging.rows, key=lambda row: (place[row[0].problem_id], row[0].sample))
        context.draft.write(Rationale, (r for r, _ in rows))
        context.draft.write(Verdict, (v for _, v in rows))
        context.draft.write(Example, (self._example(problems[r.problem_id], r, context) for r, v in rows if v.correct))
        return {**metrics, **judging.counts()}

    def _example(self, problem: Problem, rationale: Rationale, context: StageContext) -> Example:
        return Example(
            problem_id=problem.id,
            sample=rationale.sample,
            prompt=self.task.training_prompt(problem),
            completion=self.grader.judged(rationale.text),
            origin="own",
            round=self.round,
            generator=context.inputs["model"].key,
        )

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        batches = -(-self.steps // self.policy.updates)
        samples = batches * int(getattr(self.trainer, "batch", self.policy.group))
        return {"steps": self.steps, "samples": samples, "tokens": samples * self.policy.max_tokens}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{steps} steps on {samples} samples, reward {reward_first:.3f} -> {reward_last:.3f}".format(**metrics)


@dataclass
class Judging:
    """Judges what a policy writes: ``prompts`` by problem, and ``rows`` of all samples with their verdicts."""

    stage: Reinforce
    workers: int
    problems: dict[str, Problem]
    rows: list[tuple[Rationale, Verdict]] = field(default_factory=list)
    errors: Errors = field(default_factory=Errors)

    def __post_init__(self) -> None:
        shown = {name: self.stage.task.prompt(problem) for name, problem in self.problems.items()}
        pictured = next((name for name, prompt in shown.items() if prompt.images), None)
        if pictured is not None:
            raise StarError(f"problem {pictured} has pictures, and method=grpo trains on text alone")
        self.prompts = {name: prompt.text for name, prompt in shown.items()}
        self._addresses = {name: prompt_key(prompt) for name, prompt in shown.items()}

    def rewards(self, completions: list[Completion]) -> list[float]:
        """1 for a right completion, 0 for every other; each is kept with its verdict."""
        items = [(self.problems[c.id[0]], self._rationale(c)) for c in completions]
        rewards = []
        for problem, rationale, verdict in judged(self.stage.grader, items, self.workers):
            self.errors.add(verdict)
            self.rows.append((rationale, with_wrong_steps(self.stage.task, problem, rationale, verdict)))
            rewards.append(float(verdict.correct))
        return rewards

    def _rationale(self, c: Completion) -> Rationale:
        problem, sample = c.id
        return Rationale(
            problem_id=problem,
            sample=sample,
            text=c.text,
            hinted=False,
            finish=c.finish,
            tokens=c.tokens,
            logprob=c.logprob,
            seed=self.stage.seed,
            prompt_key=self._addresses[problem],
        )

    def counts(self) -> dict[str, Any]:
        """What was written and judged, as stages that judge report it."""
        right = {r.problem_id for r, v in self.rows if v.correct}
        return {
            "samples": len(self.rows),
            "tokens": sum(r.tokens for r, _ in self.rows),
            "truncated": sum(r.finish == "length" for r, _ in self.rows),
            "problems": len({r.problem_id for r, _ in self.rows}),
            "solved": len(right),
            "reasons": dict(Counter(v.reason for _, v in self.rows)),
        }
