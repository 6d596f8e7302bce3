"""``parts=``: files, folders and modules with further parts, on a command line and in what runs remember.

    star run parts=my_parts.py task=parity       star plan parts=[my_parts.py,more/] ...

A ``star_parts.py`` in the working directory, else in the home, needs no naming. A run keeps the whole paths among its
overrides, so that ``star resume`` finds them from anywhere; worker processes find them in STAR_PARTS.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from star_cli.core import plugins, registry
from star_cli.errors import StarError
from star_cli.run.overrides import home_of
from star_cli.store.runs import Run

FILE = "star_parts.py"
ITEM = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,\s][^,]*)""")


def with_parts(args: list[str]) -> list[str]:
    """Load what ``args`` and STAR_PARTS name, and star_parts.py; returns ``args`` with all of it as one override.

    Raises StarError for a place that cannot be loaded.
    """
    rest = [a for a in args if not _is_parts(a)]
    named = [place for a in args if _is_parts(a) for place in listed(a.partition("=")[2])]
    places = [_whole(p) for p in [*plugins.places(), *named]]
    if not any(Path(p).name == FILE for p in places):
        places += _found_by_itself(rest)
    load_parts(places, sweep=bool({"-m", "--multirun"} & set(args)))
    if not places:
        return rest
    first = next((i for i, a in enumerate(rest) if "=" in a and not a.startswith("-")), 0)  # Hydra wants them together
    return [*rest[:first], f"parts=[{','.join(map(quoted, dict.fromkeys(places)))}]", *rest[first:]]


def load_parts(places: list[str], *, sweep: bool = False) -> None:
    """Load parts into this process and name them for the processes it starts."""
    if places:
        os.environ[plugins.VARIABLE] = os.pathsep.join(dict.fromkeys(places))
    registry.discover()
    if sweep and places:  # a launcher's worker reads pickled settings before it runs anything of star
        known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, [*known, *plugins.folders])))


def check_loaded(places: list[str]) -> None:
    """Refuse parts that a file of settings names: by the time it is read the groups of settings are made."""
    late = [place for place in places if place not in plugins.places()]
    if late:
        raise StarError(
            f"parts={late[0]} stands in a file of settings, which is read too late",
            hint=f"name it on the command line: parts={late[0]}",
        )


def load_parts_of(run: Run) -> None:
    """Load what a run was made with; where it is gone or broken that is said, and looking at the run goes on."""
    try:
        config = run.info.config
    except StarError:  # a sweep, an artifact's key, or no run at all: whoever looks says so
        config = {}
    places = [*plugins.places(), *(config.get("parts") or _found_by_itself([f"home={run.home}"]))]
    known = os.environ.get(plugins.VARIABLE, "")
    try:
        if places:
            load_parts(places)
    except StarError as e:
        os.environ[plugins.VARIABLE] = known  # or whoever looks a part up later would meet it again
        print(f"star: {e.what}", file=sys.stderr)


def listed(value: str) -> list[str]:
    """The places of an override's value: a.py, 'a b.py', [a.py,more/] or null."""
    inside = value.strip().removeprefix("[").removesuffix("]")
    items = ["".join(groups).strip() for groups in ITEM.findall(inside)]
    return [re.sub(r"\\(['\"\\])", r"\1", item) for item in items if item != "null"]


def quoted(place: str) -> str:
    """A place as Hydra reads it back."""
    return "'" + place.replace("'", r"\'") + "'"


def _is_parts(argument: str) -> bool:
    return argument.lstrip("+").startswith("parts=")


def _whole(place: str) -> str:
    if not plugins.is_path(place):
        return place
    path = str(Path(place).expanduser().absolute())
    if os.pathsep in path:
        raise StarError(f"parts={path}: a path with {os.pathsep!r} cannot be used", hint="move it to another folder")
    return path


def _found_by_itself(args: list[str]) -> list[str]:
    homes = [a.partition("=")[2].strip("'\"") for a in args if a.startswith("home=")]
    places = (Path.cwd() / FILE, home_of(homes[-1] if homes else None) / FILE)
    return [str(p) for p in places if p.is_file()][:1]
