"""A language model with a scalar head at every token: what outcome and process reward models are made of."""

from __future__ import annotations

from typing import Any

from star_cli.backends.model_config import NO_CODE, SAFE_WEIGHTS
from star_cli.backends.training.model import LoadedModel
from star_cli.backends.training.recipe import Recipe
from star_cli.core.parts import ModelRef


def with_head(model: ModelRef) -> Any:
    """The model with its scalar head; a fresh head where the directory has none."""
    from transformers import AutoConfig, AutoModelForTokenClassification

    config = AutoConfig.from_pretrained(model.path, num_labels=1, **NO_CODE)
    config.classifier_dropout = 0.0
    return AutoModelForTokenClassification.from_pretrained(model.path, config=config, dtype=model.dtype, **SAFE_WEIGHTS)


def head_logits(net: Any, ids: Any, mask: Any) -> Any:
    """The head's logit at every token, in float32: (rows, tokens)."""
    return net(input_ids=ids, attention_mask=mask, use_cache=False).logits[..., 0].float()


def load_with_head(model: ModelRef, recipe: Recipe) -> LoadedModel:
    """The model with its head in float32, or beneath low-rank adapters and a head that is trained whole."""
    import torch
    from peft import LoraConfig, get_peft_model

    loaded = LoadedModel.of(with_head(model))
    if not recipe.lora_rank:
        loaded.model.to(torch.float32)
        return loaded
    lora = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        target_modules="all-linear",
        task_type="TOKEN_CLS",
        modules_to_save=["score"],
        exclude_modules=["score"],
    )
    loaded.adapters, loaded.model = True, get_peft_model(loaded.model, lora)
    return loaded
