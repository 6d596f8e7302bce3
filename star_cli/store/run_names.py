"""What a run may be called, and what it is called when nobody names it."""

from __future__ import annotations

import re

from star_cli.core.keys import key
from star_cli.errors import StarError

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,=+-]*(/[A-Za-z0-9][A-Za-z0-9._,=+-]*)?")
# Settings that are in no run's name.
UNNAMED = {
    "name",
    "home",
    "runtime",
    "tracking",
    "hydra",
    "experiment",
    "forecast",
    "pilot",
    "optimize",
    "parts",
    "on_end",
}


def can_be_named(name: str) -> bool:
    """Whether a run may have this name: letters, digits and a few signs, with one slash for the arm of a sweep."""
    return SAFE.fullmatch(name) is not None and ".." not in name


def check_name(name: str) -> None:
    """Refuse a name that no run can have."""
    if not can_be_named(name):
        raise StarError(
            f"name={name!r} cannot be a run's name",
            hint="use letters, digits and . _ , = + - (and one / for a sweep), for example name=demo",
        )


def default_name(experiment: str | None, overrides: list[str]) -> str:
    """A run's name made of experiment and overrides: the same command gives the same name."""
    bare = [o.lstrip("+~") for o in overrides]
    telling = [o for o in bare if o.split("=")[0].split(".")[0] not in UNNAMED]
    parts = [(experiment or "star").replace("/", "-"), *sorted(re.sub(r"[^A-Za-z0-9._,=+-]+", "_", o) for o in telling)]
    name = "-".join(p.strip("._-") for p in parts)
    return name if len(name) <= 80 else f"{name[:66]}-{key(sorted(telling))[:12]}"
