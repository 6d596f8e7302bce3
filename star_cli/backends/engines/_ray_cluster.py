"""The Ray cluster behind engine=ray: joined or started here, and the actors that are placed on it."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from typing import Any

from star_cli.backends.engines._ray_worker import Worker
from star_cli.backends.threads import cpu_count
from star_cli.core.settings import Runtime
from star_cli.errors import StarError

STARTS = 3  # a busy machine takes longer than the 30 s that Ray waits for its own processes
CARRIED = ("STAR_PARTS", "PYTHONPATH", "STAR_MKL", "HF_HOME", "HF_HUB_OFFLINE")  # variables that actors need, too


def connect(address: str | None, actors: int, store_mb: int) -> None:
    """Join the cluster at ``address`` ("auto", host:port, ray://...), or start Ray on this machine.

    What this process has joined or started already is kept, unless it is too small for so many actors and its own.
    Raises StarError where a cluster cannot be reached.
    """
    import ray

    if ray.is_initialized():
        if address is not None or ray.cluster_resources().get("CPU", 0) >= actors:
            return
        ray.shutdown()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        for attempt in range(STARTS):
            try:
                _start(address, actors, store_mb)
                break
            except Exception as e:  # Ray raises bare ones, too, where its processes do not come up in 30 s
                ray.shutdown()
                if attempt == STARTS - 1 or address is not None:
                    what = f"the Ray cluster {address} cannot be joined" if address else "Ray cannot be started here"
                    raise StarError(
                        f"{what}: {(str(e).splitlines() or [type(e).__name__])[0][:200]}",
                        hint="ray status shows whether a cluster is up; without engine.address one is started here",
                    ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray takes it, and a run has its own way to end
    atexit.register(ray.shutdown)


def _start(address: str | None, actors: int, store_mb: int) -> None:
    import ray

    variables = {name: os.environ[name] for name in CARRIED if name in os.environ}
    common: dict[str, Any] = {
        "logging_level": "ERROR",
        "log_to_driver": False,
        "runtime_env": {"env_vars": variables},
    }
    if address is not None:
        ray.init(address=address, **common)
        return
    cpus = max(cpu_count(), actors)
    ray.init(num_cpus=cpus, object_store_memory=store_mb << 20, include_dashboard=False, **common)


def wanted_gpus(runtime: Runtime) -> int:
    """GPUs of one actor: those over which its engine splits a model; 0 where the cluster has none."""
    import ray

    return runtime.tensor_parallel if ray.cluster_resources().get("GPU", 0) else 0


def actor_count(wanted: int, runtime: Runtime) -> int:
    """How many actors there will be: as many as asked for, or (0) as the cluster's GPUs allow; one without GPUs."""
    import ray

    gpus = int(ray.cluster_resources().get("GPU", 0))
    return wanted or max(1, gpus // runtime.tensor_parallel)


def place(engine: dict[str, Any], runtime: Runtime, restarts: int) -> Any:
    """One actor, started as soon as the cluster has room for it; Ray starts it anew when its process or node dies."""
    import ray

    options = {"num_cpus": 1, "num_gpus": wanted_gpus(runtime), "max_restarts": restarts, "max_task_retries": 0}
    return ray.remote(Worker).options(**options).remote(engine, os.environ.get("OMP_NUM_THREADS"))


def resources() -> str:
    """What the cluster has and what of it is free, for a sentence: "CPU 2 (0 free), GPU 0"."""
    import ray

    free = ray.available_resources()
    return ", ".join(
        f"{name} {total:g} ({free.get(name, 0):g} free)"
        for name, total in sorted(ray.cluster_resources().items())
        if name in ("CPU", "GPU")
    )
