"""What a model's config.json says: its context, its precision, whether it reads pictures, the class that loads it."""

from __future__ import annotations

from typing import Any

from star_cli.core.parts import ModelRef
from star_cli.errors import StarError

DTYPES = ("auto", "float32", "bfloat16", "float16")
NO_CODE = {"trust_remote_code": False}  # a model's own Python is never run, nor anybody asked whether it may
SAFE_WEIGHTS = {**NO_CODE, "use_safetensors": True}  # pickled weights are programs, too
REBUILD = "train or fetch the model again (star verify finds damaged artifacts)"


def load_config(model: ModelRef) -> Any:
    """The configuration transformers makes of a model; a StarError where it knows no such model."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model.path, revision=model.revision, **NO_CODE)
    except (OSError, ValueError, KeyError, TypeError) as e:
        if "trust_remote_code" in str(e):
            raise StarError(
                f"the model {model.path} needs Python code of its own, which star never runs",
                hint="take a model that transformers knows by itself (star doctor shows the installed version)",
            ) from None
        raise StarError(
            f"the config.json of {model.path} cannot be used: {gist(e)}",
            hint="check model.path and the installed version of transformers, or " + REBUILD,
        ) from e


def saved_dtype(model: ModelRef) -> str:
    """The precision the weights were saved in, as config.json says: "bfloat16"; float32 where it says nothing."""
    return str(getattr(load_config(model), "dtype", None) or "float32").removeprefix("torch.")


def context_length(model: ModelRef) -> int | None:
    """The most tokens the model reads at once; None where its configuration names no limit."""
    longest = getattr(load_config(model).get_text_config(), "max_position_embeddings", None)
    return int(longest) if longest else None


def checked_context(model: ModelRef, wanted: int | None) -> int | None:
    """``wanted`` tokens of context, or all the model has where None; a StarError for more than it has."""
    longest = context_length(model)
    if wanted and longest and wanted > longest:
        raise StarError(
            f"runtime.max_model_len={wanted} is more than the {longest} tokens {model.path} can read",
            hint=f"set runtime.max_model_len to at most {longest}, or leave it out",
        )
    return wanted or longest


def reads_pictures(model: ModelRef) -> bool:
    """Whether the model is a vision-language model."""
    return getattr(load_config(model), "vision_config", None) is not None


def model_class(model: ModelRef) -> Any:
    """The class of transformers that loads the model: one that reads pictures has a head of its own."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    return AutoModelForImageTextToText if reads_pictures(model) else AutoModelForCausalLM


def gist(error: BaseException) -> str:
    """The type and the first two lines of another library's error, for a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()][:2]
    return f"{type(error).__name__}: {' '.join(lines)[:400] or 'no message'}"
