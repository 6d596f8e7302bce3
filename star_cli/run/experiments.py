"""The experiments that ``experiment=NAME`` can choose, with what the comment at the top of each file says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from star_cli.run.overrides import conf_dir

SENTENCE = re.compile(r"(?<!al)[.:](?=\s|$)")  # its end


@dataclass(frozen=True)
class ExperimentFile:
    """One file of settings: the name that chooses it (paper/star_gsm8k), and the first sentence about it."""

    name: str
    what: str


def experiments(config_dir: str | None = None) -> list[ExperimentFile]:
    """Those that star ships, and those of a folder of one's own, by name."""
    roots = [conf_dir() / "experiment", *([Path(config_dir) / "experiment"] if config_dir else [])]
    files = [
        (path.relative_to(root).with_suffix("").as_posix(), path) for root in roots for path in root.rglob("*.yaml")
    ]
    return [ExperimentFile(name, _first_sentence(path)) for name, path in sorted(files)]


def _first_sentence(path: Path) -> str:
    """The first sentence of the comment at the top, without the line that Hydra reads."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            words += line.lstrip("# ").split()
    text = " ".join(words)
    end = SENTENCE.search(text)
    return text[: end.start() + 1].rstrip(":") if end else text
