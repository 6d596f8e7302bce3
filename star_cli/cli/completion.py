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

    places = [event.place for event in Run(_home(ctx), str(ctx.params["run"])).events()]
    return [place for place in places if place.startswith(incomplete)]


@quiet
def settings(ctx: Any, incomplete: str) -> list[str]:
    """NAME= of a setting, or NAME=VALUE where the values are known: task=jsonl, experiment=shootout, true and false."""
    from star_cli.core import registry
    from star_cli.run.experiments import experiments
    from star_cli.run.root import SECTIONS, Root

    name, equals, _ = incomplete.partition("=")
    if equals:
        values = registry.names(name) if name in registry.KINDS else []
        if name == "experiment":
            values = [e.name for e in experiments()]
        return [f"{name}={value}" for value in values if f"{name}={value}".startswith(incomplete)]
    section, dot, _ = incomplete.partition(".")
    if not dot:
        plain = [
            f.name for f in Root.__dataclass_fields__.values() if f.name not in (*SECTIONS, "methods", "verifiers")
        ]
        offers = [*(f"{n}=" for n in [*plain, "experiment"]), *(f"{s}." for s in [*SECTIONS, *registry.KINDS])]
    elif section in SECTIONS:
        offers = [f"{section}.{name}=" for name in SECTIONS[section].__dataclass_fields__]
    elif section in registry.KINDS:
        chosen = {k: v for k, _, v in (a.partition("=") for a in getattr(ctx, "args", [])) if k in registry.KINDS}
        parts = [chosen[section]] if section in chosen else registry.names(section)
        fields = [f for part in parts for f in registry.get(section, part).__dataclass_fields__]
        offers = [f"{section}.{name}=" for name in dict.fromkeys(fields)]
    else:
        offers = []
    return [offer for offer in offers if offer.startswith(incomplete)]


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
