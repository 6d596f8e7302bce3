"""The settings of a run as text: YAML with a comment on each section, as `star run --cfg job` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_cli.errors import unknown
from star_cli.report.listing import what_is
from star_cli.run.composed import Composed


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
            value_line = _yaml({name: value}).rstrip()
            lines.append(f"{value_line}  # the short name of method.{name}")
            continue
        lines.append(_yaml({name: value}).rstrip())
    return "\n".join(lines) + "\n"


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
