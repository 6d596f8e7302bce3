"""Importing parts from outside: installed packages, and the files, folders and modules that STAR_PARTS names.

A file is imported as a module of its own name, with its folder at the end of Python's search path: what stands beside
it can be imported, nothing that is installed is hidden by it, and worker processes import it in the same way.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from star_cli.errors import StarError

GROUP = "star.parts"  # the entry points of installed packages
VARIABLE = "STAR_PARTS"  # files, folders and modules, separated as in PATH; worker processes inherit it
STAR = str(Path(__file__).parents[1]) + os.sep
STDLIB = sysconfig.get_path("stdlib") + os.sep
folders: list[str] = []  # where modules of plug-ins are looked for beside what is installed
INSTALLED = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))


def load(loaded: set[str]) -> None:
    """Import every plug-in that is not in ``loaded`` yet, and note it there. Raises a StarError for one that fails."""
    looked = os.pathsep.join(["looked in", *sys.path])
    for point in () if looked in loaded else entry_points(group=GROUP):
        mark = f"{point.name} = {point.value}"
        if mark not in loaded:
            with _explained(
                f"the plug-in {point.name!r} ({point.value})", "mend or uninstall the package it comes with"
            ):
                point.load()
            loaded.add(mark)
    loaded.add(looked)  # to read what is installed takes 10 ms, and every part asked for by name would do it
    for place in places():
        if place not in loaded:
            load_place(place)
            loaded.add(place)


def places() -> list[str]:
    """What STAR_PARTS names."""
    return [place for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]


def load_place(place: str) -> None:
    """Import a file (my_parts.py), the files of a folder, or a module (my_lab.parts)."""
    path = Path(place).expanduser().absolute()
    if path.is_dir():
        files = sorted(p for p in path.glob("*.py") if not p.name.startswith(("_", "test_", "conftest")))
        if not files:
            raise StarError(
                f"parts={place}: there is no Python file in this folder", hint="name a file: parts=my_parts.py"
            )
        for file in files:
            _load_file(file)
    elif is_path(place):
        _load_file(path)
    else:
        _make_importable(Path.cwd())
        with _explained(f"parts={place}", "name a file (parts=my_parts.py), or a module that Python can import"):
            importlib.import_module(place)


def is_path(place: str) -> bool:
    """Whether a place is meant as a file or a folder, not as a module's dotted name."""
    return place.endswith(".py") or os.sep in place or Path(place).is_dir()


def _load_file(path: Path) -> None:
    if not path.is_file():
        raise StarError(f"parts={path}: there is no such file", hint="give its place: parts=my_parts.py")
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").exists():  # a module of a package goes by its whole name
        root, names = root.parent, [root.name, *names]
    name = ".".join(names)
    if not all(n.isidentifier() for n in names):
        raise StarError(f"parts={path} cannot be imported as {name!r}", hint="use letters, digits and _ in its name")
    _make_importable(root)
    with _explained(f"parts={path}", "mend that line and run the same command again"):
        spec = find_spec(name)
        origin = spec.origin if spec else None
        if origin is None or Path(origin).resolve() != path.resolve():
            raise StarError(
                f"it cannot be imported as {name!r}, for that is {origin or 'built into Python'}",
                hint="give the file another name",
            )
        importlib.import_module(name)


def _make_importable(folder: Path) -> None:
    folders.append(str(folder))
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()


@contextmanager
def _explained(what: str, hint: str) -> Iterator[None]:
    """Turn whatever an import raises into a sentence with the file and the line of the plug-in."""
    try:
        yield
    except (Exception, SystemExit) as e:
        why = e.what if isinstance(e, StarError) else f"{type(e).__name__}: {e}"
        if isinstance(e, SystemExit):
            why = "it ends the program while it is imported"
        where = _line_of(e)
        raise StarError(
            f"{what} could not be loaded: {where}{why}", hint=e.hint if isinstance(e, StarError) and e.hint else hint
        ) from e


def _line_of(error: BaseException) -> str:
    """The plug-in's own last line on the way to an error, as "FILE:LINE: "; "" where none was reached."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_machinery(f.filename)]
    frames = [f for f in frames if not f.filename.startswith(INSTALLED)] or frames
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def _is_machinery(file: str) -> bool:
    """Whether a line of this file belongs to star or to the standard library."""
    if file.startswith(INSTALLED) and not file.startswith(STAR):
        return False  # installed packages may lie inside the standard library's folder
    return file.startswith((STAR, STDLIB, "<frozen"))
