"""Files that the rows of a data set name: pictures and databases. They lie beside the data and are part of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.tasks.base.datafiles import State, states
from star_cli.tasks.base.formats import read

LIMIT = 16  # files that one row may name


def folder_of(path: Path) -> Path:
    """The directory that the files named in rows are relative to: that of the data."""
    place = path.resolve()
    return place if place.is_dir() else place.parent


def relative_paths(value: Any, what: str, where: str) -> list[str]:
    """The paths in a field of a row, a text or a list of texts; ``what`` they are and ``where`` the row is, for errors.

    Raises StarError for anything else, and for a path that leads out of the data's directory.
    """
    paths = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not 0 < len(paths) <= LIMIT or not all(isinstance(path, str) and path.strip() for path in paths):
        raise StarError(
            f"{where}: the {what} is {str(value)[:80]!r}, expected a path or a list of 1 to {LIMIT} paths",
            hint="save what is embedded as files and name them relative to the data file",
        )
    for path in paths:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise StarError(
                f"{where}: the {what} {path} does not lie below the data file's directory",
                hint=f"name every {what} relative to the data file, without ..",
            )
    return paths


def content_with_files(path: Path, content: str, field: str, digest: Callable[[Path], str]) -> str:
    """What addresses data with the hash ``content`` together with the files that its rows name in a field.

    ``digest`` gives what addresses one file; one that raises StarError counts as unreadable, by its name.
    """
    folder, total = folder_of(path), hashlib.sha256(content.encode())
    for name in _names(field, states(path)):
        try:
            total.update(f"{name} {digest(folder / name)}\n".encode())
        except StarError:
            total.update(f"{name} -\n".encode())
    return total.hexdigest()[:32]


@lru_cache(maxsize=8)
def _names(field: str, of: tuple[State, ...]) -> tuple[str, ...]:
    """All paths in a field of the rows of these files, each once, in order."""
    values = (row.get(field) for state in of for _, row in read(state.path))
    names = (name for value in values for name in (value if isinstance(value, list) else [value]))
    return tuple(dict.fromkeys(_texts(names)))


def _texts(values: Iterable[Any]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))
