"""From the values of a configuration to an experiment that was checked, with its name and what run.json keeps of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from star_cli.core import registry
from star_cli.core.keys import key
from star_cli.core.parts import Part
from star_cli.errors import StarError, need
from star_cli.run.lab import Experiment
from star_cli.run.overrides import arm_name, home_of, settled, settled_path
from star_cli.run.parts_override import check_loaded
from star_cli.store.run_names import UNNAMED, default_name


@dataclass(frozen=True)
class Asked:
    """How an experiment was asked for: the words of the command line, the name of the experiment's file, and the
    overrides that tell an arm of a sweep from its others (None outside a sweep).
    """

    words: list[str]
    experiment: str | None = None
    swept: list[str] | None = None

    @property
    def overrides(self) -> list[str]:
        """The words that set something."""
        return [w for w in self.words if not w.startswith("-")]


@dataclass(frozen=True)
class Composed:
    """A composed experiment and how it was asked for.

    ``config`` holds every setting as it is used, in plain values. ``sweep`` and ``arm`` are the sweep's name and the
    overrides that tell this arm from its others. ``fault`` is why the experiment's own checks refuse it.
    """

    experiment: Experiment
    asked: Asked
    config: dict[str, Any]
    sweep: str | None
    arm: list[str]
    fault: StarError | None = None

    @property
    def parts(self) -> dict[str, str]:
        """The registered name of each part: {"task": "addition", ...}."""
        kinds = ("task", "grader", "engine", "model", "trainer", "method", "verifier")
        return {kind: registry.name_of(getattr(self.experiment, kind)) for kind in kinds}

    def info(self) -> dict[str, Any]:
        """What ``run.json`` keeps of it; ``config_key`` changes with every setting that can change a result."""
        audible = {k: self._audible(v) for k, v in self.config.items() if k not in UNNAMED}
        parts = {kind: name for kind, name in self.parts.items() if kind != "engine"}
        return {
            "overrides": [settled(o) for o in self.asked.words if o.partition("=")[0] not in ("name", "home")],
            "config": self.config,
            "config_key": key([json.loads(json.dumps(audible, default=str)), parts]),
            "sweep": self.sweep,
            "arm": self.arm,
            "home": str(self.experiment.home),
            "parts": parts,
        }

    @staticmethod
    def _audible(section: Any) -> Any:
        """A section with its path as it would be from any directory; without it where its content says more."""
        path = section.get("path") if isinstance(section, dict) else None
        if not path:
            return section
        rest = {name: value for name, value in section.items() if name != "path"}
        return rest if rest.get("content") else {**rest, "path": settled_path(str(path))}


def composed_of(live: dict[str, Any], asked: Asked, *, lenient: bool = False) -> Composed:
    """The experiment of live parts and settings (by name of section), prepared by its method and checked.

    With ``lenient`` what the checks refuse is kept as ``fault``, else it is raised.
    """
    for kind in ("task", "grader", "engine", "trainer", "method", "model", "verifier"):
        if not isinstance(live[kind], Part):
            raise StarError(f"{kind} is not set", hint=f"choose one: star ls {kind}s")
    values = dict(live)
    short = {name: values.pop(name) for name in ("rounds", "samples", "methods", "verifiers")}
    beside = {name: values.pop(name) for name in ("optimize", "parts", "on_end")}
    check_loaded(beside["parts"])
    whole, swept, values["name"] = _run_names(values["name"], asked)
    x = Experiment(**{**values, "home": home_of(values["home"])})
    fault: StarError | None = None
    try:
        x = x.method.prepare(x)
        x.check()
        check_optimize(beside["optimize"])
    except StarError as e:
        if not lenient:
            raise
        fault = e
    used = {name: getattr(x.method, name, None) for name in short if name in ("rounds", "samples")}
    order = [name for name in live if name not in ("methods", "verifiers")]
    shown = {
        **beside,
        **used,
        **{f.name: getattr(x, f.name) for f in fields(x)},
        "home": str(x.home),
    }
    return Composed(x, asked, {name: plain(shown[name]) for name in order}, whole, swept, fault)


def _run_names(name: str | None, asked: Asked) -> tuple[str | None, list[str], str]:
    """(the sweep's name, the overrides that make this arm, the run's name)."""
    if asked.swept is None:
        return None, [], name or default_name(asked.experiment, asked.overrides)
    if not asked.swept:
        raise nothing_swept()
    rest = [o for o in asked.overrides if o not in asked.swept]
    shared = None if f"experiment={asked.experiment}" in asked.swept else asked.experiment
    whole = name or "sweep-" + default_name(shared, rest)
    return whole, asked.swept, f"{whole}/{arm_name(asked.swept)}"


def nothing_swept() -> StarError:
    """The sentence for a sweep over nothing."""
    return StarError(
        "-m was given, but no setting has several values",
        hint="separate them by commas: star run -m seed=0,1 trainer.lr=1e-3,2e-3",
    )


def check_optimize(optimize: Any) -> None:
    """Refuse anything but the name of a metric or a list of names."""
    names = optimize if isinstance(optimize, list) else [optimize]
    need(
        optimize is None or (bool(names) and all(isinstance(n, str) and n for n in names)),
        f"optimize must name a metric, or several in a list, got {optimize!r}",
        "for example optimize=accuracy, or optimize=filter/solved",
    )


def plain(value: Any) -> Any:
    """A setting or a part in the plain types of JSON and YAML."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Enum):
        return plain(value.value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
