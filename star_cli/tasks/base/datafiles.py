"""Rows of data from a file, a directory or the hub, streaming. Each row comes with the place it was read from."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from star_cli.core.extras import command
from star_cli.core.keys import file_sha256, seed_of
from star_cli.errors import StarError

KINDS = (".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet")
NAMES = {"train": ("train", "training"), "dev": ("dev", "valid", "validation", "val"), "test": ("test", "testing")}
Row = tuple[str, dict[str, Any]]


def files(path: Path) -> list[Path]:
    """The data files that a path means, in order of their names."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and p.name.endswith(KINDS))
        if not found:
            raise StarError(
                f"task.path={path} holds no data file", hint=f"expected files that end in {', '.join(KINDS)}"
            )
        return found
    if not path.is_file():
        raise StarError(
            f"task.path={path} does not exist", hint="give a file, or a directory with train and test files"
        )
    if not path.name.endswith(KINDS):
        raise StarError(f"task.path={path} is of no kind that can be read", hint=f"expected {', '.join(KINDS)}")
    return [path]


def content_of(path: Path) -> str:
    """What addresses the data of a path: a hash over the names and hashes of its files."""
    return _content(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files(path)))


@lru_cache(maxsize=64)
def _content(marks: tuple[tuple[str, int, int], ...]) -> str:
    told = "\n".join(f"{Path(name).name} {file_sha256(Path(name))}" for name, _, _ in marks)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def rows(path: Path, split: str) -> Iterator[Row]:
    """The rows of one split.

    A file named after a split (train.jsonl) belongs to it; else each row's own ``split`` decides; else a hash of its
    id or
    text, 8 : 1 : 1. Where the data has training rows but no dev split, a tenth of the training rows is kept back by
    hash.
    """
    named = {p: _split_of(p.name) for p in files(path)}
    marks = frozenset(named.values()) - {None} | _marks(tuple(p for p, s in named.items() if s is None))
    if "?" in marks:
        marks = marks | {"train", "dev", "test"}
    carved = "dev" not in marks and "train" in marks
    if split not in marks and not (split == "dev" and carved):
        have = sorted({str(m) for m in marks} | ({"dev"} if carved else set()))
        raise StarError(
            f"task.path={path} has no {split} split, only {', '.join(have)}",
            hint="give a directory with a file for each split, or evaluation.split=" + (have or ["dev"])[0],
        )
    for file, own in named.items():
        if own is not None and own != split and not (carved and own == "train" and split == "dev"):
            continue
        for where, row in read(file):
            mark = own or mark_of(row)
            if mark == "?":
                mark = ("dev", "test", *["train"] * 8)[_bucket(row)]
            elif carved and mark == "train" and _bucket(row) == 0:
                mark = "dev"
            if mark == split:
                yield where, row


def _split_of(name: str) -> str | None:
    words = re.split(r"[^a-z]+", name.lower())
    return next((s for s, names in NAMES.items() if set(names) & set(words)), None)


def mark_of(row: dict[str, Any]) -> str:
    """The split that a row names itself; "?" where it names none."""
    told = str(row.get("split", "?")).lower()
    return next((s for s, names in NAMES.items() if told in names), "?" if told == "?" else "train")


@lru_cache(maxsize=16)
def _marks(paths: tuple[Path, ...]) -> frozenset[str | None]:
    found: set[str | None] = set()
    for path in paths:
        for _, row in read(path):
            found.add(mark_of(row))
            if found >= {"?"} or len(found) == 3:
                break
    return frozenset(found)


def _bucket(row: dict[str, Any]) -> int:
    told = row.get("id") or row.get("task_id") or json.dumps(row, sort_keys=True, default=str)
    return seed_of("split", str(told)) % 10


def read(path: Path) -> Iterator[Row]:
    """Every row of one file with its place."""
    if path.name.endswith(".parquet"):
        yield from _parquet(path)
    elif path.name.endswith(".json"):
        yield from _json(path)
    else:
        opened: IO[str] = (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else open(path, encoding="utf-8", newline="" if path.suffix == ".csv" else None)
        )
        with opened as f:
            yield from (_csv(path, f) if path.suffix == ".csv" else _lines(path, f))


def _lines(path: Path, f: IO[str]) -> Iterator[Row]:
    number = 0
    try:
        for number, line in enumerate(f, 1):
            if line.strip():
                yield f"{path}:{number}", _object(json.loads(line), f"{path}:{number}")
    except UnicodeDecodeError as e:
        raise StarError(f"{path}:{number + 1}: not UTF-8: {e.reason}", hint="convert the file to UTF-8") from None
    except ValueError as e:
        raise StarError(f"{path}:{number}: not valid JSON: {e}", hint="every line must be one JSON object") from None


def _csv(path: Path, f: IO[str]) -> Iterator[Row]:
    for number, row in enumerate(csv.DictReader(f), 1):
        if None in row or None in row.values():
            raise StarError(
                f"{path} row {number}: it has another number of columns than the header",
                hint="quote values that hold commas or line ends",
            )
        yield f"{path} row {number}", {str(k): v for k, v in row.items()}


def _json(path: Path) -> Iterator[Row]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise StarError(
            f"{path}: not valid JSON: {e}", hint="expected a list of objects, or JSON lines in a .jsonl file"
        ) from None
    for number, row in enumerate(found if isinstance(found, list) else [found], 1):
        yield f"{path} row {number}", _object(row, f"{path} row {number}")


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError as e:
        raise StarError(
            "reading parquet needs pyarrow", hint=f"{command('pyarrow')}, or convert the file to JSON lines"
        ) from e
    number = 0
    for batch in parquet.ParquetFile(path).iter_batches(1024):
        for row in batch.to_pylist():
            number += 1
            yield f"{path} row {number}", row


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise StarError(
            f"{where}: a {type(row).__name__}, not a JSON object", hint="every line must be one JSON object"
        )
    return row


def hub_rows(name: str, config: str | None, revision: str, split: str) -> Iterator[Row]:
    """The rows of a data set on the Hugging Face hub, streaming, at a pinned commit."""
    import datasets

    try:
        found = datasets.load_dataset(name, config, split=split, revision=revision, streaming=True)
        for number, row in enumerate(found):
            yield f"{name}@{revision[:8]}/{split} row {number}", dict(row)
    except (OSError, ValueError, datasets.exceptions.DatasetNotFoundError) as e:
        raise StarError(
            f"the data set {name} at {revision} could not be read: {type(e).__name__}: {str(e).splitlines()[0]}",
            hint="check the network and task.revision, or give a local copy with task.path=FILE",
        ) from None
