"""`star explain`: what a part, a section of settings or one setting is, from the docstrings of the code."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.text import Text

from star_cli.core import registry
from star_cli.core.described import Described, documentation, settings_of
from star_cli.errors import StarError
from star_cli.report.columns import width_of
from star_cli.run.root import SECTIONS, Root

INDENT = "      "


@dataclass(frozen=True)
class Explained:
    """A part or a section: what it is called in settings, its texts, and its settings."""

    title: str
    texts: list[str]
    settings: list[Described]
    section: str  # what stands before the names of the settings

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "name": self.title,
            "documentation": "\n\n".join(self.texts),
            "settings": [
                {"name": self.named(s), "type": s.type, "default": value(s), "what": s.what} for s in self.settings
            ],
        }

    def named(self, setting: Described) -> str:
        """The name as it is set on the command line."""
        return f"{self.section}.{setting.name}" if self.section else setting.name

    def print(self, out: Console) -> None:
        """The texts, then each setting with type, default and meaning."""
        out.print(Text(self.title, style="bold"))
        for text in self.texts:
            out.print(Text("\n" + text))
        if self.settings:
            out.print(Text("\nsettings", style="bold"))
        width = width_of(out)
        for s in self.settings:
            default = "required" if s.required else _shown(value(s))
            out.print(Text(f"  {self.named(s)}={default}  ") + Text(s.type, style="dim"), soft_wrap=True)
            if s.what:
                out.print(Text(fill(s.what, width, initial_indent=INDENT, subsequent_indent=INDENT)))


def explain(what: str) -> Explained:
    """What ``task.jsonl`` (or task=jsonl, or jsonl), ``sampling``, ``sampling.top_k`` or ``rounds`` names.

    Raises StarError for anything else, with what was probably meant.
    """
    name = what.replace("=", ".", 1)
    kind, _, rest = name.partition(".")
    if kind in registry.KINDS and rest in registry.names(kind):
        return _part(kind, rest)
    if kind in SECTIONS:
        whole = Explained(kind, [documentation(SECTIONS[kind])], settings_of(SECTIONS[kind]), kind)
        return whole if not rest else _one(whole, rest)
    if kind in registry.KINDS and rest:
        return _setting_of_parts(kind, rest)
    root = {s.name: s for s in settings_of(Root)}
    if name in root and name not in registry.KINDS:
        return Explained(name, [], [root[name]], "")
    kinds = [k for k in registry.KINDS if name in registry.names(k)]
    if kinds:
        return _part(kinds[0], name)
    raise _unknown(what)


def _part(kind: str, name: str) -> Explained:
    cls = registry.get(kind, name)
    module = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "").removeprefix(f"{name}: ")
    alone = sum(registry.get(k, n).__module__ == cls.__module__ for k in registry.KINDS for n in registry.names(k)) == 1
    texts = [text for text in (module if alone else "", documentation(cls)) if text]
    return Explained(f"{kind}={name}", texts, settings_of(cls), kind)


def _one(whole: Explained, name: str) -> Explained:
    chosen = [s for s in whole.settings if s.name == name]
    if not chosen:
        near = get_close_matches(name, [s.name for s in whole.settings], n=1)
        meant = f". Did you mean {whole.section}.{near[0]}?" if near else ""
        names = ", ".join(s.name for s in whole.settings)
        raise StarError(f"{whole.section} has no setting {name}{meant}", hint=f"it has {names}")
    return Explained(f"{whole.title}.{name}", [], chosen, whole.section)


def _setting_of_parts(kind: str, setting: str) -> Explained:
    """trainer.lr: what it means in each part of the kind that has it."""
    owners = {n: s for n in registry.names(kind) for s in settings_of(registry.get(kind, n)) if s.name == setting}
    if not owners:
        names = registry.names(kind)
        near = get_close_matches(setting, names, n=1)
        meant = f". Did you mean {kind}.{near[0]}?" if near else ""
        raise StarError(f"no {kind} is called {setting}, or has such a setting{meant}", hint=f"star ls {kind}s")
    texts = [f"a setting of {kind}={', '.join(owners)}"]
    return Explained(f"{kind}.{setting}", texts, list(dict.fromkeys(owners.values())), kind)


def _unknown(what: str) -> StarError:
    known = [*SECTIONS, *(n for k in registry.KINDS for n in registry.names(k)), *(s.name for s in settings_of(Root))]
    near = get_close_matches(re.split("[.=]", what)[-1], known, n=1)
    meant = f". Did you mean {near[0]}?" if near else ""
    return StarError(
        f"nothing is called {what!r}{meant}",
        hint="for example star explain task.jsonl, star explain sampling, star explain trainer.lr; star ls tasks",
    )


def value(setting: Described) -> Any:
    """The default as JSON can hold it."""
    plain = getattr(setting.default, "value", setting.default)
    return plain if isinstance(plain, (str, int, float, bool, list, dict, type(None))) else str(plain)


def _shown(default: Any) -> str:
    text = "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    text = text.replace("\n", "\\n")
    return text if len(text) <= 60 else text[:59] + "…"
