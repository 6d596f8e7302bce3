"""What people call an artifact: ``demo/round-2/filter``, or a key or its beginning."""

from __future__ import annotations

import re
from pathlib import Path

from star_cli.errors import StarError
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.runs import Run


def parse_path(text: str) -> tuple[str, int | None, str | None]:
    """``demo/round-2/filter`` -> ("demo", 2, "filter"); round and stage may be missing."""
    match = re.fullmatch(r"(.+?)(?:/round-(\d+)(?:/([^/]+))?)?/?", text)
    if match is None:
        raise StarError(f"{text!r} is not a run path", hint="name it like demo/round-2/generate")
    name, number, stage = match.groups()
    return name, None if number is None else int(number), stage


def find_artifact(home: Path, store: Store, text: str) -> Artifact:
    """The artifact a person means: a run path such as ``demo/round-2/generate``, or a key or its beginning."""
    name, number, stage = parse_path(text)
    if number is not None and stage:
        return Run(home, name).artifact(store, number, stage)
    if number is not None or names_a_run(home, name):
        raise StarError(f"{text!r} names a run, not one of its stages", hint=f"for example {name}/round-1/generate")
    return store.find(text)


def names_a_run(home: Path, name: str) -> bool:
    """Whether there is a run, or a sweep, of this name."""
    try:
        return (home / "runs" / name).is_dir()
    except (OSError, ValueError):  # too long, or a null byte
        return False
