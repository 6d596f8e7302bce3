"""CPU threads: how many this process may use, and PyTorch's setting of them, kept in force beside a vLLM engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def cpu_count() -> int:
    """The cores that this process may use; all of the machine's where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def thread_setter_kept() -> Iterator[None]:
    """Put ``torch.set_num_threads`` back afterwards.

    A CPU engine of vLLM replaces it, as it starts, by a function that does nothing; a trainer in the same process, and
    the engine itself when it writes again, still have to set their own number of threads.
    """
    import torch

    setter = torch.set_num_threads
    try:
        yield
    finally:
        torch.set_num_threads = setter
