"""The model that is trained: loaded in float32 or with low-rank adapters, and given back as it came."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.backends.model_config import SAFE_WEIGHTS, model_class
from star_cli.backends.training.recipe import Recipe
from star_cli.core.parts import ModelRef
from star_cli.errors import StarError


@dataclass
class LoadedModel:
    """A model in training, with the precision, configuration and generation settings that it came with."""

    model: Any
    dtype: Any
    config: Any
    generation_config: Any
    adapters: bool = False

    @classmethod
    def of(cls, model: Any) -> LoadedModel:
        """A model just loaded."""
        generation_config = copy.deepcopy(getattr(model, "generation_config", None))
        return cls(model, model.dtype, copy.deepcopy(model.config), generation_config)

    def take_weights(self, checkpoint: str | None) -> None:
        """Put a checkpoint's weights into the model; nothing for None, for adapters, and for shards of several devices.

        transformers' Trainer loads a checkpoint by the names in its file, and passes over those that the model has
        under other names (experts, GPT-NeoX's head). ``from_pretrained`` knows them.
        """
        if checkpoint and not self.adapters and any(Path(checkpoint).glob("model*.safetensors")):
            saved = type(self.model).from_pretrained(checkpoint, config=self.config, dtype=self.model.dtype)
            self.model.load_state_dict(saved.state_dict())

    def merged(self) -> Any:
        """The trained model with its adapters merged, in the precision that it came in."""
        model = self.model.merge_and_unload() if self.adapters else self.model
        model.__dict__.pop("forward", None)  # TRL replaces it on the object, for a head of its own
        return model.to(self.dtype)

    def finished(self) -> Any:
        """``merged``, with the configuration and generation settings that it came with: a trainer changes them."""
        model = self.merged()
        model.config, model.generation_config = self.config, self.generation_config
        return model


def load_for_training(recipe: Recipe, start: ModelRef, seed: int) -> LoadedModel:
    """The weights of ``start`` in float32, or as they are beneath fresh adapters (``recipe.lora_rank``).

    ``seed`` decides the adapters' first weights. Raises StarError for adapters that do not suit the model.
    """
    import torch
    from transformers import set_seed

    set_seed(seed % 2**32)
    attention = {"attn_implementation": "flash_attention_2"} if packs_sequences(recipe) else {}
    model = model_class(start).from_pretrained(start.path, dtype=start.dtype, **SAFE_WEIGHTS, **attention)
    loaded = LoadedModel.of(model)
    loaded.adapters = recipe.lora_rank > 0
    loaded.model = _with_adapters(model, recipe) if loaded.adapters else model.to(torch.float32)
    return loaded


def _with_adapters(model: Any, recipe: Recipe) -> Any:
    from peft import LoraConfig, get_peft_model

    targets = recipe.lora_targets if recipe.lora_targets == "all-linear" else recipe.lora_targets.split(",")
    lora = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, lora)
    except ValueError as e:
        raise StarError(
            f"trainer.lora_targets={recipe.lora_targets} does not suit this model: {e}",
            hint="all-linear suits most, or name modules: trainer.lora_targets='q_proj,v_proj'",
        ) from e


def packs_sequences(recipe: Recipe) -> bool:
    """Whether sequences are laid end to end; only attention over variable lengths keeps them apart."""
    import torch
    from transformers.utils import is_flash_attn_2_available

    able = torch.cuda.is_available() and is_flash_attn_2_available()
    if recipe.packing and not able:
        raise StarError(
            "trainer.packing=true needs flash-attn and a CUDA device",
            hint="leave trainer.packing=null, or pip install flash-attn",
        )
    return bool(able if recipe.packing is None else recipe.packing)
