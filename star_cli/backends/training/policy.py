"""Group-relative policy optimisation: TRL's GRPOTrainer over a task's prompts, with the reward asked of the caller.

{"prompt": "17+25=", "problem_id": "add-17-25"}
"""

from __future__ import annotations

import copy
import functools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_cli.backends.chat import MASKED
from star_cli.backends.model_config import context_length
from star_cli.backends.tokens import Codec, encode_prompts, load_tokenizer
from star_cli.backends.training.arguments import common_arguments, half_precision, on_one_device
from star_cli.backends.training.data import ENDLESS, TrainingData, make_canary
from star_cli.backends.training.environment import tokens_at_once
from star_cli.backends.training.model import load_for_training
from star_cli.backends.training.progress import diverged, first_and_last_tenth
from star_cli.backends.training.recipe import Recipe
from star_cli.backends.weights import save_model, weights_sha256
from star_cli.core.parts import Completion, PolicyJob, Prompt
from star_cli.core.records import Example
from star_cli.errors import need


def reinforce(recipe: Recipe, job: PolicyJob) -> dict[str, Any]:
    """Train by GRPO on one device and save to ``job.out``.

    ``recipe.batch`` completions are one optimiser step, ``job.policy.group`` of each prompt. They are sampled by the
    trainer's own loop (transformers' ``generate``), or with ``job.vllm`` by a vLLM beside it on the same GPU; seeds are
    the loop's, so one sample's text depends on what stood before it. An interrupted training begins anew.

    Metrics: losses, steps, samples and tokens written, ``sequence_tokens`` trained on and ``scored_tokens`` read by the
    reference (and, with several updates a batch, by the old policy), ``reward_first|last`` (means over the first and
    the last tenth of the batches), ``even_groups`` (share of groups whose rewards are all alike, which teach nothing),
    the distance to the start ``kl_last`` (nats a token; 0 where it is not weighed), sha256 of the weights.
    """
    check_batch(recipe, job)
    rollouts = Rollouts(job)
    start_weights = weights_sha256(Path(job.start.path))
    loaded = load_for_training(recipe, job.start, job.seed)
    trainer = _trainer(recipe, job, loaded.model, rollouts)
    if job.policy.stop and not job.vllm:
        loaded.model.generate = functools.partial(loaded.model.generate, tokenizer=rollouts.tokenizer)
    trainer.train()
    loaded.model.__dict__.pop("generate", None)
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    model = loaded.finished()
    canary = make_canary(model, rollouts.canary_data())
    if not all(math.isfinite(row["logprob"]) for row in canary):
        raise diverged(recipe, job.steps, job.steps)
    save_model(model, Path(job.start.path), job.out)
    (job.out / "canary.json").write_text(json.dumps(canary, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return {
        **_of_steps(logs),
        "steps": len(logs),
        **rollouts.metrics(),
        "start_weights": start_weights,
        "end_weights": weights_sha256(job.out),
    }


def check_batch(recipe: Recipe, job: PolicyJob) -> None:
    """Raise a StarError where groups do not fit into a step, or a step asks more prompts than there are."""
    group = job.policy.group
    need(
        recipe.batch % group == 0,
        f"trainer.batch={recipe.batch} completions a step are no whole number of groups of {group}",
        f"set trainer.batch to a multiple of samples, for example {max(1, recipe.batch // group) * group}",
    )
    need(
        recipe.batch // group <= len(job.prompts),
        f"a step of trainer.batch={recipe.batch} completions asks {recipe.batch // group} problems, and there are "
        f"{len(job.prompts)}",
        "lower trainer.batch, or take more problems",
    )
    need(
        not job.vllm or _has_gpu(),
        "method.vllm=true needs a CUDA device: vLLM stands beside the trainer on one GPU",
        "leave method.vllm=false; the trainer's own loop samples on a CPU",
    )


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _of_steps(logs: Sequence[dict[str, float]]) -> dict[str, float]:
    """What the steps' logs say in the mean over the first and the last tenth of them."""
    first, last = first_and_last_tenth([entry["loss"] for entry in logs])
    kl = first_and_last_tenth([entry.get("kl", 0.0) for entry in logs])[1]
    return {"loss_first": round(first, 6), "loss_last": round(last, 6), "kl_last": round(kl, 6)}


@dataclass
class Rollouts:
    """The prompts of a job as token ids, and what was written for them so far."""

    job: PolicyJob
    samples: Counter[str] = field(default_factory=Counter)  # completions of each problem
    tokens: int = 0  # of completions
    read: int = 0  # of prompts and completions, each completion with its prompt
    rewards: list[list[float]] = field(default_factory=list)  # of each step's completions
    last: list[Example] = field(default_factory=list)  # completions of the newest step

    def __post_init__(self) -> None:
        job = self.job
        self.tokenizer = copy.deepcopy(load_tokenizer(job.start))
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.codec = Codec(job.start, self.tokenizer, context_length(job.start) or ENDLESS)
        for problem, prompt in job.prompts.items():
            self.codec.prompt(Prompt(prompt), f"problem {problem}", job.policy.max_tokens)
        self.ids = encode_prompts(job.start, self.tokenizer, list(dict.fromkeys(job.prompts.values())))

    @property
    def longest(self) -> int:
        """The most tokens that a prompt with its completion can have."""
        return max(map(len, self.ids.values())) + self.job.policy.max_tokens

    def cut(self, ids: list[int]) -> list[int]:
        """A sampled completion without the padding behind a stop text."""
        pad = self.tokenizer.pad_token_id
        while len(ids) > 1 and ids[-1] == pad and pad not in self.codec.stops:
            ids = ids[:-1]
        return ids

    def reward(
        self, prompts: list[str], completion_ids: list[list[int]], problem_id: list[str], **_: Any
    ) -> list[float]:
        """TRL's reward function: the completions of one step are written down and judged."""
        completions: list[Completion] = []
        self.last = []
        for prompt, ids, problem in zip(prompts, completion_ids, problem_id, strict=True):
            text, stopped = self.codec.text(ids, self.job.policy.stop)
            finish = "stop" if stopped or ids[-1] in self.codec.stops else "length"
            completions.append(Completion((problem, self.samples[problem]), text, len(ids), finish, None))
            self.last.append(
                Example(problem_id=problem, sample=self.samples[problem], prompt=prompt, completion=text, origin="own")
            )
            self.samples[problem] += 1
            self.tokens += len(ids)
            self.read += len(self.ids[prompt]) + len(ids)
        self.rewards.append(self.job.reward(completions))
        return self.rewards[-1]

    def canary_data(self) -> TrainingData:
        """The newest completions as training examples, each with an end of text."""
        rows = []
        for example in self.last:
            prompt, target = self.ids[example.prompt], self.codec.completion(example.completion)
            rows.append({"input_ids": prompt + target, "labels": [MASKED] * len(prompt) + target})
        fits = [i for i, row in enumerate(rows) if len(row["input_ids"]) <= self.codec.limit]
        return TrainingData([rows[i] for i in fits], [self.last[i] for i in fits], 0, self.tokenizer)

    def metrics(self) -> dict[str, Any]:
        """Rewards by step, and the samples and tokens that were written, trained on and only read."""
        policy = self.job.policy
        first, last = first_and_last_tenth([sum(step) / len(step) for step in self.rewards])
        groups = [step[i : i + policy.group] for step in self.rewards for i in range(0, len(step), policy.group)]
        readers = (policy.kl > 0) + (policy.updates > 1 or self.job.vllm)
        return {
            "reward_first": round(first, 4),
            "reward_last": round(last, 4),
            "even_groups": round(sum(len(set(group)) == 1 for group in groups) / len(groups), 4),
            "samples": self.samples.total(),
            "tokens": self.tokens,
            "sequence_tokens": self.read * policy.updates,
            "scored_tokens": self.read * readers,
        }


def _trainer(recipe: Recipe, job: PolicyJob, model: Any, rollouts: Rollouts) -> Any:
    """TRL's GRPOTrainer over the prompts of a job."""
    import datasets
    from transformers import PrinterCallback, TrainerCallback
    from trl import GRPOTrainer

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Reports every step, and stops when the loss is not a number."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                if not (math.isfinite(logs["loss"]) and math.isfinite(logs.get("grad_norm", 0.0))):
                    raise diverged(recipe, state.global_step, job.steps)
                job.progress(state.global_step, job.steps, logs["loss"])

    class Loop(GRPOTrainer):  # type: ignore[misc]
        """GRPOTrainer whose prompts are encoded as everywhere else, and whose completions end at a stop text."""

        def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
            return [rollouts.ids[prompt] for prompt in prompts], None, {}

        def _generate_single_turn(self, *args: Any, **kwargs: Any) -> tuple[list[list[int]], Any]:
            ids, logprobs = super()._generate_single_turn(*args, **kwargs)
            return [rollouts.cut(row) for row in ids] if logprobs is None else ids, logprobs

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """A checkpoint needs no page about itself."""

    rows = [{"prompt": prompt, "problem_id": problem} for problem, prompt in job.prompts.items()]
    trainer = Loop(
        model=model,
        reward_funcs=rollouts.reward,
        args=_arguments(recipe, job, model, rollouts.longest),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=rollouts.tokenizer,
        callbacks=[Watch()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(recipe: Recipe, job: PolicyJob, model: Any, longest: int) -> Any:
    """The recipe and the policy's settings in TRL's words."""
    from trl import GRPOConfig

    policy = job.policy
    most = recipe.micro_batch or max(1, tokens_at_once() // longest)
    parts = next(n for n in range(1, recipe.batch + 1) if recipe.batch % n == 0 and recipe.batch // n <= most)
    stop = (
        {"stop": list(policy.stop), "include_stop_str_in_output": True}
        if job.vllm
        else {"stop_strings": list(policy.stop)}
    )
    return on_one_device(
        GRPOConfig(
            **common_arguments(recipe, job.steps, job.seed, job.scratch),
            per_device_train_batch_size=recipe.batch // parts,
            gradient_accumulation_steps=parts,
            num_generations=policy.group,
            num_iterations=policy.updates,
            max_completion_length=policy.max_tokens,
            temperature=policy.sampling.temperature,
            top_p=policy.sampling.top_p,
            top_k=policy.sampling.top_k,
            generation_kwargs=stop if policy.stop else None,
            beta=policy.kl,
            epsilon=policy.clip,
            loss_type=policy.loss,
            scale_rewards="group" if policy.scale else "none",
            use_vllm=job.vllm,
            vllm_mode="colocate",
            vllm_gpu_memory_utilization=job.runtime.gpu_memory / 2,
            router_aux_loss_coef=0.0,  # of a mixture of experts
            disable_dropout=True,
            bf16=half_precision(model),
            gradient_checkpointing=recipe.gradient_checkpointing,
            remove_unused_columns=False,
        )
    )
