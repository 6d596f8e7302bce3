"""Canonical JSON and the keys made from it. Whatever has no stable form is refused, never guessed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from enum import Enum
from pathlib import Path
from typing import Any

from star_cli.errors import StarError

KEY_LENGTH = 32  # hex digits kept of a sha256: 128 bits


def stable(value: Any, where: str = "value") -> Any:
    """``value`` as plain JSON types in one fixed form; a part becomes ``{"_": "kind/name/version", field: value}``.

    Fields marked ``metadata={"identity": False}`` are left out. Raises StarError for anything without a stable form.
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


def _part(part: Any, where: str) -> dict[str, Any]:
    tag = getattr(type(part), "__part__", "") or type(part).__name__.lower()
    body: dict[str, Any] = {"_": tag}
    for f in dataclasses.fields(part):
        if f.metadata.get("identity", True):
            value = getattr(part, f.name)
            if isinstance(value, int) and not isinstance(value, bool) and f.type in ("float", float, "float | None"):
                value = float(value)  # lr=1 and lr=1.0 are one setting
            body[f.name] = stable(value, f"{where}.{f.name}")
    return body


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
