"""What Hydra and OmegaConf complain of, in star's own sentences: the value, what was expected, what was probably meant.

Their own advice after a typo ("To append to your config use +...") is never passed on: such a key has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from star_cli.core import registry
from star_cli.errors import StarError, unknown

PLUGINS = {  # choices of Hydra's groups that come with packages of their own: what to install
    "hydra/launcher/joblib": "'star-cli[joblib]'",
    "hydra/launcher/submitit_local": "'star-cli[slurm]'",
    "hydra/launcher/submitit_slurm": "'star-cli[slurm]'",
    "hydra/launcher/ray": "hydra-ray-launcher",
    "hydra/launcher/rq": "hydra-rq-launcher",
    "hydra/sweeper/optuna": "hydra-optuna-sweeper",
    "hydra/sweeper/ax": "hydra-ax-sweeper",
    "hydra/sweeper/nevergrad": "hydra-nevergrad-sweeper",
}
SHOW = "star run --cfg job shows every setting with its value"
TYPES = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}


@dataclass(frozen=True)
class Known:
    """The settings there are: ``names`` are dotted (trainer, trainer.lr); ``free`` dictionaries take any new entry."""

    names: list[str] = field(default_factory=list)
    free: frozenset[str] = frozenset()

    def below(self, section: str) -> list[str]:
        """The names right below a section ("" is the root), without it."""
        start = f"{section}." if section else ""
        return [n[len(start) :] for n in self.names if n.startswith(start) and "." not in n[len(start) :]]


def unknown_setting(name: str, known: Known, where: str = "") -> StarError:
    """The sentence for a setting that does not exist; ``where`` names the file it stands in."""
    place = f" in {where}" if where else ""
    section, _, last = name.rpartition(".")
    while section and section not in known.names:
        section = section.rpartition(".")[0]
    if section in known.free and section:
        return StarError(
            f"{name} is not there yet{place}", hint=f"a new entry of {section} is written with a +: +{name}=VALUE"
        )
    if name.startswith("hydra."):
        return StarError(f"unknown setting {name}{place}", hint="star run --cfg hydra shows Hydra's own settings")
    owners = _owners(section, last)
    near = [] if owners else _near(name, last, section, known)
    meant = f". Did you mean {' or '.join(near)}?" if near else ""
    siblings = ", ".join(known.below(section)) or "no settings"
    hint = f"{section} has {siblings}" if section else SHOW
    if owners:
        hint = f"{last} is a setting of {section}={owners[0]}: {section}={owners[0]} {name}=VALUE"
    return StarError(f"unknown setting {name}{place}{meant}", hint=hint)


def _owners(kind: str, setting: str) -> list[str]:
    """The parts of a kind, chosen or not, that have a setting of this name."""
    if kind not in registry.KINDS:
        return []
    return [n for n in registry.names(kind) if setting in {f.name for f in fields(registry.get(kind, n))}]


def _near(name: str, last: str, section: str, known: Known) -> list[str]:
    """What was probably meant, nearest first: a sibling, the same name in other sections, or anything alike."""
    siblings = known.below(section)
    if near := get_close_matches(last, siblings, n=1) if section else []:
        return [f"{section}.{near[0]}"]
    same_end = [n for n in known.names if n.rpartition(".")[2] == last]
    if same_end:
        near = sorted(same_end, key=lambda n: -_likeness(n, name))
        return near[:1] if _likeness(near[0], name) > 0.9 else near[:3]
    return [] if section else get_close_matches(name, known.names, n=1)


def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def taken_away(name: str) -> StarError:
    """The sentence for ``~name``."""
    return StarError(f"~{name}: a setting cannot be taken away", hint="leave it out, and its default holds")


def sentence(error: Exception, known: Callable[[], Known]) -> StarError:
    """A StarError for what Hydra or OmegaConf raised; ``known`` says which settings there are, where that helps."""
    text = _plain(error)
    cause = error.__cause__ or error.__context__
    return (
        _unwritable(error)
        or _missing_choice(error, text)
        or _missing_setting([error, cause], text, known)
        or _several_values(text)
        or _bad_value(text, str(cause))
        or _bad_grammar(error, text)
        or _bad_prefix(text)
        or _elsewhere(error, text)
    )


def _unwritable(error: Exception) -> StarError | None:
    """STAR_HOME=/proc/x: Hydra makes its folder in the home before anything else."""
    if not isinstance(error, OSError) or error.filename is None:
        return None
    reason = (error.strerror or type(error).__name__).lower()
    return StarError(f"{error.filename} cannot be written: {reason}", hint="choose another home=DIR (or STAR_HOME)")


def _missing_choice(error: Any, text: str) -> StarError | None:
    """task=adition; hydra/launcher=joblib without the package."""
    missing = getattr(error, "missing_cfg_file", None)
    if missing is None:
        return None
    group, _, choice = str(missing).removeprefix("schema/").rpartition("/")
    package = PLUGINS.get(f"{group}/{choice}")
    if package:
        return StarError(f"{group}={choice} is not installed", hint=f"pip install {package}")
    where = re.match(r"In '([^']+)': ", text)
    place = f" (chosen in {where[1]})" if where and where[1] not in ("config", "hydra/config") else ""
    hint = f"star ls {group}s shows them all" if group in registry.KINDS else f"give one of these: {group}=NAME"
    complaint = unknown(group or "settings file", choice, getattr(error, "options", None) or [], hint=hint)
    return StarError(f"{complaint.what}{place}", hint=hint)


def _missing_setting(errors: list[Any], text: str, known: Callable[[], Known]) -> StarError | None:
    """An override or a file sets what does not exist."""
    override = re.match(r"Could not override '([^'@]+)'", text)
    full_keys = [e.full_key for e in errors if type(e).__name__ in ("ConfigAttributeError", "ConfigKeyError")]
    if not override and not full_keys:
        return None
    where = re.match(r"In '([^']+)'", text)
    names = [*([override[1]] if override else []), *map(str, full_keys)]
    return unknown_setting(max(names, key=len), known(), where[1] if where else "")


def _several_values(text: str) -> StarError | None:
    """rounds=1,2 without -m."""
    several = re.match(r"(?:Ambiguous value for argument|Sweep parameters) '([^=']+)=(.*?)'", text)
    if several is None:
        return None
    name, value = several[1], several[2]
    return StarError(
        f"{name}={value} gives several values to one run",
        hint=f"to sweep over them give --multirun (-m); a list is '{name}=[{value}]', a text \"{name}='{value}'\"",
    )


def _bad_value(text: str, reason: str) -> StarError | None:
    """sampling.temperature=hot; sampling=1; ~trainer.lr."""
    merging = re.match(r"Error merging override (.+)", text, re.S)
    if merging is None:
        return None
    override, reason = merging[1].splitlines()[0], (reason.splitlines() or [""])[0]
    if override.startswith("~"):
        return taken_away(override[1:].partition("=")[0])
    unlike = re.match(r"Value '(.*)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", reason)
    if unlike:
        return StarError(f"{override}: {unlike[1]!r} is not {TYPES.get(unlike[2], unlike[2])}", hint=SHOW)
    section = re.match(r"\+*(\w[\w.]*)=", override)
    if "is not a ListConfig" in reason and section:
        value = override.partition("=")[2]
        return StarError(f"{override}: a list is expected", hint=f"write it in brackets: '{section[1]}=[{value}]'")
    if "is not a subclass of" in reason and section:
        return StarError(f"{override}: {section[1]} has settings of its own", hint=f"set one: {section[1]}.NAME=VALUE")
    return StarError(f"{override}: {reason}", hint=SHOW)


def _bad_grammar(error: Any, text: str) -> StarError | None:
    """trainer.lr='1 and whatever else Hydra's grammar does not read."""
    override = getattr(error, "override", None)
    if override is None:
        return None
    reasons = [x for x in text.splitlines()[1:] if x.strip(" ^")]
    problem = f": {reasons[0].strip()}" if reasons else ""
    name = str(override).partition("=")[0]
    return StarError(
        f"{override} cannot be read as name=value{problem}",
        hint=f"a text with special characters needs two pairs of quotes: \"{name}='...'\"",
    )


def _bad_prefix(text: str) -> StarError | None:
    """+task=gsm8k, ++task=gsm8k, ~nothing."""
    added = re.match(r"Multiple values for ([\w/]+)\.|force-add of config groups is not supported: '\+*([\w/]+)=", text)
    if added:
        group = added[1] or added[2]
        return StarError(f"{group} is chosen once, without a +", hint=f"{group}=NAME")
    gone = re.match(r"Could not delete (?:from config\. )?'?([\w/.]+)", text)
    return StarError(f"~{gone[1]}: there is no such setting to take away", hint=SHOW) if gone else None


def _elsewhere(error: Any, text: str) -> StarError:
    """Anything else: the message, with the setting or the file that it is about."""
    required = re.search(r"missing mandatory value: (\w+)", text)
    if required:
        section = str(getattr(error, "full_key", "") or "").removesuffix(required[1]).rstrip(".")
        name = f"{section}.{required[1]}" if section else required[1]
        return StarError(f"{name} has no value", hint=f"it has no default; give it: {name}=VALUE")
    where = re.match(r"In '?(\w[\w/]*)'?:", text)
    name = getattr(error, "full_key", None)
    about = f"{name}: " if name and name not in text else ""
    return StarError(f"{about}{text}", hint=f"mend {where[1]}.yaml" if where and "/" in where[1] else SHOW)


def _plain(error: Exception) -> str:
    """The message without its technical tail and without advice; with the cause's first line where that says more."""
    cause = str(error.__cause__ or "").splitlines()[:1]
    lines = [x for x in str(error).splitlines() if x.strip() and not x.strip().startswith(LEFT_OUT)]
    lines += [x for x in cause if x not in "\n".join(lines)]
    return "\n".join(lines) or type(error).__name__


LEFT_OUT = ("full_key", "object_type", "reference_type", "To append to your", "See https://hydra.cc")
