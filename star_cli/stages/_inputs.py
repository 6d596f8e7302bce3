"""Inputs of a stage that come in numbers: ``examples.0``, ``examples.1``, ..."""

from __future__ import annotations

from star_cli.core.parts import Work
from star_cli.store.artifacts import Artifact


def sources(work: Work, role: str = "examples") -> list[Artifact]:
    """The inputs ``role.0``, ``role.1``, ... in order."""
    found = sorted((r for r in work.inputs if r.startswith(f"{role}.")), key=lambda r: int(r.rpartition(".")[2]))
    return [work.inputs[r] for r in found]
