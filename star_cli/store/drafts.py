"""An artifact in the making: ``<key>.partial``, its files, and the journals that outlive a kill."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from star_cli.core.keys import file_sha256
from star_cli.core.records import Record, decode, encode
from star_cli.errors import StarError
from star_cli.store.durable import DiskFailed, make_directory, sync_directory, sync_file, writing
from star_cli.store.manifest import MANIFEST, FileEntry, Manifest, write_manifest

SCRATCH = "scratch"  # the folder of a draft that only a restart needs: checkpoints
Identity = tuple[Any, ...]


class Journal:
    """An append-only file of records inside a draft: a JSON line, a tab and the CRC-32 of the line, in hex.

    When it is opened again after a kill or a power cut, lines that are torn or damaged are left out and counted in
    ``torn``; what stands behind the last good line is cut off. ``offsets`` is where each record lies.
    """

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self.path, self.kind, self.torn, self.failed = path, kind, 0, False
        self.offsets: dict[Identity, tuple[int, int]] = {}
        fresh = not os.path.lexists(path)
        try:
            self._end = 0 if fresh else self._recover()
            self._file = open(path, "ab", buffering=1 << 16)
        except OSError as e:
            raise StarError(
                f"{path} cannot be used: {e.strerror}",
                hint=f"remove {path.parent}; what it holds is written again",
            ) from None
        self._file.truncate(self._end)
        if fresh:
            sync_directory(path.parent)

    def _recover(self) -> int:
        """Note where the good lines are; returns the end of the last one."""
        end = position = damaged = 0
        with open(self.path, "rb") as f:
            for line in f:
                record = self._checked(line)
                if record is None:
                    damaged += 1
                else:
                    self.offsets[record.identity()] = (position, len(line) - 10)
                    end = position + len(line)
                position += len(line)
        self.torn = damaged
        return end

    def _checked(self, line: bytes) -> Record | None:
        """The record of a line, or None where the line is not what was written."""
        text, tab, checksum = line.rpartition(b"\t")
        if not tab or checksum != _checksum(text):
            return None
        try:
            return decode(text, self.kind, str(self.path))
        except StarError:  # whole, yet of another version
            return None

    def append(self, record: Record) -> None:
        """Add a record; ``sync`` makes it safe."""
        text = encode(record)[:-1]
        try:
            self._file.write(text + b"\t" + _checksum(text))
        except OSError:
            self.failed = True
            raise
        self.offsets[record.identity()] = (self._end, len(text))
        self._end += len(text) + 10

    def sync(self) -> None:
        """Make everything appended so far survive a power cut. After one failure it is never tried again."""
        if self.failed:
            raise _given_up(self.path)
        try:
            with writing(str(self.path)):
                sync_file(self._file)
        except (OSError, StarError):
            self.failed = True
            raise

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:  # a full disk: what was synced before is still there
            pass

    def ordered(self, order: Iterable[Identity]) -> Iterator[bytes]:
        """The JSON lines of these records, in this order, in bounded memory."""
        self._file.flush()
        with open(self.path, "rb") as f:
            for identity in order:
                start, length = self.offsets[identity]
                f.seek(start)
                yield f.read(length) + b"\n"


def _checksum(text: bytes) -> bytes:
    return b"%08x\n" % zlib.crc32(text)


def _given_up(path: Path) -> StarError:
    return DiskFailed(
        f"{path} could not be written, so nothing more is written to it",
        hint="the same command again continues from what was safe before",
    )


class Draft:
    """An artifact in the making. What a killed stage left in its folder is still there."""

    def __init__(self, key: str, path: Path) -> None:
        self.key, self.path = key, path
        self._records: dict[str, tuple[int, str]] = {}  # file -> (rows, schema)
        self._journals: list[Journal] = []
        try:
            make_directory(path)
        except FileExistsError:
            raise StarError(f"{path} is not a folder", hint="remove it and run the same command again") from None

    def journal(self, kind: type[Record]) -> Journal:
        """Open (or open again) the append-only file of a kind; ``settle`` turns it into the final file."""
        journal = Journal(self.path / (kind.file + ".journal"), kind)
        self._journals.append(journal)
        return journal

    def settle(self, journal: Journal, order: Iterable[Identity]) -> int:
        """Write the journal's records to their final file in ``order``; returns how many."""
        return self._write(journal.kind, journal.ordered(order))

    def write(self, kind: type[Record], records: Iterable[Record]) -> int:
        """Write a whole file of records; returns how many. A repeated identity is refused."""
        seen: set[Identity] = set()

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
        with writing(str(self.path / kind.file)), open(self.path / kind.file, "wb") as f:
            for line in lines:
                f.write(line)
                rows += 1
            sync_file(f)
        self._records[kind.file] = (rows, kind.schema)
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
        return {schema for _, schema in self._records.values()}

    def close(self) -> None:
        for journal in self._journals:
            journal.close()

    def commit(self, target: Path, manifest: Manifest) -> Manifest:
        """Sync and hash every file, write the manifest last and rename the draft to ``target``.

        Returns the manifest with the files in it. Raises DiskFailed where a journal has met an I/O error.
        """
        self.close()
        for journal in self._journals:
            if journal.failed:
                raise _given_up(journal.path)
        with writing(str(self.path)):
            files = {name: self._synced(self.path / name, name) for name in self._names()}
            for folder in sorted({(self.path / name).parent for name in files} - {self.path}):
                sync_directory(folder)
            manifest = msgspec.structs.replace(manifest, key=self.key, files=files)
            write_manifest(self.path, manifest)
            move_in(self.path, target)
        return manifest

    def _names(self) -> list[str]:
        """The files that make the artifact, sorted: not the journals, nor what only a restart needs."""
        paths = sorted(self.path.rglob("*"))
        names = [p.relative_to(self.path).as_posix() for p in paths if p.is_file() and not _only_for_restart(p)]
        return [name for name in names if name != MANIFEST and name.split("/")[0] != SCRATCH]

    def _synced(self, path: Path, name: str) -> FileEntry:
        with open(path, "rb") as f:
            shared = self.path.stat().st_mode & 0o666  # as the umask has it: some libraries write for their user alone
            if not path.is_symlink() and os.fstat(f.fileno()).st_mode & 0o777 != shared:
                os.fchmod(f.fileno(), shared)
            os.fsync(f.fileno())
        rows, schema = self._records.get(name, (None, None))
        return FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size, rows=rows, schema=schema)


def _only_for_restart(path: Path) -> bool:
    return path.name.endswith((".journal", ".new"))


def move_in(draft: Path, target: Path) -> None:
    """Rename a draft whose manifest is written; what only a restart needs goes first, and not a moment before.

    The draft's own names are synced before anything is removed: after a power cut either the journals are there or the
    manifest and all that it lists. They are synced again before the renaming, or a finished artifact could have them.
    """
    sync_directory(draft)
    surplus = [path for path in draft.iterdir() if _only_for_restart(path)]
    for path in surplus:
        path.unlink()
    if surplus or (draft / SCRATCH).exists():
        shutil.rmtree(draft / SCRATCH, ignore_errors=True)
        sync_directory(draft)
    if target.exists():  # without a manifest it does not exist
        shutil.rmtree(target)
    os.rename(draft, target)
    sync_directory(target.parent)
