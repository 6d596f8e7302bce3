"""What star adds to vLLM's workers, in the process where the model lives: calls by name, and an end with the run.

vLLM imports this module in each worker (its setting ``worker_extension_cls``) before the model is loaded.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

DRIVER = "STAR_ENGINE_DRIVER"  # environment variable: the process number of the run that started the engine
LOOK = 1.0  # seconds between two looks at whether that process is there


class WorkerExtension:
    """Methods that vLLM's worker gains; ``LLM.collective_rpc(name)`` calls them, wherever the worker runs."""

    get_model: Any  # of the worker

    def count_parameters(self) -> int:
        """The number of parameters of the model."""
        return sum(p.numel() for p in self.get_model().parameters())

    def repack_weights(self) -> None:
        """Pack again, after new weights were loaded, what vLLM packs for the CPU only the first time.

        The packed copy of a tied output head would keep the old weights; the experts of a mixture would be read as
        packed where they no longer are. Both go wrong without a word.
        """
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        for module in self.get_model().modules():
            method = getattr(module, "quant_method", None)
            experts = getattr(getattr(method, "moe_kernel", None), "fused_experts", None)
            if isinstance(module, ParallelLMHead):
                module.quant_method.process_weights_after_loading(module)
            elif experts is not None:
                experts.process_weights_after_loading(module)


def _end_with(driver: int) -> None:
    """End this process once the run that started it is gone: killed, it could not end its engine, and a device whose
    memory an orphan holds would fail the next run.
    """
    import psutil

    try:
        run = psutil.Process(driver)
        while run.is_running() and run.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK)
    except psutil.NoSuchProcess:
        pass
    os.kill(os.getpid(), signal.SIGKILL)


_driver = int(os.environ.get(DRIVER) or 0)
if _driver and _driver != os.getpid():
    threading.Thread(target=_end_with, args=(_driver,), daemon=True, name="end-with-run").start()
