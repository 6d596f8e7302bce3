"""Canonical JSON and the keys made from it. Whatever has no stable form is refused, never guessed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

from star_cli.errors import StarError

T = TypeVar("T")
KEY_LENGTH = 32  # hex digits kept of a sha256: 128 bits
CHANGED = "changed"  # for a setting added after keys were in use: at its default, keys stay as they were
UNRESOLVED = (NameError, AttributeError, TypeError, SyntaxError)  # what an annotation raises that cannot be evaluated


def stable(value: Any, where: str = "value") -> Any:
    """``value`` as plain JSON types in one fixed form; a part becomes ``{"_": "kind/name/version", field: value}``.

    Fields marked ``metadata={"identity": False}`` are left out, those marked ``{"identity": CHANGED}`` where they have
    their default. Raises StarError for anything without a stable form.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return stable(value.value, where)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StarError(f"{where} is {value}, which has no stable form", hint="use a finite number")
        return value + 0.0  # -0.0 is 0.0
    if isinstance(value, (list, tuple)):
        return [stable(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise StarError(f"{where} has the key {name!r}; only text keys have a stable form")
        return {k: stable(v, f"{where}.{k}") for k, v in sorted(value.items())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _part(value, where)
    raise StarError(
        f"{where} is a {type(value).__name__}, which has no stable form", hint="use plain values in settings"
    )


def tagged(name: str, version: int) -> Callable[[type[T]], type[T]]:
    """Give a dataclass of settings the name and version it has in keys, so that its class may be called anything."""

    def add(cls: type[T]) -> type[T]:
        cls.__part__ = f"settings/{name}/{version}"  # type: ignore[attr-defined]
        return cls

    return add


def _part(part: Any, where: str) -> dict[str, Any]:
    part = getattr(part, "key_part", part)  # an engine that only says where another one works
    tag = type(part).__dict__.get("__part__")
    if tag is None:
        raise StarError(
            f"{where} is a {type(part).__name__}, a class without a name in keys", hint="register it, or tag it"
        )
    body: dict[str, Any] = {"_": tag}
    types = _types(part.__class__)
    for f in dataclasses.fields(part):
        identity = f.metadata.get("identity", True)
        if identity and not (identity == CHANGED and getattr(part, f.name) == _default(f)):
            place = f"{where}.{f.name}"
            body[f.name] = stable(_declared(getattr(part, f.name), types.get(f.name), place), place)
    return body


def _default(f: dataclasses.Field[Any]) -> Any:
    """What a field is where nothing is said; MISSING where something must be said."""
    return f.default if f.default_factory is dataclasses.MISSING else f.default_factory()


@cache
def _types(part: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields, without those that cannot be resolved (names known to type checkers alone)."""
    try:
        return typing.get_type_hints(part)
    except UNRESOLVED:
        types: dict[str, Any] = {}
        for f in dataclasses.fields(part):
            alone = type(part.__name__, (), {"__module__": part.__module__, "__annotations__": {f.name: f.type}})
            try:
                types.update(typing.get_type_hints(alone))
            except UNRESOLVED:
                continue
        return types


def _declared(value: Any, declared: Any, where: str) -> Any:
    """``value`` with its whole numbers as floats where its type says float: lr=1 and lr=1.0 are one setting.

    Looks into lists, tuples and dictionaries of floats; a type of several (``float | None``) counts as each of them.
    """
    several = typing.get_origin(declared) in (typing.Union, UnionType)
    options = typing.get_args(declared) if several else (declared,)
    if isinstance(value, int) and not isinstance(value, (bool, Enum)):
        try:
            return float(value) if float in options else value
        except OverflowError:
            raise StarError(f"{where} is too large for a number", hint="use a number below 1e308") from None
    for option in options:
        origin, inside = typing.get_origin(option), typing.get_args(option)
        if not isinstance(origin, type) or not inside:
            continue
        if isinstance(value, dict) and issubclass(origin, Mapping):
            return {k: _declared(v, inside[-1], f"{where}.{k}") for k, v in value.items()}
        if isinstance(value, (list, tuple)) and issubclass(origin, Sequence):
            each = inside if issubclass(origin, tuple) and Ellipsis not in inside else inside[:1] * len(value)
            types = [*each, *[None] * len(value)]
            return [_declared(v, t, f"{where}[{i}]") for i, (v, t) in enumerate(zip(value, types, strict=False))]
    return value


def canonical(value: Any) -> str:
    """One line of JSON: sorted names, no spaces, UTF-8 kept as it is."""
    return json.dumps(stable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key(value: Any) -> str:
    """The address of ``value``: the first 32 hex digits of the sha256 of its canonical form."""
    return _sha256(value).hex()[:KEY_LENGTH]


def seed_of(*parts: Any, bits: int = 63) -> int:
    """A non-negative seed below 2**bits that depends on every part by hash, never on order of work."""
    return int.from_bytes(_sha256(list(parts))[:8], "big") >> (64 - bits)


def _sha256(value: Any) -> bytes:
    text = canonical(value)
    try:
        return hashlib.sha256(text.encode()).digest()
    except UnicodeEncodeError as e:
        raise StarError(
            f"the text {text[max(0, e.start - 20) : e.end + 20]!r} has no stable form: {e.reason}",
            hint="mend the text so that it is valid UTF-8",
        ) from None


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
