"""What the settings of a dataclass mean, read from its source: the comment behind a field, or its docstring.

    lr: float = 1e-3  # AdamW's learning rate        ->  what: "AdamW's learning rate"

So help texts, references and schemas are made of what stands beside the code.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass
from typing import Any

SENTENCE = re.compile(r"(?<=[.;:])\s+(?=[A-Z`(])")


@dataclass(frozen=True)
class Described:
    """A setting: its name, type as written, default (None where it has none), and what it means ("" where unknown)."""

    name: str
    type: str
    default: Any
    required: bool
    what: str


def settings_of(cls: type[Any]) -> list[Described]:
    """The settings of a dataclass, in the order of its fields."""
    return [
        Described(
            f.name,
            f.type if isinstance(f.type, str) else getattr(f.type, "__name__", str(f.type)),
            _default(f),
            f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING,
            _comments(cls).get(f.name) or _sentence(cls, f.name),
        )
        for f in dataclasses.fields(cls)
        if f.init
    ]


def documentation(cls: type[Any]) -> str:
    """The docstring of a class without indentation; "" where it has only the one that dataclasses make."""
    text = cls.__dict__.get("__doc__") or ""
    return "" if text.startswith(f"{cls.__name__}(") else inspect.cleandoc(text)


def _default(f: Any) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else None


def _comments(cls: type[Any]) -> dict[str, str]:
    """The comment behind each field, of the class itself before those of its bases."""
    comments: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if owner.__dict__.get("__annotations__"):
            comments |= _own_comments(f"{owner.__module__}.{owner.__qualname__}", owner)
    return comments


_read: dict[str, dict[str, str]] = {}  # what was found, by class: source is read once


def _own_comments(name: str, owner: type[Any]) -> dict[str, str]:
    """The comments of a class, read once."""
    if name not in _read:
        _read[name] = _read_comments(owner)
    return _read[name]


def _read_comments(owner: type[Any]) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(owner))
    except (OSError, TypeError):  # made in a session, or its file is gone
        return {}
    by_line = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)).body
    return {
        node.target.id: by_line[node.end_lineno]
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno in by_line
    }


def _sentence(cls: type[Any], name: str) -> str:
    """The first sentence of the class's docstring, or of a base's, that speaks of ``name``."""
    for owner in cls.__mro__:
        for paragraph in documentation(owner).split("\n\n"):
            for sentence in SENTENCE.split(" ".join(paragraph.split())):
                if f"``{name}``" in sentence:
                    return sentence.rstrip(";:").replace("``", "")
    return ""
