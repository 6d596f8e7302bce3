"""New weights into servers that run elsewhere: vLLM's own endpoint, or a command of the user; proved on each server."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from star_cli.backends.canary import distance, stale
from star_cli.backends.engines._quiet import tail
from star_cli.backends.engines._servers import Server, Servers
from star_cli.core.parts import ModelRef
from star_cli.errors import StarError

ENDPOINT = "vllm"  # engine.reload=vllm: through POST /collective_rpc
Scores = Callable[[ModelRef, str], list[float]]  # the canary's scores by the server of a URL


def put_weights(servers: Servers, reload: str, model: ModelRef, scores: Scores, log: Path, seconds: float) -> None:
    """Have every server load the weights of ``model``; returns once each has proved by the canary that it did.

    ``reload`` is "vllm" or a command in which {model} stands for the directory (it is in STAR_MODEL, too). Raises
    StarError where a server cannot be reached within ``seconds``, refuses, or still writes with other weights.
    """
    before = {s.url: scores(model, s.url) if _is_up(servers, s) else None for s in servers.servers}
    if reload == ENDPOINT:
        for server in servers.servers:
            wait_until_up(servers, server, seconds)
            _through_endpoint(servers, server, model)
    else:
        _by_command(reload, model, log, seconds)
        for server in servers.servers:
            wait_until_up(servers, server, seconds)
    for server in servers.servers:
        _prove(model, server.url, before[server.url], scores(model, server.url))


def _is_up(servers: Servers, server: Server) -> bool:
    try:
        return servers.call(server, "GET", "/models")[0] < 500
    except OSError:
        return False


def _prove(model: ModelRef, url: str, before: list[float] | None, after: list[float]) -> None:
    if before is None:
        fault = stale(model, after, after) if distance(model, after) > 1e-4 else None
    else:
        fault = stale(model, before, after)
    if fault:
        raise StarError(
            f"the server {url} did not take the weights of {model.path}: {fault}",
            hint="it must see this directory (a shared disk), load it in the precision of model.dtype, and tied "
            "embeddings need engine.reload=COMMAND that restarts it",
        )


def wait_until_up(servers: Servers, server: Server, seconds: float) -> None:
    """Return as soon as a server lists its models; StarError after ``seconds``."""
    deadline, fault = time.monotonic() + seconds, ""
    while True:
        try:
            status, _ = servers.call(server, "GET", "/models")
            if status < 500:
                return
            fault = f"HTTP {status}"
        except OSError as e:
            fault = str(e)
        if time.monotonic() > deadline:
            raise StarError(
                f"the server {server.url} did not come up within {seconds:g} s ({fault})",
                hint="see its own log, or raise engine.start_seconds",
            )
        time.sleep(min(1.0, seconds / 10))


def _through_endpoint(servers: Servers, server: Server, model: ModelRef) -> None:
    root = server.url.removesuffix("/v1")
    body = {"method": "reload_weights", "kwargs": {"weights_path": str(Path(model.path).absolute())}}
    for path, content in (("/collective_rpc", body), ("/reset_prefix_cache", None)):
        status, answer = servers.call(server, "POST", root + path, content)
        if status in (404, 405):
            raise StarError(
                f"the server {server.url} has no {path}, so it cannot take new weights",
                hint="start vLLM with VLLM_SERVER_DEV_MODE=1 (not open to a network you do not trust), or set "
                "engine.reload to a command that restarts it with {model}",
            )
        if status >= 400:
            raise StarError(f"the server {server.url} could not load {model.path}: HTTP {status} {str(answer)[:300]}")


def _by_command(command: str, model: ModelRef, log: Path, seconds: float) -> None:
    path = str(Path(model.path).absolute())
    words = [word.replace("{model}", path) for word in shlex.split(command)]
    try:
        with open(log, "ab") as out:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, "STAR_MODEL": path},
                timeout=seconds, check=False,
            )  # fmt: skip
    except OSError as e:
        raise StarError(f"engine.reload: {words[0]} cannot be started: {e.strerror}", hint="check the path") from None
    except subprocess.TimeoutExpired:
        raise StarError(
            f"engine.reload did not end within {seconds:g} s: {command}",
            hint="it must return and leave the server running behind it (nohup ... &), or raise engine.start_seconds",
        ) from None
    if done.returncode:
        raise StarError(f"engine.reload ended with code {done.returncode}: {command}{tail(log)}")
