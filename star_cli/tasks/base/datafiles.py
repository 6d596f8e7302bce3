"""The data of a task: which files a path means, what addresses their content, and which rows belong to which split."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from star_cli.core.keys import file_sha256, seed_of
from star_cli.errors import StarError
from star_cli.tasks.base.formats import FORMATS, Row, read

NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "develop", "development", "valid", "validation", "val"),
    "test": ("test", "testing"),
}
ROW_NAMES = {name: split for split, names in NAMES.items() for name in names} | {"prompt": "train"}  # so says MBPP
RANKED = 10_000  # rows of a file without splits up to which shares are exact; beyond they are expected shares
SHARE = 10  # of such rows one in so many is dev, one test, and the rest train
HIGHEST = 1 << 63  # above every hash of a row


def files(path: Path) -> list[Path]:
    """The data files that task.path means, in order of their names. Raises StarError where there is none."""
    try:
        if path.is_dir():
            names = sorted(p for p in path.iterdir() if p.is_file() and p.name.endswith(FORMATS))
            if names:
                return names
            raise StarError(
                f"task.path={path} holds no data file", hint=f"expected files that end in {', '.join(FORMATS)}"
            )
        is_file = path.is_file()
    except OSError as e:
        raise StarError(
            f"task.path={path} cannot be read: {e.strerror}", hint="look at the path and its permissions"
        ) from None
    if not is_file:
        raise StarError(
            f"task.path={path} does not exist", hint="give a file, or a directory with train and test files"
        )
    if not path.name.endswith(FORMATS):
        raise StarError(f"task.path={path} is of no kind that can be read", hint=f"expected {', '.join(FORMATS)}")
    return [path]


class State(NamedTuple):
    """A file and what tells that it was changed: while a state is the same, what was read of the file holds."""

    path: Path
    size: int
    changed: int


def states(path: Path) -> tuple[State, ...]:
    """The states of the data files that task.path means."""
    stats = [(p, p.stat()) for p in files(path)]
    return tuple(State(p, stat.st_size, stat.st_mtime_ns) for p, stat in stats)


def content_of(path: Path) -> str:
    """What addresses the data of a path: 32 hex digits of a hash over the names and hashes of its files."""
    return _content(states(path))


@lru_cache(maxsize=64)
def _content(of: tuple[State, ...]) -> str:
    try:
        lines = "\n".join(f"{state.path.name} {file_sha256(state.path)}" for state in of)
    except OSError as e:
        raise StarError(
            f"task.path={e.filename} cannot be read: {e.strerror}", hint="look at the file and its permissions"
        ) from None
    return hashlib.sha256(lines.encode()).hexdigest()[:32]


class Splits(NamedTuple):
    """How the rows of some files fall into splits.

    ``named`` are the splits that a file's name or a row says. Of the rows that say none, those with a hash below
    ``dev_end`` are dev, then those below ``test_end`` test; ``unnamed`` is how many of them each split has, and None
    where they are too many to be counted.
    """

    named: frozenset[str]
    dev_end: int
    test_end: int
    unnamed: dict[str, int] | None

    def by_hash(self, place: int) -> str:
        """The split of a row that names none, by its hash."""
        return "dev" if place < self.dev_end else "test" if place < self.test_end else "train"

    @property
    def any_unnamed(self) -> bool:
        """Whether there are rows that name no split."""
        return self.unnamed is None or bool(sum(self.unnamed.values()))

    @property
    def dev_from_train(self) -> bool:
        """Whether a tenth of the training rows is held out as dev."""
        return "train" in self.named and "dev" not in self.named and not self.any_unnamed

    def have(self) -> list[str]:
        """The splits that hold rows, sorted."""
        hashed = set(NAMES) if self.unnamed is None else {s for s, n in self.unnamed.items() if n}
        return sorted(self.named | hashed | ({"dev"} if self.dev_from_train else set()))


def rows(path: Path, split: str) -> Iterator[Row]:
    """The rows of one split, each with its place.

    A file named after a split (train.jsonl) belongs to it. Else the field ``split`` of a row decides, and where it has
    none its hash: a tenth of such rows is dev, a tenth test, the rest train. Where the data has training rows and no
    dev split, a tenth of the training rows is dev, by hash. Raises StarError where the split holds no row.
    """
    splits = _splits(states(path))
    have = splits.have()
    if split not in have:
        raise StarError(
            f"task.path={path} has no {split} split, only {', '.join(have)}"
            if have
            else f"task.path={path} has no rows",
            hint="give a directory with train.jsonl, dev.jsonl and test.jsonl, or rows with a field split"
            + (f", or evaluation.split={have[0]}" if have and split != "train" else ""),
        )
    empty = True
    for file in files(path):
        of_file = split_of_name(file.name)
        if of_file not in (None, split) and not (splits.dev_from_train and of_file == "train" and split == "dev"):
            continue
        for where, row in read(file):
            of_row = of_file or split_of_row(row, where)
            if of_row is None:
                of_row = splits.by_hash(row_hash(row))
            elif splits.dev_from_train and of_row == "train" and held_out(row_name(row)):
                of_row = "dev"
            if of_row == split:
                empty = False
                yield where, row
    if empty and splits.dev_from_train and split == "dev":
        raise StarError(
            f"task.path={path} has no dev split, and none of its few training rows is in the tenth that is held out",
            hint="give a dev.jsonl beside it, or rows with a field split",
        )


def split_note(path: Path, split: str) -> str | None:
    """What to know of how a split came about, as a sentence; None where files or rows name it."""
    splits = _splits(states(path))
    if splits.any_unnamed:
        counts = splits.unnamed or {}
        tenths = "8 of 10" if split == "train" else "1 of 10"
        share = f"{counts[split]:,} of {sum(counts.values()):,}" if counts else tenths
        return (
            f"{path} names no splits: {share} rows are {split}, by a hash of each row (train, dev, test as 8:1:1); "
            "files train.jsonl, dev.jsonl and test.jsonl or a field split decide it otherwise"
        )
    if split == "dev" and splits.dev_from_train:
        return f"{path} has no dev split: a tenth of its training rows is held out as dev, by a hash of each row"
    return None


def held_out(name: str) -> bool:
    """Whether a training row of this name is in the tenth that is held out as dev."""
    return seed_of("split", name) % SHARE == 0


def split_of_name(name: str) -> str | None:
    """The split that a file's name says, as in ``gsm8k_train.jsonl``; None where it says none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((split for split, names in NAMES.items() if set(names) & set(words)), None)


