"""What surrounds a training in this process: threads, quiet libraries, environment and random state; put back after."""

from __future__ import annotations

import gc
import logging
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from star_cli.backends.threads import cpu_count
from star_cli.core.settings import Runtime


def processes(runtime: Runtime) -> int:
    """How many processes train: one for each GPU that is asked for and there, on every node."""
    import torch

    return max(1, min(runtime.gpus, int(torch.cuda.device_count()))) * runtime.nodes


def tokens_at_once() -> int:
    """About how many tokens one forward pass takes when ``micro_batch`` is not set: a CPU gains from little padding."""
    import torch

    return 16_384 if torch.cuda.is_available() else 1536


@contextmanager
def training_environment(threads: int) -> Iterator[None]:
    """Set up what a training needs and put back afterwards what that changed in this process.

    ``threads`` CPU threads (0: all cores this process may use), libraries without messages or progress bars, and
    deterministic kernels on a GPU; the environment variables and the random states are those of before afterwards.
    """
    import datasets
    import numpy as np
    import torch
    from transformers.utils import logging as hf

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), hf.get_verbosity()
    bars = hf.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    variables, trl = dict(os.environ), logging.getLogger("trl")
    states, level = (random.getstate(), np.random.get_state(), torch.get_rng_state()), trl.level
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    hf.set_verbosity_error()
    hf.disable_progress_bar()
    datasets.disable_progress_bars()
    trl.setLevel(logging.ERROR)
    torch.set_num_threads(threads or cpu_count())
    if torch.cuda.is_available():  # a CPU is deterministic by itself
        os.environ.update(CUBLAS_WORKSPACE_CONFIG=":4096:8", FLASH_ATTENTION_DETERMINISTIC="1")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        hf.set_verbosity(before[2])
        if bars[0]:
            hf.enable_progress_bar()
        if bars[1]:
            datasets.enable_progress_bars()
        trl.setLevel(level)
        os.environ.clear()
        os.environ.update(variables)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()
