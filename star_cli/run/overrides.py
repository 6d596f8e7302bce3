"""The command line of `star run` as data: which override sets what, what is swept, where the home is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import star_cli
from star_cli.errors import StarError


def conf_dir() -> Path:
    """The folder of config.yaml, experiment/ and model/: star_cli/conf in a wheel, conf/ beside star_cli/ in a
    checkout.
    """
    package = Path(star_cli.__file__).resolve().parent
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parent / "conf"


def home_of(setting: str | None) -> Path:
    """The home of artifacts and runs: the setting, else STAR_HOME, else the current directory."""
    return Path(setting or os.environ.get("STAR_HOME") or ".").expanduser().resolve()


def home_in(args: list[str]) -> Path:
    """The home that an override home=DIR names, else the usual one."""
    homes = [a.partition("=")[2] for a in args if a.startswith("home=")]
    return home_of(homes[-1].strip("'\"") if homes else None)


def written_by(experiment: str, places: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The content of an experiment's file and of the experiments it builds on, shipped or in a --config-dir."""
    from omegaconf import OmegaConf

    shipped = conf_dir() / "experiment" / f"{experiment}.yaml"
    own = [Path(p) / "experiment" / f"{experiment}.yaml" for p in places or config_dirs(sys.argv)]
    path = next((p for p in own if p.is_file()), shipped)
    if not path.is_file():
        return []
    content = OmegaConf.to_container(OmegaConf.create(path.read_text("utf-8")))
    if not isinstance(content, dict):
        return []
    bases = [d for d in content.get("defaults") or [] if isinstance(d, str) and d != "_self_"]
    return [{str(k): v for k, v in content.items()}, *(c for b in bases for c in written_by(b, places))]


def config_dirs(args: list[str]) -> list[str]:
    """What --config-dir (-cd) names on a command line."""
    flags = ("--config-dir", "-cd")
    return [b for a, b in zip(args, args[1:], strict=False) if a in flags] + [
        a.partition("=")[2] for a in args if a.startswith("--config-dir=")
    ]


def sweep_of(args: list[str]) -> dict[str, Any] | None:
    """For multirun arguments: the sweep's own name, if given, and the names of what is swept."""
    if not {"-m", "--multirun"} & set(args):
        return None
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides([a for a in args if "=" in a and not a.startswith("-")])
    except HydraException as e:
        raise StarError(_sentence(e), hint="an override is name=value; quote values with spaces or commas") from None
    names = [o.value() for o in parsed if o.key_or_group == "name"]
    planned = [
        k for o in parsed if o.key_or_group == "experiment" for k in swept_by(str(o.value()), tuple(config_dirs(args)))
    ]
    keys = [*(o.key_or_group for o in parsed if o.is_sweep_override()), *planned]
    return {"name": names[0] if names else None, "keys": list(dict.fromkeys(keys))}


def swept_by(experiment: str, places: tuple[str, ...]) -> list[str]:
    """What an experiment's own file sweeps over (hydra.sweeper.params); nothing where there is no such file."""
    found = written_by(experiment, places)
    hydra = (found[0].get("hydra") or {}) if found else {}
    return [str(k) for k in ((hydra.get("sweeper") or {}).get("params") or {})]


def _sentence(error: Exception) -> str:
    """Hydra's message without its technical tail."""
    lines = [
        x
        for x in str(error).splitlines()
        if x.strip() and not x.strip().startswith(("full_key", "object_type", "reference_type"))
    ]
    cause = error.__cause__
    if cause is not None and str(cause).splitlines()[0] not in "\n".join(lines):
        lines.append(str(cause).splitlines()[0])
    return "\n  ".join(lines)


def name_of(override: str) -> str:
    """The setting an override changes: ``+trainer.lr=1`` -> trainer.lr; Runtime and tracking count as one each."""
    name = override.lstrip("+~").partition("=")[0]
    return name.split(".")[0] if name.split(".")[0] in ("runtime", "tracking") else name
