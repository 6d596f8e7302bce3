"""The only door to hydra and omegaconf: parts become config groups, a composed config becomes an Experiment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from star_cli.core import registry
from star_cli.core.keys import key
from star_cli.core.parts import Part
from star_cli.core.settings import (
    Evaluation,
    Keep,
    Pilot,
    Pretraining,
    Runtime,
    Sampling,
    Schedule,
    Tracking,
    Verification,
)
from star_cli.errors import StarError
from star_cli.run.lab import Experiment
from star_cli.run.overrides import _sentence, conf_dir, home_of, sweep_of, written_by
from star_cli.run.parts_override import check_loaded, with_parts
from star_cli.store.run_names import UNNAMED, default_name

SWEEP = "STAR_SWEEP"  # tells the jobs of a sweep, wherever they run, its name and what is swept


@dataclass(kw_only=True)
class Root:
    """The root of every configuration. Groups are filled by the defaults list, the rest by overrides."""

    name: str | None = None
    home: str | None = None
    seed: int = 0
    rounds: int | None = None
    samples: int | None = None
    problems: int = 0
    task: Any = None
    grader: Any = None
    engine: Any = None
    trainer: Any = None
    method: Any = None
    model: Any = None
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)  # settings of a method where it is the chosen one
    verifiers: dict[str, dict[str, Any]] = field(default_factory=dict)  # and of a verifier
    verifier: Any = None
    verification: Verification = field(default_factory=Verification)
    sampling: Sampling = field(default_factory=Sampling)
    filter: Keep = field(default_factory=Keep)
    evaluation: Evaluation = field(default_factory=Evaluation)
    schedule: Schedule = field(default_factory=Schedule)
    pretraining: Pretraining = field(default_factory=Pretraining)
    runtime: Runtime = field(default_factory=Runtime)
    tracking: Any = None
    forecast: bool = False
    pilot: Pilot = field(default_factory=Pilot)
    parts: list[str] = field(default_factory=list)  # read from the command line before Hydra: run/parts_override.py


@dataclass(kw_only=True)
class Auto(Part):
    """grader=auto: the grader a task names as its own; verifier=auto: the one a method names."""


@dataclass(frozen=True)
class Composed:
    """A composed experiment and how it was asked for."""

    experiment: Experiment
    overrides: list[str]
    config: dict[str, Any]
    sweep: str | None
    arm: list[str]

    def info(self) -> dict[str, Any]:
        """What ``run.json`` keeps of it; ``config_key`` changes with every setting that can change a result."""
        told = {k: v for k, v in self.config.items() if k not in UNNAMED}
        told_by_user = [o for o in self.overrides if o.partition("=")[0] not in ("name", "home")]
        kinds = ("task", "grader", "model", "trainer", "method", "verifier")
        parts = {kind: registry.name_of(getattr(self.experiment, kind, None)) for kind in kinds}
        return {
            "overrides": told_by_user,
            "config": self.config,
            "config_key": key([_texts(told), parts]),
            "sweep": self.sweep,
            "arm": self.arm,
            "home": str(self.experiment.home),
            "parts": parts,
        }


def _texts(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


_stored: dict[tuple[str, str], type[Any]] = {}  # the parts that Hydra knows


def store_parts() -> None:
    """Put every registered part into Hydra's ConfigStore: under its kind, or under schema/ where a file wraps it."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    registry.discover()
    OmegaConf.register_new_resolver("star_home", lambda home: str(home_of(home)), replace=True)
    store = ConfigStore.instance()
    store.store(name="root", node=Root)
    store.store(group="grader", name="auto", node=Auto)
    store.store(group="verifier", name="auto", node=Auto)
    for kind in ("auto", "none", "wandb"):
        store.store(group="tracking", name=kind, node=Tracking(kind=kind))
    for kind in registry.KINDS:
        for name in registry.names(kind):
            part = registry.get(kind, name)
            if _stored.get((kind, name)) is part:
                continue
            _stored[kind, name] = part
            wrapped = (conf_dir() / kind / f"{name}.yaml").is_file()
            store.store(group=f"schema/{kind}" if wrapped else kind, name=name, node=part)


def launch(args: list[str], job: Callable[[Composed], Any]) -> Any:
    """Compose ``args`` (Hydra overrides and flags) and run ``job`` on the result; in a sweep once for each arm.

    Raises StarError for anything wrong with the configuration. Returns what ``job`` returned (None in a sweep).
    """
    args = with_parts(args)
    store_parts()
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    result: list[Any] = []
    faults: list[StarError] = []
    here = os.getpid()

    def main(config: DictConfig) -> None:
        told = HydraConfig.get()
        try:
            result.append(job(composed(config, list(told.overrides.task), told.runtime.choices.get("experiment"))))
        except StarError as e:
            if os.getpid() != here:  # a launcher's worker: its parent must learn of it
                raise
            faults.append(e)
            if sweep:  # where it happens, beside the end: the other arms go on
                print(f"star: {' '.join(told.overrides.task)} failed: {e}", file=sys.stderr, flush=True)

    sweep = sweep_of(args)
    with _scoped(args, {"HYDRA_FULL_ERROR": "1", **({SWEEP: json.dumps(sweep)} if sweep else {})}):
        try:
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(main)()
        except (HydraException, OmegaConfBaseException) as e:
            raise StarError(_sentence(e), hint=_advice(str(e))) from None
    if faults:
        raise faults[0]
    return result[0] if len(result) == 1 and not sweep else None


