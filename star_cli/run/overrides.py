"""The command line of `star run` as data: its flags, its overrides (name=value) and what they mean. Knows no Hydra."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import star_cli
from star_cli.core import registry
from star_cli.core.keys import key
from star_cli.errors import StarError

SHOWS = ("job", "hydra", "all")  # what --cfg can print
INFOS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
ESCAPED = r"[()\[\]{}:=, \\]"
READABLE = re.compile(rf"(\\{ESCAPED}|\\(?!{ESCAPED})|[\w/\-+.$%*@?|:=, ])*", re.ASCII)  # by Hydra's grammar, unquoted
NAME = re.compile(r"(\+\+|\+|~)?[A-Za-z_][\w/.@:-]*")  # what stands before the = of an override


@dataclass(frozen=True)
class Arguments:
    """A command line taken apart: ``overrides`` as they were typed, and the flags."""

    overrides: list[str]
    sweep: bool = False
    cfg: str | None = None  # --cfg: job, hydra or all
    package: str | None = None  # --package: the part of the settings that --cfg prints
    config_dir: str | None = None
    info: str | None = None
    hydra_help: bool = False

    @property
    def shows(self) -> bool:
        """Whether something is to be shown instead of run."""
        return bool(self.cfg or self.info or self.hydra_help)

    def without_shows(self) -> list[str]:
        """The command line of the run whose settings are shown."""
        return replace(self, cfg=None, package=None, info=None, hydra_help=False).for_hydra()

    def for_hydra(self) -> list[str]:
        """The same command line in the order that Hydra's own parser understands: flags first."""
        flags = ["--multirun"] if self.sweep else []
        for name, value in (("cfg", self.cfg), ("package", self.package), ("config-dir", self.config_dir)):
            flags += [f"--{name}={value}"] if value is not None else []
        flags += ["--hydra-help"] if self.hydra_help else []
        flags += [f"--info={self.info}"] if self.info else []
        return [*flags, *self.overrides]


def parsed(args: list[str]) -> Arguments:
    """The flags and overrides of a command line, in any order. Raises StarError for anything that is neither."""
    try:
        flags, rest = _flags().parse_known_args(args)
    except argparse.ArgumentError as e:
        raise StarError(str(e), hint="star run --help shows the flags") from None
    for i, word in enumerate(rest):
        _check(word, rest[i + 1] if i + 1 < len(rest) else None)
    home = [f"home={quoted(flags.home)}"] if flags.home is not None else []
    return Arguments(
        overrides=[readable(part) for word in rest if word != "experiment=null" for part in by_key(word)] + home,
        sweep=flags.multirun,
        cfg=flags.cfg,
        package=flags.package,
        config_dir=flags.config_dir and str(Path(flags.config_dir).expanduser().resolve()),
        info=flags.info,
        hydra_help=flags.hydra_help,
    )


def _flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="star", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=SHOWS)
    parser.add_argument("-p", "--package")
    parser.add_argument("--resolve", action="store_true")  # what --cfg job prints is always resolved
    parser.add_argument("-cd", "--config-dir")
    parser.add_argument("-i", "--info", choices=INFOS)
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--home")
    return parser


def _check(word: str, following: str | None) -> None:
    """Refuse a word that is no override, with what was probably meant."""
    name, equals, value = word.partition("=")
    if word.startswith("-"):
        setting = name.lstrip("-")
        if setting in ("h", "version"):
            raise StarError(f"{name} belongs elsewhere", hint="star run --help, or star --version")
        if setting in ("config-path", "config-name", "cp", "cn"):
            raise StarError(
                f"{name} has no effect here: star's own settings are always there",
                hint="--config-dir DIR adds a folder of your own with experiment/NAME.yaml",
            )
        meant = value if equals else following if following and "=" not in following else "VALUE"
        raise StarError(
            f"{name} is no flag of this command", hint=f"a setting is written name=value: {setting}={meant}"
        )
    if name.lstrip("+") in registry.KINDS and value in ("", "null") and equals:
        kind = name.lstrip("+")
        raise StarError(f"{word} chooses no {kind}", hint=f"star ls {kind}s shows the choices")
    if equals and NAME.fullmatch(name):
        return
    if not equals and word.startswith("~"):
        return
    if following is not None and following.startswith("=") and not equals:
        raise StarError(f"{word!r} sets nothing", hint=f"no spaces around the equals sign: {word}{following}")
    kinds = [kind for kind in registry.KINDS if not equals and word in registry.names(kind)]
    example = f"{kinds[0]}={word}" if kinds else f"{word}=VALUE" if not equals and NAME.fullmatch(word) else "rounds=3"
    raise StarError(f"{word!r} sets nothing", hint=f"a setting is written name=value, without spaces: {example}")


def quoted(text: str) -> str:
    """``text`` as the value of an override that is taken as it is, whatever characters it holds."""
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{escaped}'"


