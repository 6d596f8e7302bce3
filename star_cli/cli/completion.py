"""What TAB offers: settings and their values, parts, runs, stages. Nothing here may raise or load a model.

A shell calls ``star`` anew at every TAB, so only what is asked for is looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

F = Callable[[Any, str], list[str]]


def quiet(offers: F) -> F:
    """A completion that offers nothing where it fails: a message would stand in the middle of a typed line."""

    @wraps(offers)
    def safe(ctx: Any, incomplete: str) -> list[str]:
        try:
            return offers(ctx, incomplete)
        except Exception:  # whatever a damaged home or a broken plug-in of the user raises
            return []

    return safe


def _home(ctx: Any) -> Path:
    from star_cli.run.overrides import home_of

    words = [*getattr(ctx, "args", []), f"home={ctx.params.get('home') or ''}"]
    named = [w.partition("=")[2] for w in words if w.startswith("home=") and w != "home="]
    return home_of(named[0] if named else None)


@quiet
def run_names(ctx: Any, incomplete: str) -> list[str]:
    """The runs and sweeps of the home."""
    from star_cli.store.runs import runs

    names = [run.name for run in runs(_home(ctx))]
    sweeps = sorted({name.partition("/")[0] for name in names if "/" in name})
    return [name for name in [*names, *sweeps] if name.startswith(incomplete)]


@quiet
def run_paths(ctx: Any, incomplete: str) -> list[str]:
    """The runs, and behind RUN/ its rounds and stages."""
    from star_cli.store.runs import Run

    run, slash, _ = incomplete.partition("/round-")
    if not slash and not incomplete.endswith("/"):
        return run_names(ctx, incomplete)
    places = [event.place for event in Run(_home(ctx), run.rstrip("/")).events()]
    rounds = dict.fromkeys(place.partition("/")[0] for place in places)
    return [
        path for path in (f"{run.rstrip('/')}/{place}" for place in [*rounds, *places]) if path.startswith(incomplete)
    ] or run_names(ctx, incomplete)


@quiet
def stages_of_the_run(ctx: Any, incomplete: str) -> list[str]:
    """The stages of the run that the command names: round-1/filter, ..."""
    from star_cli.store.runs import Run

    name = ctx.params.get("run") or next(word for word in ctx.args if "=" not in word)  # the line is not whole yet
    places = [event.place for event in Run(_home(ctx), str(name)).events()]
    return [place for place in places if place.startswith(incomplete)]


@quiet
def settings(ctx: Any, incomplete: str) -> list[str]:
    """NAME=VALUE as far as both are known: parts, experiments, true and false, and the default of everything else.

    bash takes NAME, = and the value for three words; then the values alone are offered.
    """
    words = list(ctx.args)
    before = words[:-1] if words[-1:] == ["="] else words
    if before and "=" not in before[-1] and _is_setting(before[-1]):
        return [value for value in _values(words, before[-1]) if value.startswith(incomplete)]
    name, equals, _ = incomplete.partition("=")
    if equals:
        return [
            offer for offer in (f"{name}={value}" for value in _values(words, name)) if offer.startswith(incomplete)
        ]
    names = [name for name in _names(words, incomplete) if name.startswith(incomplete)]
    if len(names) > 1:
        return names
    return [offer for name in names for offer in (name, *(f"{name}{value}" for value in _values(words, name[:-1])))]


def _names(words: list[str], incomplete: str) -> list[str]:
    """The settings, ``seed=`` or ``trainer.lr=``; sections alone where none is named yet."""
    from star_cli.core import registry
    from star_cli.run.root import SECTIONS, Root

    sections = [*registry.KINDS, *SECTIONS]
    named = [s for s in sections if incomplete.startswith(f"{s}.")]
    if named:
        return [f"{named[0]}.{name}=" for name in _settings_of(words, named[0])]
    plain = [name for name in Root.__dataclass_fields__ if name not in (*SECTIONS, "methods", "verifiers")]
    whole = [*(f"{name}=" for name in [*plain, "experiment"]), *(f"{s}." for s in sections)]
    only = [name for name in whole if name.startswith(incomplete)]
    if len(only) == 1 and only[0].endswith("."):  # a lone section would be followed by a space
        return [f"{only[0]}{name}=" for name in _settings_of(words, only[0][:-1])]
    return whole


def _settings_of(words: list[str], section: str) -> dict[str, Any]:
    """The settings of a section with their defaults; of the part that the line chooses, else of all of its kind."""
    from star_cli.core import registry
    from star_cli.core.described import settings_of
    from star_cli.run.root import SECTIONS

    if section in SECTIONS:
        classes = [SECTIONS[section]]
    else:
        text = " ".join(words).replace(" = ", "=")
        chosen = [w.partition("=")[2] for w in text.split() if w.startswith(f"{section}=")]
        classes = [registry.get(section, name) for name in chosen[-1:] or registry.names(section)]
    return {s.name: s.default for cls in reversed(classes) for s in settings_of(cls)}


def _is_setting(word: str) -> bool:
    """Whether a word alone is the name of a setting."""
    return word != "=" and f"{word}=" in _names([], word)


def _values(words: list[str], name: str) -> list[str]:
    """What a setting can be set to, as far as that is known."""
    from star_cli.core import registry
    from star_cli.core.described import settings_of
    from star_cli.run.experiments import experiments
    from star_cli.run.root import Root

    section, dot, setting = name.partition(".")
    if name in registry.KINDS:
        return registry.names(name)
    if name == "experiment":
        return [e.name for e in experiments()]
    defaults = _settings_of(words, section) if dot else {s.name: s.default for s in settings_of(Root)}
    default = defaults.get(setting or name)
    if isinstance(default, bool):
        return ["true", "false"]
    return [str(default)] if isinstance(default, (int, float, str)) and str(default).isprintable() else []


@quiet
def explainable(ctx: Any, incomplete: str) -> list[str]:
    """Parts as task.jsonl, sections and their settings."""
    from star_cli.core import registry
    from star_cli.run.root import SECTIONS

    parts = [f"{kind}.{name}" for kind in registry.KINDS for name in registry.names(kind)]
    inner = [f"{section}.{name}" for section, cls in SECTIONS.items() for name in cls.__dataclass_fields__]
    return [name for name in [*parts, *SECTIONS, *inner] if name.startswith(incomplete)]


@quiet
def listable(ctx: Any, incomplete: str) -> list[str]:
    """What star ls lists."""
    from star_cli.core import registry

    return [
        w for w in ("runs", "artifacts", "experiments", *(f"{k}s" for k in registry.KINDS)) if w.startswith(incomplete)
    ]
