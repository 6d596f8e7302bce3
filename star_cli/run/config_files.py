"""A user's own settings files, looked at before Hydra reads them; what cannot be read is a sentence naming the file.

Hydra and OmegaConf copy what a YAML alias stands for each time it is used, so that a few lines can fill the memory;
they follow a defaults list that leads back to itself until Python's stack is full.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.run.overrides import conf_dir

LARGEST = 100_000  # values of one file after its aliases are written out


def check_files(config_dir: str | None, overrides: list[str]) -> None:
    """Check the files of ``config_dir`` that ``overrides`` choose (experiment=NAME), and those they build on.

    Raises StarError for a file that is not UTF-8 or YAML, grows beyond ``LARGEST`` values, holds Python objects, leads
    back to itself, or is never read because star ships one of the same name.
    """
    if config_dir is None:
        return
    root = Path(config_dir)
    if not root.is_dir():
        raise StarError(f"--config-dir {root} is no folder", hint="give one that holds experiment/NAME.yaml")
    for group, _, choices in (o.lstrip("+").partition("=") for o in overrides):
        for choice in choices.split(","):
            path = root / group / f"{choice.strip()}.yaml"
            if path.is_file():
                _check(root, path, ())


def _check(root: Path, path: Path, above: tuple[Path, ...]) -> None:
    if path in above:
        names = " -> ".join(p.stem for p in (*above[above.index(path) :], path))
        raise StarError(f"{path} builds on itself: {names}", hint="take one of these out of its defaults list")
    inside = path.relative_to(root)
    if (conf_dir() / inside).is_file():
        raise StarError(
            f"{path} is never read: star ships a file of this name", hint=f"give it another name than {inside.stem}"
        )
    content = read(path)
    if inside.parts[0] == "experiment" and not re.match(r"\s*#\s*@package\s+_global_\s", path.read_text("utf-8")):
        raise StarError(f"{path} sets nothing", hint="the first line of an experiment is: # @package _global_")
    for base in bases(path, root, content):
        _check(root, base, (*above, path))


def read(path: Path) -> dict[str, Any]:
    """The content of a settings file as plain values. Raises StarError for anything but a mapping of plain values."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        size = _size(node, {}, ())
        if size > LARGEST:
            raise StarError(
                f"{path} grows to {size:.1e} values when its aliases (*name) are written out",
                hint=f"at most {LARGEST:,} are read; write the values themselves",
            )
        content = yaml.safe_load(text)
    except UnicodeDecodeError as e:
        raise StarError(
            f"{path} is not UTF-8 text: byte {e.object[e.start]:#04x} at {e.start}", hint="save it as UTF-8"
        ) from None
    except OSError as e:
        raise StarError(f"{path} cannot be read: {e.strerror}", hint="mend its permissions") from None
    except (yaml.YAMLError, ValueError) as e:
        raise unreadable(e, path) from None
    except RecursionError:
        raise StarError(f"{path} is nested too deeply or holds itself", hint="write it flat") from None
    if not isinstance(content, dict | None):
        raise StarError(f"{path} holds a {type(content).__name__}, expected settings: name: value")
    return content or {}


def _size(node: Any, known: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a YAML node stands for, each alias counted as often as it is used."""
    if id(node) in above:
        raise RecursionError
    if node is None or isinstance(node.value, str):
        return 1
    if id(node) not in known:
        parts = [p for pair in node.value for p in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_size(p, known, (*above, id(node))) for p in parts)
    return known[id(node)]


def unreadable(error: Exception, file: object = None) -> StarError:
    """The sentence for a file that is no YAML, with the place and the name of the file."""
    mark: Any = getattr(error, "problem_mark", None)
    line = f" (line {mark.line + 1})" if mark is not None else ""
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    tag = problem.removeprefix("could not determine a constructor for the tag ")
    if tag != problem and "python" in tag:
        problem = f"it holds a Python object ({tag})"
    name = file or getattr(mark, "name", "a settings file")
    return StarError(f"{name} cannot be read: {problem}{line}", hint="mend the file at that place")


def bases(path: Path, root: Path, content: dict[str, Any]) -> list[Path]:
    """The files of ``root`` that a file's defaults list names."""
    names: list[str] = []
    entries = content.get("defaults")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str) and entry != "_self_":
            names.append(entry)
        elif isinstance(entry, dict):
            names += [f"{g.split()[-1].split('@')[0]}/{c}" for g, c in entry.items() if isinstance(c, str)]
    paths = [(root if n.startswith("/") else path.parent) / f"{n.lstrip('/').split('@')[0]}.yaml" for n in names]
    return [p for p in paths if p.is_file()]