def readable(override: str) -> str:
    """The override itself, or with its value in quotes where that is a text Hydra's grammar cannot read unquoted.

    A value that holds braces, brackets or quotes only as text (``task.template=Q: {question}``) or a line break is
    meant as text: the shell has taken away the quotes that said so.
    """
    name, equals, value = override.partition("=")
    if not equals or not value or value[0] in "'\"" or "${" in value:
        return override
    container = re.fullmatch(r"\[.*\]|\{\s*\}|\{.*:.*\}", value, re.S) is not None
    call = re.fullmatch(r"[a-z_]+\(.*\)", value) is not None  # choice(1,2), range(1,4), interval(0,1)
    return override if container or call or READABLE.fullmatch(value) else f"{name}={quoted(value)}"


def by_key(override: str) -> list[str]:
    """The override itself, or one for each key of a flat dictionary that has keys Hydra takes for numbers or cannot
    read: ``a={1:100,"2/hinted":300}`` is ``++a.1=100`` and ``++a={2/hinted:300}``.
    """
    name, _, value = override.partition("=")
    flat = re.fullmatch(r"\{([^{}\[\]()]+)\}", value, re.S)
    pairs = [pair.partition(":") for pair in flat[1].split(",")] if flat else []
    keys = [re.sub(r"^(['\"])(.*)\1$", r"\2", key.strip()) for key, _, _ in pairs]
    plain = all(
        colon and re.fullmatch(r"[\w/@-]+", key, re.ASCII) for key, (_, colon, _) in zip(keys, pairs, strict=True)
    )
    odd = any(key != pair[0].strip() or key.isdigit() for key, pair in zip(keys, pairs, strict=True))
    if not (flat and plain and odd):
        return [override]
    values = {key: pair[2].strip() for key, pair in zip(keys, pairs, strict=True)}
    rest = ",".join(f"{key}:{value}" for key, value in values.items() if not key.isdigit())
    numbers = [f"++{name.lstrip('+')}.{key}={value}" for key, value in values.items() if key.isdigit()]
    return [*numbers, *([f"++{name.lstrip('+')}={{{rest}}}"] if rest else [])]


def value_of(args: list[str], name: str) -> str | None:
    """What the last override of ``name`` sets it to, without quotes; None where there is none."""
    values = [value for n, _, value in (a.partition("=") for a in args) if n.lstrip("+") == name]
    return re.sub(r"^(['\"])(.*)\1$", r"\2", values[-1]) if values else None


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
    """The home that a command line names (home=DIR or --home DIR), else the usual one."""
    try:
        flags, rest = _flags().parse_known_args(args)
    except argparse.ArgumentError as e:
        raise StarError(str(e), hint="star run --help shows the flags") from None
    return home_of(flags.home if flags.home is not None else value_of(rest, "home"))


def set_by(overrides: list[str]) -> set[str]:
    """The names that overrides set: ``["+trainer.lr=1", "seed=2"]`` -> {"trainer.lr", "seed"}."""
    return {o.lstrip("+~").partition("=")[0] for o in overrides}


def name_of(override: str) -> str:
    """The setting an override changes: ``+trainer.lr=1`` -> trainer.lr; Runtime and tracking count as one each."""
    name = override.lstrip("+~").partition("=")[0]
    return name.split(".")[0] if name.split(".")[0] in ("runtime", "tracking") else name


def arm_name(swept: list[str]) -> str:
    """The name of a sweep's arm, made of the overrides that tell it from the others."""
    parts = sorted(re.sub(r"[^A-Za-z0-9._,=+-]+", "_", o.lstrip("+~")).strip("._-") for o in swept)
    name = "-".join(parts)
    return name if len(name) <= 76 else f"{name[:62]}-{key(parts)[:12]}"


def settled(override: str) -> str:
    """The override with a relative path, or the name of a file behind @, made absolute: the same from any directory."""
    name, equals, value = override.partition("=")
    text = re.sub(r"^(['\"])(.*)\1$", r"\2", value)
    names_file = name.lstrip("+").endswith(".path") or text.startswith("@")
    absolute = settled_path(text) if names_file else text
    return override if absolute == text else f"{name}={quoted(absolute)}"


def settled_path(text: str) -> str:
    """``text`` with a relative path of something that exists made absolute; an @ before it stays."""
    at, path = ("@", text[1:]) if text.startswith("@") else ("", text)
    there = path and not path.startswith(("/", "~")) and os.path.exists(path)
    return f"{at}{Path(path).resolve()}" if there else text


@contextmanager
def lent(args: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Give the process another command line and more environment variables for a while: Hydra reads both."""
    old_argv, old = sys.argv, {k: os.environ.get(k) for k in environment}
    sys.argv = ["star", *args]
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv = old_argv
        for k, v in old.items():
            os.environ.pop(k, None) if v is None else os.environ.__setitem__(k, v)
