"""Starting vLLM: its environment, the settings of its engine, and what to say where it cannot start."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

from star_cli.backends.engines import _vllm_cpu
from star_cli.backends.engines._quiet import log_config, log_to, tail
from star_cli.backends.engines._vllm_watch import Watch
from star_cli.backends.engines._vllm_worker import DRIVER, WorkerExtension
from star_cli.backends.model_config import checked_context, gist, reads_pictures
from star_cli.backends.threads import thread_setter_kept
from star_cli.core.extras import command
from star_cli.core.parts import ModelRef
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError


def import_vllm(log: Path) -> bool:
    """Set what vLLM reads while it is imported, and import it; True for a build without GPU."""
    cpu = _vllm_cpu.is_cpu_build()
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if cpu:
        _vllm_cpu.set_environment()
    os.environ["VLLM_LOGGING_CONFIG_PATH"] = log_config(log)
    os.environ[DRIVER] = str(os.getpid())
    try:
        import torch._dynamo
        import vllm  # noqa: F401

        if cpu:
            torch._dynamo.config.disable = True  # the variable comes too late where a trainer was here first
    except ImportError as e:
        raise StarError(f"vLLM is installed but cannot be imported: {gist(e)}{tail(log)}", hint=command("vllm")) from e
    return cpu


def sleep_mode(cpu: bool) -> bool:
    """Whether the engine can give the device's memory back while it lives; a CPU engine has nothing to give back."""
    from vllm.platforms import current_platform

    return not cpu and bool(current_platform.is_sleep_mode_available())


def start_engine(model: ModelRef, runtime: Runtime, dtype: str, cpu: bool, log: Path, watch: Watch) -> Any:
    """A vllm.LLM with the model's weights in it; whatever vLLM finds wrong is a StarError with the end of its log.

    EngineDied where nothing was wrong with it, but its process was killed or fell silent.
    """
    from vllm import LLM

    log_to(log)
    hook = sys.excepthook
    if cpu:  # vLLM collects garbage five times while it starts: let it not look at all that was imported
        gc.collect()
        gc.freeze()
    try:
        with thread_setter_kept():
            llm = LLM(**_settings(model, runtime, dtype, cpu))
            watch.started(llm.llm_engine.engine_core)
            return llm
    except StarError:
        raise
    except Exception as e:  # whatever a model, a device or vLLM finds wrong: it becomes one sentence with the log
        if reason := watch.killed():
            raise EngineDied(
                f"the engine died while it started: {reason}{tail(log)}", hint=where_to_read_more(runtime, log)
            ) from e
        raise StarError(
            f"vLLM could not start with {model.path}: {gist(e)}{tail(log)}", hint=_advice(str(e), runtime, log)
        ) from e
    finally:
        sys.excepthook = hook  # torch.distributed marks every later traceback with [rank0]


def _settings(model: ModelRef, runtime: Runtime, dtype: str, cpu: bool) -> dict[str, Any]:
    """The arguments of vllm.LLM."""
    checked_context(model, runtime.max_model_len)
    settings: dict[str, Any] = {
        "model": model.path,
        "revision": model.revision,
        "dtype": dtype,
        "load_format": "safetensors",
        "trust_remote_code": False,
        "seed": 0,
        "max_num_seqs": runtime.max_num_seqs,
        "max_model_len": runtime.max_model_len,
        "enable_prefix_caching": True,
        "use_tqdm_on_load": False,
        "worker_extension_cls": f"{WorkerExtension.__module__}.{WorkerExtension.__name__}",
    }
    if reads_pictures(model):
        settings["limit_mm_per_prompt"] = {"image": runtime.max_images}
    if cpu:
        return settings | _vllm_cpu.cpu_settings(model, runtime, dtype)
    # written from vLLM's documentation and never run: it was made where there is no GPU
    return settings | {
        "gpu_memory_utilization": runtime.gpu_memory,
        "tensor_parallel_size": runtime.tensor_parallel,
        "enable_sleep_mode": sleep_mode(cpu),
    }


def _advice(error: str, runtime: Runtime, log: Path) -> str:
    if "Available memory" in error:
        return "lower runtime.kv_cache_mb, or end other programs that use memory"
    if "kv cache" in error.lower():
        return "raise runtime.kv_cache_mb (CPU) or runtime.gpu_memory, or lower runtime.max_model_len"
    if "out of memory" in error:
        return "lower runtime.gpu_memory or runtime.max_num_seqs, or use runtime.tensor_parallel"
    return where_to_read_more(runtime, log)


def where_to_read_more(runtime: Runtime, log: Path) -> str:
    """Where the engine's own log is, or how to keep it."""
    return (
        f"the whole log is in {log}"
        if runtime.engine_log
        else "set runtime.engine_log=engine.log to keep the engine's whole log"
    )