def composed(config: Any, overrides: list[str], experiment: str | None) -> Composed:
    """A DictConfig as live, checked parts."""
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    live: dict[str, Any] = {
        str(k): OmegaConf.to_object(config[k]) if isinstance(plain[k], dict) else plain[k] for k in plain
    }
    check_loaded(live.pop("parts"))
    for kind in ("task", "engine", "trainer", "method", "model"):
        if not isinstance(live[kind], Part):
            raise StarError(f"{kind} is not set", hint=f"choose one: star ls {kind}s")
    if isinstance(live["grader"], Auto):
        settings = dict(live["task"].grader)
        live["grader"] = registry.get("grader", settings.pop("name"))(**settings)
    if isinstance(live["verifier"], Auto):
        live["verifier"] = registry.get("verifier", live["method"].verifier)()
    as_published(live, overrides, experiment)
    own = settings_of("method", live, overrides)
    settings_of("verifier", live, overrides)
    for name in ("rounds", "samples"):
        value = live.pop(name)
        if (
            value is not None
            and name not in own
            and not any(o.lstrip("+").startswith(f"method.{name}=") for o in overrides)
        ):
            if not hasattr(live["method"], name):
                raise StarError(
                    f"{name}={value} has no effect: the method {registry.name_of(live['method'])} has no {name}",
                    hint=f"leave {name} out",
                )
            setattr(live["method"], name, value)
    sweep = json.loads(os.environ[SWEEP]) if SWEEP in os.environ else None
    swept = [o for o in overrides if sweep and o.lstrip("+").split("=")[0] in sweep["keys"]]
    name = live.pop("name") or default_name(experiment, overrides)
    if sweep:
        whole = sweep["name"] or "sweep-" + default_name(experiment, [o for o in overrides if o not in swept])
        name = f"{whole}/{default_name('arm', swept)[4:]}"
    x = Experiment(**{**live, "name": name, "home": home_of(live["home"])})
    x = x.method.prepare(x)
    x.check()
    # as they are used, not as they were written
    for told in ("task", "sampling", "filter", "grader", "method", "verifier"):
        part = getattr(x, told)
        plain[told] = {f.name: getattr(part, f.name) for f in fields(part)} if part is not None else None
    return Composed(x, overrides, {str(k): v for k, v in plain.items()}, name.split("/")[0] if sweep else None, swept)


def as_published(live: dict[str, Any], overrides: list[str], experiment: str | None) -> None:
    """Give settings that nobody has touched the values a method's paper has; an override or an experiment's file
    wins.
    """
    told = {o.lstrip("+").partition("=")[0] for o in overrides}
    files = written_by(experiment) if experiment else []
    for name, value in live["method"].defaults.items():
        section, _, setting = name.partition(".")
        part = live[section]
        touched = {name, section} & told or any(setting in (f.get(section) or {}) for f in files)
        if not touched and getattr(part, setting) == getattr(type(part)(), setting):
            setattr(part, setting, value)


def settings_of(kind: str, live: dict[str, Any], overrides: list[str]) -> set[str]:
    """Set what ``methods`` (or ``verifiers``) says of the chosen one, unless an override does; the names of what it
    set.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    told = {o.lstrip("+").partition("=")[0] for o in overrides}
    asked, part = live.pop(f"{kind}s"), live[kind]
    for other in asked:
        registry.get(kind, other)
    own = {
        k: v
        for k, v in asked.get(registry.name_of(part), {}).items()
        if f"{kind}.{k}" not in told and not (kind == "method" and k in told)
    }
    for name, value in own.items():
        if name not in {f.name for f in fields(part)}:
            raise StarError(
                f"{kind}s.{registry.name_of(part)}.{name}={value}: this {kind} has no {name}",
                hint=f"it has {', '.join(f.name for f in fields(part)) or 'no settings'}",
            )
        try:
            typed = OmegaConf.merge(OmegaConf.structured(type(part)), {name: value})
        except OmegaConfBaseException as e:
            raise StarError(
                f"{kind}s.{registry.name_of(part)}.{name}={value}: {str(e).splitlines()[0]}",
                hint=f"see the settings with star ls {kind}s",
            ) from None
        setattr(part, name, getattr(OmegaConf.to_object(typed), name))
    return set(own)


@contextmanager
def _scoped(args: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Lend Hydra the command line and a few environment variables."""
    old_argv, old = sys.argv, {k: os.environ.get(k) for k in environment}
    sys.argv = ["star", *args]
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv = old_argv
        for k, v in old.items():
            os.environ.pop(k, None) if v is None else os.environ.__setitem__(k, v)


def _advice(text: str) -> str:
    for launcher, extra in (("joblib", "joblib"), ("submitit", "slurm")):
        if f"hydra/launcher/{launcher}" in text:
            return f"pip install 'star-cli[{extra}]'"
    if "Could not find" in text or "not in" in text or "Could not override" in text:
        return "star run --cfg job shows all settings with their names; star ls lists tasks, methods, models, ..."
    return "star run --help shows examples"
