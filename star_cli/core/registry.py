"""Parts by kind and name: ``@register("task", "addition")`` on a dataclass, ``discover()`` to load them all."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

import msgspec

from star_cli.core import plugins
from star_cli.core.sources import mark
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
_loaded: set[str] = set()  # what is imported whole: "shipped", installed plug-ins, places of STAR_PARTS
_discovering = False


@dataclass_transform(kw_only_default=True)
def register(kind: str, name: str, *, version: int | None = None) -> Callable[[type[T]], type[T]]:
    """Register a dataclass as the part ``kind/name/version``.

    Raise ``version`` when its behaviour changes (1 where none is said). A part from outside of star that says none has
    a hash of its code instead (core/sources.py): what it made before an edit does not count any more.
    """
    if kind not in _parts:
        raise StarError(f"a part cannot be a {kind!r}", hint=f"kinds of parts are {', '.join(KINDS)}")

    def add(cls: type[T]) -> type[T]:
        made = dataclasses.dataclass(kw_only=True)(cls)
        other = _parts[kind].get(name)
        if other is not None and (other.__module__, other.__qualname__) != (made.__module__, made.__qualname__):
            raise StarError(
                f"the {kind} {name!r} is registered twice: by {other.__module__}.{other.__qualname__} and by "
                f"{made.__module__}.{made.__qualname__}",
                hint="give one of them another name",
            )
        mark(made, kind, name, version)
        _parts[kind][name] = made
        return made

    return add


def discover() -> None:
    """Import every leaf of this package, the plug-ins of installed packages, and what STAR_PARTS names.

    Raises a StarError for a plug-in that cannot be loaded, and again when it is called again: there is never half a
    registry. A plug-in that asks for parts while it is being imported is given those that are there.
    """
    global _discovering
    if _discovering:
        return
    _discovering = True
    try:
        if "shipped" not in _loaded:
            for room in ROOMS:
                package = importlib.import_module(f"star_cli.{room}")
                for module in pkgutil.iter_modules(package.__path__):
                    importlib.import_module(f"star_cli.{room}.{module.name}")
            _loaded.add("shipped")
        plugins.load(_loaded)
    finally:
        _discovering = False


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


def part_of(kind: str, settings: Mapping[str, Any], where: str) -> Any:
    """The part that plain settings describe, checked: {"name": "openai", "model": "gpt", "urls": [...]}.

    ``where`` names the setting they stand in. Raises StarError for an unknown name or setting, or a wrong type.
    """
    if not isinstance(settings.get("name"), str):
        raise StarError(
            f"{where} must name its {kind}, got {dict(settings)}",
            hint=f"for example {where}={{name: {names(kind)[0]}}}",
        )
    cls = get(kind, settings["name"])
    values = {str(name): value for name, value in settings.items() if name != "name"}
    known = [f.name for f in dataclasses.fields(cls)]
    for name in values:
        if name not in known:
            raise unknown(f"setting in {where}", name, known)
    try:
        part = msgspec.convert(values, type=cls)
    except msgspec.ValidationError as e:
        raise StarError(f"{where}: {e}", hint=f"star ls {kind}s shows the settings of {settings['name']}") from None
    part.check()
    return part


def name_of(part: object) -> str:
    """The registered name of a part or of its class."""
    return str(getattr(part, "__part__", "//")).split("/")[1]
