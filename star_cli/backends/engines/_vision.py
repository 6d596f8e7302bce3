"""What the engines need for models that see: the processor of a model directory, and the pictures of a request."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from star_cli.backends import weights as directory
from star_cli.backends.vision import Eyes
from star_cli.core.parts import ModelRef, Prompt
from star_cli.errors import StarError
from star_cli.lib import images


def has_eyes(model: ModelRef) -> bool:
    """Whether a model reads pictures, as its configuration says."""
    return getattr(directory.config_of(model), "vision_config", None) is not None


def load_eyes(model: ModelRef, limit: int) -> Eyes | None:
    """The processor of a vision-language model; None for one that reads text only."""
    if not has_eyes(model):
        return None
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(model.path, revision=model.revision)
    except Exception as e:  # a missing file, a class that does not import: each version has errors of its own
        raise StarError(
            f"the processor of {model.path} cannot be loaded: {directory.gist(e)}",
            hint="save it beside the weights: processor.save_pretrained(directory)",
        ) from e
    if not hasattr(processor, "tokenizer"):
        raise StarError(
            f"the model {model.path} has a vision_config, but no processor for pictures beside it",
            hint="save it beside the weights: processor.save_pretrained(directory)",
        )
    return Eyes(model, processor, limit)


def pictures_of(prompt: Prompt) -> dict[str, Any]:
    """vLLM's multi-modal data of a prompt."""
    return {"image": [_picture(images.digest(path), path) for path in prompt.images]}


@lru_cache(maxsize=64)
def _picture(digest: str, path: str) -> Any:
    return images.load(path)
