"""The store of artifacts: found by key, read with every file proved unchanged, built under a lock.

artifacts/<key>/            a finished artifact; a folder without a manifest does not exist
artifacts/<key>.partial/    an artifact in the making
artifacts/.locks/<key>      held by the process that builds it
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from star_cli.core.keys import file_sha256
from star_cli.core.records import Record, read_records
from star_cli.errors import StarError
from star_cli.store.drafts import Draft, move_in
from star_cli.store.durable import make_directory, remove_leftovers, writing
from star_cli.store.manifest import MANIFEST, Manifest, read_manifest

R = TypeVar("R", bound=Record)
VERDICT_CACHE = "verdict-cache"  # the folder beside the artifacts where early verdicts are kept
KEY = re.compile(r"[0-9a-f]{32}")
_verified: set[tuple[str, int, int]] = set()  # files whose hash was checked by this process: (path, size, mtime)


class Metrics(dict[str, Any]):
    """The numbers a stage reported. One that is missing is a StarError, not a KeyError."""

    def __init__(self, metrics: dict[str, Any], source: str, hint: str) -> None:
        super().__init__(metrics)
        self.source, self.hint = source, hint

    def __missing__(self, name: str) -> Any:
        raise StarError(f"{self.source} holds no number {name!r} ({', '.join(self) or 'it has none'})", hint=self.hint)

    def number(self, name: str) -> float:
        """One of them as a number; a StarError where it is something else."""
        value = self[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise StarError(f"{name} in {self.source} is {value!r}, which is not a number", hint=self.hint)
        return float(value)


@dataclass(frozen=True)
class Artifact:
    """A finished artifact: its key, directory and manifest. Reading it checks the files against their hashes."""

    key: str
    path: Path
    manifest: Manifest = field(repr=False, hash=False, compare=False)
    readable: tuple[type[Record], ...] | None = field(default=None, repr=False, hash=False, compare=False)  # None: all

    @property
    def stage(self) -> str:
        """The name of the stage that made it."""
        return self.manifest.stage

    @property
    def tag(self) -> dict[str, Any]:
        """The settings of the stage that made it, as they entered the key."""
        return self.manifest.tag

    @property
    def round(self) -> int | None:
        """The round its stage was asked for; None for a stage that belongs to no round."""
        number = self.tag.get("round")
        if number is not None and not isinstance(number, int):
            raise self._damaged(f"its round is {number!r}")
        return number

    def input(self, role: str) -> str | None:
        """The key of one of the artifacts it was made from; None where it has no such input."""
        return self.manifest.inputs.get(role)

    @property
    def metrics(self) -> Metrics:
        """The numbers the stage reported about its own content."""
        return Metrics(self.manifest.metrics, str(self.path / MANIFEST), self._rebuild)

    def has(self, kind: type[Record]) -> bool:
        return kind.file in self.manifest.files

    def has_file(self, name: str) -> bool:
        return name in self.manifest.files

    def count(self, kind: type[Record]) -> int:
        """How many records of a kind it holds, without reading them."""
        entry = self.manifest.files.get(kind.file)
        return entry.rows or 0 if entry else 0

    def read(self, kind: type[R]) -> Iterator[R]:
        """Its records of one kind, in file order; a changed file is refused."""
        if self.readable is not None and kind not in self.readable:
            raise TypeError(f"a stage reads {kind.schema} records, which its reads do not name: they belong to its key")
        if not self.has(kind):
            held = ", ".join(sorted(self.manifest.files)) or "no files"
            raise StarError(
                f"the {self.stage} artifact {self.key} holds no {kind.schema} records ({held})",
                hint=f"give an artifact with {kind.file}",
            )
        schema = self.manifest.files[kind.file].schema
        if schema not in (None, kind.schema, *kind.older):
            raise StarError(
                f"{self.path / kind.file} holds {schema} records, and this version of star reads {kind.schema}",
                hint="use the version of star that wrote it",
            )
        return read_records(self.file(kind.file), kind)

    def file(self, name: str) -> Path:
        """The path of one of its files, proved unchanged since it was written."""
        fault = self.fault(name)
        if fault:
            raise StarError(f"{self.path / name}: {fault}", hint=f"{self._rebuild}; star verify lists all such files")
        return self.path / name

    def directory(self, name: str) -> Path:
        """One of its directories, every file in it proved unchanged."""
        for listed in self.manifest.files:
            if listed.startswith(name + "/"):
                self.file(listed)
        return self.path / name

    def fault(self, name: str, *, force: bool = False) -> str | None:
        """What is wrong with one file against the manifest, or None.

        ``force`` hashes it even if this process did so before, and counts its rows.
        """
        entry = self.manifest.files.get(name)
        if entry is None:
            return "this file is not in the manifest"
        path = self.path / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return "this is not a file"
            mark = (str(path), status.st_size, status.st_mtime_ns)
            if mark in _verified and not force:
                return None
            if status.st_size != entry.bytes:
                return f"was changed after it was made: {status.st_size} bytes, its manifest says {entry.bytes}"
            if file_sha256(path) != entry.sha256:
                return "was changed after it was made: its sha256 differs from the manifest"
            if force and entry.rows is not None and (rows := _count_lines(path)) != entry.rows:
                return f"its manifest was changed: it says {entry.rows} rows, and the file has {rows}"
        except FileNotFoundError:
            return f"this file is missing; {self.path / MANIFEST} names it"
        except OSError as e:
            return f"this file cannot be read: {e.strerror}"
        _verified.add(mark)
        return None

    def _damaged(self, what: str) -> StarError:
        return StarError(f"{self.path / MANIFEST} is damaged: {what}", hint=self._rebuild)

    @property
    def _rebuild(self) -> str:
        return f"remove {self.path} and run again to rebuild it"


def _count_lines(path: Path) -> int:
    with open(path, "rb") as f:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))


class Store:
    """All artifacts of one home, by key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._locks = root / ".locks"

    def open(self) -> Store:
        """Make the store's directories; an unwritable place is a sentence."""
        try:
            make_directory(self._locks)
        except OSError as e:
            raise StarError(
                f"the store {self.root} cannot be written: {e.strerror}",
                hint="choose another place with --home DIR, home=DIR or STAR_HOME",
            ) from e
        return self

    def get(self, key: str) -> Artifact | None:
        """The finished artifact of a key, or None. A manifest that cannot be trusted is a StarError."""
        manifest = read_manifest(self.root / key)
        return None if manifest is None else Artifact(key, self.root / key, manifest)

    def find(self, prefix: str) -> Artifact:
        """The one artifact whose key begins with ``prefix``."""
        if not prefix or set(prefix) - set("0123456789abcdef"):
            raise StarError(
                f"{prefix!r} is neither a run path nor a key",
                hint="name it like demo/round-2/generate, or by the hex key that star show prints",
            )
        matches = [k for k in self.keys() if k.startswith(prefix)]
        if len(matches) != 1:
            what = (
                f"no artifact has a key that begins with {prefix!r}"
                if not matches
                else f"{len(matches)} artifacts have keys that begin with {prefix!r}"
            )
            raise StarError(what, hint="star ls artifacts lists the keys")
        artifact = self.get(matches[0])
        assert artifact is not None
        return artifact

    def keys(self) -> list[str]:
        """The keys of all finished artifacts, sorted; what stands under a key and is no folder counts as one."""
        names = (name for name in self._names() if KEY.fullmatch(name))
        return sorted(name for name in names if self._finished(self.root / name))

    def _finished(self, folder: Path) -> bool:
        return os.path.lexists(folder / MANIFEST) or not folder.is_dir()

    def partials(self) -> list[Path]:
        """The directories of unfinished artifacts."""
        return sorted(self.root / name for name in self._names() if name.endswith(".partial"))

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.root)
        except FileNotFoundError:
            return []
        except OSError as e:
            raise StarError(
                f"the store {self.root} cannot be read: {e.strerror}", hint="choose another place with --home DIR"
            ) from e

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
        """Finish what was killed between its manifest and its rename (call it under the lock).

        None where nothing was, or where its manifest is damaged: then it is built again.
        """
        draft = self.partial(key)
        try:
            if read_manifest(draft) is None:
                return None
        except StarError:
            return None
        move_in(draft, self.root / key)
        return self.get(key)

    def partial(self, key: str) -> Path:
        """Where an artifact lies while it is being made."""
        return self.root / f"{key}.partial"

    def draft(self, key: str) -> Draft:
        """The draft of a key (call it under the lock)."""
        with writing(str(self.root)):
            draft = Draft(key, self.partial(key))
            remove_leftovers(draft.path)
            return draft

    def commit(self, draft: Draft, manifest: Manifest) -> Artifact:
        """Finish a draft: everything is synced and hashed, the manifest is written last, the folder renamed."""
        target = self.root / draft.key
        return Artifact(draft.key, target, draft.commit(target, manifest))


def open_store(home: Path) -> Store:
    """The store of a home."""
    return Store(home / "artifacts")
