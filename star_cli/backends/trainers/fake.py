"""fake: a trainer that raises a fake model's skill by what it is shown, for tests."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, ClassVar

from star_cli.backends.engines.fake import Fake
from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, PolicyJob, PreferenceJob, Prompt, Request, Trainer, TrainJob
from star_cli.core.records import Example
from star_cli.core.registry import register
from star_cli.errors import StarError


@register("trainer", "fake")
class FakeTrainer(Trainer):
    """``gain`` is the share of what is missing to 1 that a hundred kept examples add; lessons add nothing."""

    learns_from: ClassVar[tuple[str, ...]] = ("examples", "pairs", "rewards")
    gain: float = 0.5
    lr: float = 1e-3

    def train(self, job: TrainJob) -> dict[str, Any]:
        start = (Path(job.start.path) / "config.json").read_bytes()
        skill = float(json.loads(start)["skill"])
        kept = sum(e.origin not in ("gold", "lesson") for e in job.examples)
        after = 1 - (1 - skill) * (1 - self.gain) ** min(kept / 100, 2.0) if kept else skill
        if not math.isfinite(self.lr * 1e-6) or self.lr > 1e6:
            raise StarError(f"the loss is not finite at step 1 with trainer.lr={self.lr}", hint="lower trainer.lr")
        for done in range(1, (job.steps or 1) + 1):
            job.progress(done, job.steps or 1, 1 - after)
        body = json.dumps({"model_type": "fake", "skill": after, "seed": job.seed}) + "\n"
        (job.out / "config.json").write_text(body)
        canary = [
            {
                "prompt": e.prompt,
                "completion": e.completion,
                "tokens": 1 + len(e.completion),
                "logprob": self.canary_logprob(after, e.prompt, e.completion),
            }
            for e in job.examples[:4]
        ]
        (job.out / "canary.json").write_text(json.dumps(canary) + "\n")
        return {
            "loss_first": 1 - skill,
            "loss_last": 1 - after,
            "steps": job.steps or 1,
            "examples": len(job.examples),
            "start_weights": hashlib.sha256(start).hexdigest(),
            "end_weights": hashlib.sha256(body.encode()).hexdigest(),
        }

    def prefer(self, job: PreferenceJob) -> dict[str, Any]:
        """A pair teaches what an example does."""
        examples = [
            Example(problem_id=p.problem_id, sample=n, prompt=p.prompt, completion=p.chosen, origin="own")
            for n, p in enumerate(job.pairs)
        ]
        metrics = self._learn(job, examples)
        return {**metrics, "pairs": len(job.pairs)}

    def reinforce(self, job: PolicyJob) -> dict[str, Any]:
        """One prompt a step, in order; a right completion teaches what an example does."""
        session, prompts = Fake().open(job.start, job.runtime), list(job.prompts.items())
        right: list[Example] = []
        means: list[float] = []
        for step in range(job.steps):
            (problem, prompt), turn = prompts[step % len(prompts)], step // len(prompts)
            requests = [
                Request(
                    (problem, n),
                    Prompt(prompt),
                    job.policy.sampling,
                    job.policy.max_tokens,
                    job.policy.stop,
                    seed_of(job.seed, "policy", problem, n),
                )
                for n in range(turn * job.policy.group, (turn + 1) * job.policy.group)
            ]
            completions = sorted(session.stream(requests), key=lambda c: c.id)
            rewards = job.reward(completions)
            means.append(sum(rewards) / len(rewards))
            right += [self._example(prompt, c) for c, reward in zip(completions, rewards, strict=True) if reward]
        metrics = self._learn(job, right)
        return {**metrics, "reward_first": means[0], "reward_last": means[-1]}

    def _learn(self, job: PreferenceJob | PolicyJob, examples: list[Example]) -> dict[str, Any]:
        """Train on examples, in the place of what the job itself holds."""
        return self.train(
            TrainJob(
                start=job.start,
                examples=examples,
                out=job.out,
                scratch=job.scratch,
                seed=job.seed,
                runtime=job.runtime,
                steps=job.steps,
                progress=job.progress,
            )
        )

    @staticmethod
    def _example(prompt: str, c: Completion) -> Example:
        return Example(problem_id=c.id[0], sample=c.id[1], prompt=prompt, completion=c.text, origin="own")

    @staticmethod
    def canary_logprob(skill: float, prompt: str, completion: str) -> float:
        """The log-probability the fake engine gives with these weights."""
        return round(math.log(0.01 + 0.99 * skill) * (1 + len(completion)) - len(prompt) * 1e-3, 5)
