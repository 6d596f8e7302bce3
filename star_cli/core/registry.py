"""Parts by kind and name: ``@register("task", "addition")`` on a dataclass, ``discover()`` to load them all."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar, dataclass_transform

from star_cli.errors import StarError, unknown

T = TypeVar("T")
KINDS = ("task", "grader", "engine", "trainer", "method", "model", "verifier")
ROOMS = (
    "tasks",
    "graders",
    "backends.engines",
    "backends.trainers",
    "backends.models",
    "backends.verifiers",
    "methods",
)
_parts: dict[str, dict[str, type[Any]]] = {kind: {} for kind in KINDS}
_discovered = False


@dataclass_transform(kw_only_default=True)
def register(kind: str, name: str, *, version: int = 1) -> Callable[[type[T]], type[T]]:
    """Register a dataclass as the part ``kind/name/version``. Raise ``version`` when its behaviour changes."""
    if kind not in _parts:
        raise ValueError(f"unknown kind {kind!r}, expected one of {KINDS}")

    def add(cls: type[T]) -> type[T]:
        made = dataclasses.dataclass(kw_only=True)(cls)
        other = _parts[kind].get(name)
        if other is not None and other.__module__ != made.__module__:
            raise ValueError(f"{kind} {name!r} is registered twice: {other.__module__} and {made.__module__}")
        made.__part__ = f"{kind}/{name}/{version}"  # type: ignore[attr-defined]
        _parts[kind][name] = made
        return made

    return add


def discover() -> None:
    """Import every leaf of this package, then every plug-in under the entry-point group ``star.parts``."""
    global _discovered
    if _discovered:
        return
    _discovered = True
    for room in ROOMS:
        package = importlib.import_module(f"star_cli.{room}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"star_cli.{room}.{module.name}")
    for point in entry_points(group="star.parts"):
        try:
            point.load()
        except Exception as e:
            raise StarError(
                f"the plug-in {point.name!r} ({point.value}) could not be loaded: {type(e).__name__}: {e}",
                hint="mend or uninstall the package that provides it",
            ) from e


def names(kind: str) -> list[str]:
    """The registered names of a kind, sorted."""
    discover()
    return sorted(_parts[kind])


def get(kind: str, name: str) -> type[Any]:
    """The class registered as ``kind/name``; a StarError lists the choices."""
    discover()
    try:
        return _parts[kind][name]
    except KeyError:
        raise unknown(kind, name, _parts[kind], hint=f"star ls {kind}s shows them all") from None


def name_of(part: object) -> str:
    """The registered name of a part or of its class."""
    return str(getattr(part, "__part__", "//")).split("/")[1]
