"""A training watched step by step: its progress is reported, its divergence stops it, and checkpoints are asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from star_cli.backends.training.checkpoints import Checkpoints
from star_cli.backends.training.plan import Plan
from star_cli.backends.training.recipe import Recipe
from star_cli.core import preemption
from star_cli.core.parts import PreferenceJob, TrainJob, VerifyJob
from star_cli.errors import Preempted, StarError

STOP = "stop"  # a file in the scratch directory by which several processes are asked to save and end
END = 2  # what a callback wants: 0 nothing, 1 a checkpoint, 2 a checkpoint and the end


def watch_callback(
    recipe: Recipe, job: TrainJob | VerifyJob | PreferenceJob, plan: Plan, checkpoints: Checkpoints
) -> Any:
    """A callback for transformers' Trainer that looks after one planned training."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Reports every step, stops when the loss is not a number, and asks for a checkpoint now and then."""

        last_saved = time.monotonic()
        ending = False

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                if not (math.isfinite(logs["loss"]) and math.isfinite(logs.get("grad_norm", 0.0))):
                    raise diverged(recipe, state.global_step, plan.steps)
                if state.is_world_process_zero:
                    job.progress(state.global_step, plan.steps, logs["loss"])

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if preemption.is_asked() or (job.scratch / STOP).exists():
                wanted = END
            else:
                wanted = int(time.monotonic() - self.last_saved >= 60 * job.runtime.checkpoint_minutes)
            if plan.world > 1:
                wanted = _as_the_first_process(wanted, args.device)
            self.ending = wanted == END
            control.should_save = bool(wanted) and state.global_step < plan.steps

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.last_saved = time.monotonic()
            if state.is_world_process_zero:
                checkpoints.finish(state.global_step)
            if self.ending:
                raise Preempted(preemption.state.signal or "another process")

    return Watch()


def _as_the_first_process(wanted: int, device: Any) -> int:
    """What is wanted in the first process, in all of them: clocks differ, and all must save in the same step."""
    import torch

    flag = torch.tensor([wanted], dtype=torch.int32, device=device)
    torch.distributed.broadcast(flag, 0)
    return int(flag.item())


def diverged(recipe: Recipe, step: int, steps: int) -> StarError:
    """What is said when a loss, a gradient or the result is not a number."""
    return StarError(
        f"the loss is not finite at step {step} of {steps} with trainer.lr={recipe.lr}; nothing was saved",
        hint=f"lower it, for example trainer.lr={recipe.lr / 10:.1g}, or raise trainer.warmup",
    )


def first_and_last_tenth(values: Sequence[float]) -> tuple[float, float]:
    """The means over the first and the last tenth of the steps."""
    window = max(1, round(len(values) / 10))
    return sum(values[:window]) / window, sum(values[-window:]) / window
