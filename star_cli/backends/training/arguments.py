"""The arguments that every training gives a Trainer of transformers or TRL: optimiser, steps, a loop without extras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from star_cli.backends.training.recipe import SCHEDULES, Recipe


def common_arguments(recipe: Recipe, steps: int, seed: int, folder: Path) -> dict[str, Any]:
    """What TrainingArguments and its subclasses are given alike: the recipe, ``steps`` of it, and nothing saved,
    evaluated or reported by the library itself. ``folder`` is where checkpoints lie.
    """
    import torch

    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "learning_rate": recipe.lr,
        "warmup_steps": recipe.warmup,
        "lr_scheduler_type": SCHEDULES[recipe.schedule],
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip,
        "adam_beta1": recipe.beta1,
        "adam_beta2": recipe.beta2,
        "seed": seed % 2**32,
        "use_cpu": not cuda,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": cuda,
    }


def on_one_device(arguments: Any) -> Any:
    """The arguments of a training that takes one GPU of several: transformers would split every batch over all."""
    if not arguments.use_cpu:
        arguments._n_gpu = 1
    return arguments


def half_precision(model: Any) -> bool:
    """Whether the passes of a model run in bfloat16: on a GPU that has it, unless the model is one of float32."""
    import torch

    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported() and model.config.dtype != torch.float32)
