"""The settings of a run as text: YAML with a comment on each section, as `star run --cfg job` prints it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from star_cli.core.described import settings_of
from star_cli.errors import unknown
from star_cli.report.listing import what_is
from star_cli.run.composed import Composed
from star_cli.run.root import Root

WIDTH = 150  # characters of a line with its comment


def settings_text(composed: Composed, package: str | None = None) -> str:
    """Every setting as it is used, the same values that run.json keeps under "config"; ``package`` is one section."""
    config, experiment = composed.config, composed.experiment
    if package not in (None, "_global_"):
        return _yaml(_section(config, str(package)))
    lines = [
        "# What will run; run.json of the run keeps the same. NAME=VALUE on the command line changes a setting,",
        "# for example trainer.lr=1e-3; a part is chosen by its name, for example " + _chosen(composed.parts) + ".",
    ]
    for name, value in config.items():
        part = getattr(experiment, name, None)
        if name in composed.parts:
            lines += ["", f"# {name}={composed.parts[name]}: {what_is(part)}"]
        elif isinstance(value, dict):
            lines += ["", f"# {(type(part).__doc__ or '').strip().splitlines()[0]}"]
        elif name in ("rounds", "samples"):
            lines.append(_yaml({name: value}).rstrip() + f"  # the short name of method.{name}")
            continue
        lines += _commented(name, value, part)
    return "\n".join(lines) + "\n"


def _commented(name: str, value: Any, part: Any) -> list[str]:
    """The lines of a setting or a section, each with its meaning behind it where there is room."""
    lines = _yaml({name: value}).rstrip().split("\n")
    in_section = isinstance(value, dict) and is_dataclass(part)
    meanings = {s.name: s.what for s in settings_of(type(part) if in_section else Root)}
    start = re.compile(r"  (\w+): " if in_section else r"(\w+): ")
    shown: set[str] = set()  # a sentence of a docstring may speak of several settings
    for i, line in enumerate(lines):
        match = start.match(line + " ")
        meaning = meanings.get(match[1], "") if match else ""
        whole = i + 1 == len(lines) or not lines[i + 1].startswith("    ")  # its value ends on this line
        if meaning and meaning not in shown and whole and len(line) + len(meaning) + 4 <= WIDTH:
            lines[i] = f"{line}  # {meaning}"
            shown.add(meaning)
    return lines


def _chosen(parts: Mapping[str, str]) -> str:
    return " ".join(f"{kind}={parts[kind]}" for kind in ("task", "method", "model"))


def _section(config: Any, package: str) -> Any:
    for name in package.split("."):
        if not isinstance(config, dict) or name not in config:
            raise unknown("section", package, config if isinstance(config, dict) else [])
        config = config[name]
    return config


def _yaml(value: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml has no types
        """YAML with each list on one line."""

    Dumper.add_representer(list, lambda dumper, some: dumper.represent_sequence(LIST, some, flow_style=True))
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text.removesuffix("...\n")  # the end mark of a bare value


LIST = "tag:yaml.org,2002:seq"
