"""The code of parts from outside: a hash of it stands in their keys, and one of each definition tells what was edited.

A part that star ships has a version. A part of a plug-in that says none has ``1+`` a hash of its code: the file that it
stands in, without the other parts and stages registered there that it does not name; and the files that these lines
import by name from its own package (for a file in no package: from its own folder), and what those import in turn.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from star_cli.core.parts import Part
from star_cli.errors import StarError

Definitions = dict[str, str]  # a function, a class or Class.method -> 16 hex digits of a hash of its text
Sources = dict[str, Definitions]  # a file, relative to its package or folder -> its definitions
REST = "outside of all definitions"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DECORATORS = ("register", "stage")


def mark(cls: type[Any], kind: str, name: str, version: int | None) -> None:
    """Give a class its tag ``kind/name/version``. Raises StarError where a version is needed and there is no source."""
    cls.__sources__ = {}
    if version is None and not is_shipped(cls.__module__):
        cls.__sources__ = sources_of(cls, kind, name)
        cls.__part__ = f"{kind}/{name}/1+{_digest(json.dumps(cls.__sources__, sort_keys=True))}"
    else:
        cls.__part__ = f"{kind}/{name}/{1 if version is None else version}"


def is_shipped(module: str) -> bool:
    """Whether a module belongs to star itself."""
    return module.partition(".")[0] == "star_cli"


def sources_in(value: Any) -> dict[str, Sources]:
    """The sources of every part from outside in a stage and its settings, by ``kind/name``."""
    by_part: dict[str, Sources] = {}
    if isinstance(value, (list, tuple)):
        for inner in value:
            by_part.update(sources_in(inner))
    elif isinstance(value, dict):
        by_part.update(sources_in(list(value.values())))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = getattr(value, "key_part", value)
        if sources := getattr(value, "__sources__", None):
            by_part[_without_version(value.__part__)] = sources
        by_part.update(sources_in([getattr(value, f.name) for f in dataclasses.fields(value)]))
    return by_part


def _without_version(tag: str) -> str:
    return tag.rpartition("/")[0]


def sources_of(cls: type[Any], kind: str, name: str) -> Sources:
    """The code of a class from outside, and of the parts from outside that it extends."""
    sources: Sources = {}
    for base in cls.__mro__:
        if base is cls or (issubclass(base, Part) and not is_shipped(base.__module__)):
            module = sys.modules.get(base.__module__)
            file = getattr(module, "__file__", None)
            if module is None or file is None or not Path(file).is_file():
                decorator = (
                    f'@stage("{name}", version=1)' if kind == "stage" else f'@register("{kind}", "{name}", version=1)'
                )
                raise StarError(
                    f"the {kind} {name!r} has no source file (it was written in a notebook or at a prompt), so star "
                    "could not notice an edit of it",
                    hint=f"write it into a file, or count its versions yourself: {decorator}",
                )
            sources.update(_closure(File.of(module.__name__, Path(file).absolute()), base.__name__))
    return sources


@dataclass(frozen=True)
class File:
    """A source file of a plug-in: the module's dotted name, and the folder that this name starts from."""

    path: Path
    name: str
    root: Path

    @classmethod
    def of(cls, module: str, path: Path) -> File:
        """The file of a loaded module; one that runs as a script counts by its own name."""
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        parts = tuple(module.split("."))
        if place.parts[-len(parts) :] == parts:
            return cls(path, module, Path(*place.parts[: -len(parts)]))
        return cls(path, path.stem, path.parent)

    @property
    def in_package(self) -> bool:
        return "." in self.name or self.path.name == "__init__.py"

    def imported(self, name: str) -> File | None:
        """The file of a module of the same package, or of the same folder; None for anything else."""
        top, own = name.partition(".")[0], self.name.partition(".")[0]
        if top != own and (self.in_package or top in sys.stdlib_module_names or is_shipped(top) or self._installed):
            return None
        stem = self.root.joinpath(*name.split("."))
        for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
            if path.is_file():
                return File(path, name, self.root)
        return None

    @property
    def _installed(self) -> bool:
        """Whether it lies among installed packages: what stands beside it there is not its own."""
        return next(self.root.glob("*.dist-info"), None) is not None

    def absolute(self, node: ast.ImportFrom) -> str:
        """The dotted name that an import counts from."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        above = node.level - (self.path.name == "__init__.py")
        return ".".join([*package[: len(package) - above], *([node.module] if node.module else [])])


def _closure(first: File, cls: str) -> Sources:
    """The definitions of the file that ``cls`` stands in, as far as they are its own, and of all that this imports."""
    sources: Sources = {}
    seen, todo = {first.path}, [first]
    while todo:
        file = todo.pop()
        text, body = _parsed(file.path, file.path.stat().st_mtime_ns)
        strange = strangers(body, cls) if file is first else set()
        sources[file.path.relative_to(file.root).as_posix()] = definitions(text, body, strange)
        own = [node for node in body if not (isinstance(node, ast.ClassDef) and node.name in strange)]
        for imported in _imports(file, own):
            if imported.path not in seen:
                seen.add(imported.path)
                todo.append(imported)
    return sources


@cache
def _parsed(path: Path, modified: int) -> tuple[str, list[ast.stmt]]:
    """A file's text and its statements; a file that Python could not read either has none."""
    try:
        with tokenize.open(path) as f:
            text = f.read()
        return text, ast.parse(text).body
    except (SyntaxError, ValueError):
        return path.read_bytes().hex(), []


def _imports(file: File, body: Iterable[ast.stmt]) -> Iterator[File]:
    for node in (inner for statement in body for inner in ast.walk(statement)):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = file.absolute(node)
            names = [
                (f"{start}.{alias.name}", start) for alias in node.names
            ]  # a module of a package, or what is in it
        for choices in names:
            module = next((f for name in choices if (f := file.imported(name))), None)
            if module:
                yield module


def strangers(body: list[ast.stmt], cls: str) -> set[str]:
    """The other registered classes of a file that neither ``cls`` nor anything it shares the file with names."""
    registered = {n.name: n for n in body if isinstance(n, ast.ClassDef) and n.name != cls and _is_registered(n)}
    todo: list[ast.stmt] = [node for node in body if node not in registered.values()]
    while todo:
        used = {n.id for n in ast.walk(todo.pop()) if isinstance(n, ast.Name)}
        todo += [registered.pop(name) for name in used & set(registered)]
    return set(registered)


def _is_registered(node: ast.ClassDef) -> bool:
    calls = [d.func for d in node.decorator_list if isinstance(d, ast.Call)]
    return any(getattr(f, "id", getattr(f, "attr", "")) in DECORATORS for f in calls)


def definitions(text: str, body: list[ast.stmt], without: set[str]) -> Definitions:
    """A hash of every function, class (without its methods) and method of a file, and of the lines around them."""
    lines = text.split("\n")
    owner = [REST] * len(lines)

    def claim(node: ast.stmt, name: str, decorators: list[ast.expr]) -> None:
        start = min([node.lineno, *(d.lineno for d in decorators)]) - 1
        owner[start : node.end_lineno] = [name] * ((node.end_lineno or node.lineno) - start)

    for node in body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            claim(node, node.name, node.decorator_list)
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, FUNCTIONS):
                claim(inner, f"{node.name}.{inner.name}", inner.decorator_list)  # type: ignore[attr-defined]
    by_name: dict[str, list[str]] = {}
    for name, line in zip(owner, lines, strict=True):
        if name.partition(".")[0] not in without:
            by_name.setdefault(name, []).append(line)
    return {name: _digest("\n".join(by_name[name])) for name in sorted(by_name)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
