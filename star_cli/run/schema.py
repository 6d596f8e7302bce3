"""A JSON Schema of every setting, made from the dataclasses: editors complete and check a file of settings with it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from star_cli.core import registry
from star_cli.core.described import Described, settings_of
from star_cli.run.experiments import experiments
from star_cli.run.root import SECTIONS, Root

TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "list": "array", "dict": "object"}
Schema = dict[str, Any]


def schema() -> Schema:
    """The schema of a file such as conf/experiment/mine.yaml."""
    properties: Schema = {
        "defaults": {"type": "array", "description": "what the file builds on: - override /task: jsonl"},
        "hydra": {"type": "object", "description": "Hydra's own settings: launcher, sweeper, sweeper.params"},
    }
    for setting in settings_of(Root):
        if setting.name in SECTIONS:
            properties[setting.name] = _section(SECTIONS[setting.name])
        elif setting.name in registry.KINDS:
            properties[setting.name] = _kind(setting.name)
        else:
            properties[setting.name] = _setting(setting)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "settings of star",
        "description": "experiment=NAME; shipped: " + ", ".join(e.name for e in experiments()),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _section(cls: type[Any]) -> Schema:
    settings = settings_of(cls)
    return {
        "type": "object",
        "description": (cls.__doc__ or "").strip().split("\n")[0],
        "properties": {s.name: _setting(s) for s in settings},
        "additionalProperties": False,
    }


def _kind(kind: str) -> Schema:
    """The settings of all parts of a kind: which one is chosen stands elsewhere in the file."""
    properties: Schema = {}
    owners: dict[str, list[str]] = {}
    for name in registry.names(kind):
        for setting in settings_of(registry.get(kind, name)):
            owners.setdefault(setting.name, []).append(name)
            made = _setting(setting)
            known = properties.setdefault(setting.name, made)
            if known is not made and known["type"] != made["type"]:
                known["type"] = list(dict.fromkeys([*_types(known["type"]), *_types(made["type"])]))
    for setting_name, named in owners.items():
        text = properties[setting_name].get("description", "")
        properties[setting_name]["description"] = f"{text} (of {kind}={', '.join(named)})".strip()
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _types(known: Any) -> list[str]:
    return known if isinstance(known, list) else [known]


def _setting(setting: Described) -> Schema:
    described = {"description": setting.what} if setting.what else {}
    if isinstance(setting.default, Enum):
        return {"type": "string", "enum": [m.value for m in type(setting.default)], **described}
    alternatives = [text.strip() for text in setting.type.split(" | ")] if "[" not in setting.type else [setting.type]
    named = [TYPES.get(text.partition("[")[0].strip()) for text in alternatives if text != "None"]
    everything = [*TYPES.values(), "null"]
    types = everything if None in named else [str(t) for t in named] + ["null"] * ("None" in alternatives)
    types += ["integer"] if "number" in types and "integer" not in types else []
    plain = isinstance(setting.default, (str, int, float, bool))
    # a text with ${...} stands for another setting, whatever the type
    any_text = ["string"] if "string" not in types else []
    return {"type": [*types, *any_text], **({"default": setting.default} if plain else {}), **described}
