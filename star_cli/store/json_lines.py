"""JSON lines that people bring, row by row. Whatever is wrong with one is a sentence with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from star_cli.errors import StarError


def read_rows(path: Path, expected: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, the object on it) of every line that is not blank; ``expected`` says what a line should hold."""
    hint = f"expected one JSON object a line with {expected}"
    try:
        file = open(path, "rb")
    except OSError as e:
        raise StarError(f"{path} cannot be read: {e.strerror}", hint=hint) from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as e:
                raise StarError(f"{where}: not valid JSON: {e}", hint=hint) from None
            if not isinstance(row, dict):
                raise StarError(f"{where}: a {type(row).__name__}, not a JSON object", hint=hint)
            yield where, row


def text_of(row: dict[str, Any], names: tuple[str, ...], where: str) -> str:
    """The text of the first of these fields that a row has; a StarError where it has none, or no text in it."""
    name = next((n for n in names if n in row), None)
    if name is None:
        raise StarError(
            f"{where}: no field {' or '.join(names)}; it has {', '.join(row) or 'no fields'}",
            hint=f"name one of its fields {names[0]}",
        )
    if not isinstance(row[name], str):
        raise StarError(f"{where}: {name!r} is a {type(row[name]).__name__}, expected text", hint="give a text")
    return str(row[name])
