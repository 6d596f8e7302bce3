"""Full-speed matrix products on AMD processors.

PyTorch's CPU builds carry Intel's MKL, which picks its kernels by the maker of the processor: on AMD's it leaves AVX2
and AVX-512 aside, and matrix products take more than twice as long. The choice rests on one function,
``mkl_serv_intel_cpu_true``. A shared library of one line that is loaded before PyTorch answers in its place.

The line is compiled once, where there is a C compiler, and kept in the user's cache. ``STAR_MKL=off`` leaves MKL as it
is. Sums are then added up in another order, so weights trained with and without it differ in their last bits, as
between two kinds of processors: the manifest of an artifact says which it was.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

SOURCE = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"
FAST = "all kernels, on an AMD processor"


@cache
def use_all_kernels() -> str:
    """Let MKL use all its kernels; call it before PyTorch is imported. Says in words what came of it.

    ``FAST`` where it worked, "" where there is nothing to do, else why MKL stays slow. Never raises.
    """
    if not _held_back():
        return ""
    if os.environ.get("STAR_MKL", "").lower() == "off":
        return "slow kernels: STAR_MKL=off"
    if "torch" in sys.modules:
        return "slow kernels: PyTorch was imported before star"
    try:
        ctypes.CDLL(str(_library()), mode=ctypes.RTLD_GLOBAL)
    except (OSError, subprocess.SubprocessError) as e:
        return f"slow kernels: {e}"
    return FAST


def _held_back() -> bool:
    """Whether this is a machine on which MKL would hold back: Linux on an AMD processor with AVX2."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        info = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return False
    return "AuthenticAMD" in info and " avx2 " in info


def _library() -> Path:
    """The compiled line; compiled now where it is not in the cache. Raises OSError or SubprocessError."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "star"
    path = folder / f"mkl-{hashlib.sha256(SOURCE.encode()).hexdigest()[:12]}.so"
    if path.exists():
        return path
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise FileNotFoundError("no C compiler to build MKL's answer with (install gcc)")
    folder.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    command = [compiler, "-shared", "-fPIC", "-O2", "-x", "c", "-", "-o", str(fresh)]
    done = subprocess.run(command, input=SOURCE, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(
            f"{compiler} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no output'}"
        )
    os.replace(fresh, path)  # another process may build it at the same time
    return path
