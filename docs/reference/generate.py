"""docs/reference/: settings, parts, commands and records, written from the code: python docs/reference/generate.py.

A test compares the pages with what this would write, so that they cannot drift.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from star_cli.cli import main  # noqa: F401  (the package of the commands)
from star_cli.core import records, registry
from star_cli.core.described import Described, documentation, settings_of
from star_cli.report.listing import what_is
from star_cli.run.experiments import experiments
from star_cli.run.root import SECTIONS, Root

FOLDER = Path(__file__).parent
MADE = "<!-- made by docs/reference/generate.py: change the docstrings, not this page -->\n"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {
        "settings.md": "\n".join([MADE, *settings()]),
        "parts.md": "\n".join([MADE, *parts()]),
        "commands.md": "\n".join([MADE, *commands()]),
        "records.md": "\n".join([MADE, *record_kinds()]),
    }


def settings() -> Iterator[str]:
    """The settings of the root and of each section, and the experiments."""
    yield "# Settings\n\nWritten `NAME=VALUE`; `star explain NAME` says the same. Who wins: [here](../settings.md).\n"
    yield "## At the root\n"
    yield from table([s for s in settings_of(Root) if s.name not in (*SECTIONS, *registry.KINDS)], "")
    for section, cls in SECTIONS.items():
        yield f"## {section}\n\n{prose(documentation(cls))}\n"
        yield from table(settings_of(cls), f"{section}.")
    yield "## experiment\n\n| experiment=NAME | |\n|---|---|"
    yield from (f"| `{e.name}` | {cell(e.what)} |" for e in experiments())
    yield ""


def parts() -> Iterator[str]:
    """Every registered part with its settings."""
    yield "# Parts\n\nChosen by name, `task=gsm8k`; `star ls tasks` lists them, `star explain task.gsm8k` says more.\n"
    for kind in registry.KINDS:
        yield f"## {kind}\n"
        for name in registry.names(kind):
            cls = registry.get(kind, name)
            yield f"### {kind}={name}\n\n{prose(what_is(cls))}\n"
            yield from table(settings_of(cls), f"{kind}.")


def commands() -> Iterator[str]:
    """Every command with its options."""
    import importlib
    import pkgutil

    import star_cli.cli
    from star_cli.cli.app import app

    for module in pkgutil.iter_modules(star_cli.cli.__path__):
        importlib.import_module(f"star_cli.cli.{module.name}")
    yield "# Commands\n\n`star COMMAND --help` prints the same.\n"
    own = [("", command) for command in app.registered_commands]
    inner = [
        (f"{g.typer_instance.info.name} ", c)
        for g in app.registered_groups
        for c in g.typer_instance.registered_commands
    ]
    named = {f"{group}{c.name or c.callback.__name__.strip('_').replace('_', '-')}": c for group, c in [*own, *inner]}
    for name in sorted(named):
        command = named[name]
        yield f"## star {name}\n\n{prose((command.callback.__doc__ or '').strip())}\n"
        if command.epilog:
            examples = command.epilog.partition(":")[2].split("   |   ")
            yield "".join(f"    {example.strip()}\n" for example in examples)


def record_kinds() -> Iterator[str]:
    """Every kind of record: one JSON line each."""
    yield "# Records\n\nArtifacts are JSON lines of these kinds; a field that is unknown or missing is an error.\n"
    kinds = {c for c in vars(records).values() if isinstance(c, type) and issubclass(c, records.Record)}
    for cls in sorted(kinds - {records.Record}, key=lambda c: c.schema):
        yield f"## {cls.schema}\n\n`{cls.file}`. {prose(documentation(cls))}\n"
        yield "| field | type |\n|---|---|"
        yield from (f"| `{name}` | `{cell(str(kind))}` |" for name, kind in annotations_of(cls).items())
        yield ""


def annotations_of(cls: type[Any]) -> dict[str, Any]:
    """The fields of a record with their types as they are written."""
    written = {
        name: kind for owner in reversed(cls.__mro__) for name, kind in vars(owner).get("__annotations__", {}).items()
    }
    return {name: written[name] for name in cls.__struct_fields__}


def table(rows: list[Described], prefix: str) -> Iterator[str]:
    """A table of settings; nothing where there are none."""
    if rows:
        yield "| setting | type | default | |\n|---|---|---|---|"
        for s in rows:
            default = "required" if s.required else f"`{shown(s.default)}`"
            yield f"| `{prefix}{s.name}` | `{cell(s.type)}` | {cell(default)} | {cell(prose(s.what))} |"
        yield ""


def shown(default: Any) -> str:
    """A default as it is written on the command line."""
    plain = getattr(default, "value", default)
    text = "null" if plain is None else str(plain).lower() if isinstance(plain, bool) else str(plain)
    text = text.replace("\n", "\\n") or " "
    return text if len(text) <= 60 else text[:59] + "…"


def prose(text: str) -> str:
    """A docstring as Markdown: ``code`` becomes `code`, and angle brackets are text."""
    return text.replace("``", "`").replace("<", "&lt;")


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
    sys.exit(0)