def split_of_row(row: dict[str, Any], where: str) -> str | None:
    """The split that a row's own field ``split`` says; None without the field. Raises StarError for another value."""
    value = row.get("split")
    if value is None or value == "":
        return None
    split = ROW_NAMES.get(str(value).strip().lower())
    if split is None:
        raise StarError(
            f"{where}: 'split' is {str(value)[:40]!r}, expected train, dev or test",
            hint="mend the row; a field that means something else needs another name",
        )
    return split


@lru_cache(maxsize=16)
def _splits(of: tuple[State, ...]) -> Splits:
    """How the rows of these files fall into splits. Files without a split in their name are read for it."""
    named = {split for state in of if (split := split_of_name(state.path.name))}
    hashes: list[int] = []
    for path in (state.path for state in of if split_of_name(state.path.name) is None):
        for where, row in read(path):
            split = split_of_row(row, where)
            if split is not None:
                named.add(split)
            else:
                hashes.append(row_hash(row))
            if len(hashes) > RANKED:
                return Splits(frozenset(named), HIGHEST // SHARE, 2 * HIGHEST // SHARE, None)
    hashes.sort()
    held = max(1, len(hashes) // SHARE) if len(hashes) > 2 else 0
    dev_end, test_end = (hashes[held], hashes[2 * held]) if held else (0, 0)
    splits = Splits(frozenset(named), dev_end, test_end, {})
    counts = Counter(map(splits.by_hash, hashes))
    return splits._replace(unnamed={split: counts[split] for split in NAMES})


def row_hash(row: dict[str, Any]) -> int:
    """A number below ``HIGHEST`` for a row, by its id or its content: the lowest are held out."""
    return seed_of("split", row_name(row))


def row_name(row: dict[str, Any]) -> str:
    """What tells a row from others: its id, else its content."""
    return str(row.get("id") or row.get("task_id") or json.dumps(row, sort_keys=True, default=str))


def hub_rows(name: str, config: str | None, revision: str, split: str) -> Iterator[Row]:
    """The rows of a data set on the Hugging Face hub, streaming, at a pinned commit. Raises StarError."""
    import datasets

    try:
        source = datasets.load_dataset(name, config, split=split, revision=revision, streaming=True)
        for number, row in enumerate(source):
            yield f"{name}@{revision[:8]}/{split} row {number}", dict(row)
    except (OSError, ValueError, datasets.exceptions.DatasetNotFoundError) as e:
        raise StarError(
            f"the data set {name} at {revision} could not be read: {type(e).__name__}: {str(e).splitlines()[0]}",
            hint="check the network and task.revision, or give a local copy with task.path=FILE",
        ) from None
