"""A disk after a power cut: what the recorded operations of a run may leave, when unsynced ones are lost.

The model is that of ALICE (Pillai et al. 2014), by inodes: an operation is safe once its file (what it holds) or its
folder (names in it) was synced after it; every other may be missing, whatever came later. A sync of a new file does
not save its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

ROOT = 0  # the inode of the home


@dataclass
class Operation:
    """One recorded call. ``touches`` are the inodes one of which must be synced to make it safe (all of them)."""

    what: str
    about: str
    touches: set[int] = field(default_factory=set)
    inode: int = -1  # of the content, or of what the name stands for
    place: int = 0
    data: bytes = b""
    old: tuple[int, str] | None = None  # (folder, name) that goes away
    new: tuple[int, str] | None = None  # (folder, name) that appears


@dataclass
class Disk:
    """Folders by inode ({name: inode}), files by inode, links by inode."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    files: dict[int, bytearray] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path) -> Disk:
        """A folder as it is, all of it safe."""
        disk = cls()
        numbers = {str(home): ROOT}
        for root, folders, files in os.walk(home):
            for name in (*folders, *files):
                path, number = os.path.join(root, name), len(numbers)
                numbers[path] = disk.folders[numbers[root]][name] = number
                if os.path.islink(path):
                    disk.links[number] = os.readlink(path)
                elif os.path.isdir(path):
                    disk.folders[number] = {}
                else:
                    disk.files[number] = bytearray(Path(path).read_bytes())
        return disk

    def copy(self) -> Disk:
        folders = {n: dict(names) for n, names in self.folders.items()}
        return Disk(folders, {n: bytearray(b) for n, b in self.files.items()}, dict(self.links))

    def apply(self, op: Operation) -> None:
        """Do one operation. What stands on something that was lost still happens, to what is not reachable."""
        if op.what in ("write", "truncate"):
            content = self.files.setdefault(op.inode, bytearray())
            size = op.place + len(op.data)
            content.extend(bytes(max(0, op.place - len(content))))
            content[op.place : size if op.what == "write" else None] = op.data
            return
        if op.old:
            names = self.folders.setdefault(op.old[0], {})
            if op.new is not None or names.get(op.old[1]) == op.inode:
                names.pop(op.old[1], None)
        if op.new:
            self.folders.setdefault(op.new[0], {})[op.new[1]] = op.inode
            if op.what == "mkdir":
                self.folders.setdefault(op.inode, {})
            elif op.what == "symlink":
                self.links[op.inode] = op.data.decode()
            elif op.what == "create":
                self.files.setdefault(op.inode, bytearray())

    def tree(self, folder: int = ROOT, above: str = "") -> Iterator[tuple[str, str | bytes | None]]:
        """(path, None for a folder, text for a link, bytes for a file) of everything that has a name, sorted."""
        for name, number in sorted(self.folders.get(folder, {}).items()):
            path = f"{above}{name}"
            if number in self.links:
                yield path, self.links[number]
            elif number in self.folders:
                yield path, None
                yield from self.tree(number, f"{path}/")
            else:
                yield path, bytes(self.files.get(number, b""))

    def write_to(self, home: Path) -> None:
        """Make the folder that this disk holds."""
        home.mkdir()
        for path, content in self.tree():
            place = home / path
            if content is None:
                place.mkdir()
            elif isinstance(content, str):
                place.symlink_to(content)
            else:
                place.write_bytes(content)


def operations(record: Path, home: Path, start: Disk) -> list[Operation]:
    """The recorded calls (shim.c) on a disk that began as ``start``, with the inodes they were about."""
    disk, ops, content = start.copy(), [], record.read_bytes()
    fresh = 1 + max([ROOT, *disk.folders, *disk.files, *disk.links])
    position = 0
    while position < len(content):
        end = content.index(b"\n", position)
        what, path, other, place, size = content[position:end].decode().split("\t")
        data = content[end + 1 : end + 1 + int(size)]
        position = end + 1 + int(size)
        for op in _meant(disk, fresh, what, _inside(path, home), other, home, int(place), data):
            fresh = max(fresh, op.inode + 1)
            if op.what != "fsync":
                disk.apply(op)
            ops.append(op)
    return ops


def _inside(path: str, home: Path) -> str | None:
    """A path below the home, without it; None for a file that has no name any more."""
    if path.endswith(" (deleted)"):
        return None
    inside = os.path.normpath(path)
    return "" if inside == str(home) else inside.removeprefix(f"{home}/")


def _find(disk: Disk, path: str) -> tuple[int, str, int | None]:
    """(folder, name, inode or None) of a path."""
    folder, name, number = ROOT, "", ROOT  # type: int, str, int | None
    for part in path.split("/") if path else ():
        assert number is not None and number in disk.folders, f"{path}: no such folder"
        folder, name, number = number, part, disk.folders[number].get(part)
    return folder, name, number


def _meant(
    disk: Disk, fresh: int, what: str, path: str | None, other: str, home: Path, place: int, data: bytes
) -> Iterator[Operation]:
    """The operations of the model that a recorded call stands for: none, one or two."""
    if path is None:
        return
    about = f"{what} {path}"
    folder, name, number = _find(disk, path)
    if what in ("open", "empty"):
        if number is None:
            yield Operation("create", about, {folder}, fresh, new=(folder, name))
        elif what == "empty" and disk.files[number]:
            yield Operation("truncate", about, {number}, number)
    elif what in ("write", "truncate"):
        assert number is not None, about
        yield Operation(what, about, {number}, number, place, data)
    elif what == "fsync":
        assert number is not None, about
        yield Operation(what, about, set(), number)
    elif what == "mkdir" and number is None:
        yield Operation(what, about, {folder}, fresh, new=(folder, name))
    elif what == "symlink" and number is None:
        yield Operation(what, about, {folder}, fresh, data=other.encode(), new=(folder, name))
    elif what in ("unlink", "rmdir") and number is not None:
        yield Operation(what, about, {folder}, number, old=(folder, name))
    elif what == "rename" and number is not None:
        target = _find(disk, _inside(other, home) or "")
        yield Operation(what, f"{about} to {other}", {folder, target[0]}, number, old=(folder, name), new=target[:2])
    elif what == "link":
        raise NotImplementedError("hard links are not modelled: star makes none")


ASIDE = ("artifacts/.locks/", "/progress.json", "/round-")  # in the path of what only helps people, or a living process


def cuts(ops: list[Operation], start: Disk, stride: int = 1, offset: int = 0) -> Iterator[tuple[str, Disk]]:
    """(what happened, the disk) of power cuts: each prefix, whole, less one or two unsynced operations, less all.

    Locks, progress and links are never synced and are lost all at once, or with all the rest. Of these states only
    those numbered ``offset``, ``offset + stride``, ... are made.
    """
    number = 0
    for n in range(len(ops) + 1):
        if n < len(ops) and ops[n].what == "fsync":
            continue  # the same operations as before it
        unsafe = _unsafe(ops[:n])
        mattering = [i for i in unsafe if not any(part in ops[i].about for part in ASIDE)]
        aside = tuple(i for i in unsafe if i not in mattering)
        losses = [lost for k in range(3) for lost in combinations(mattering, k)]
        for lost in dict.fromkeys([*losses, aside, tuple(unsafe)]):
            number += 1
            if number % stride != offset:
                continue
            disk = start.copy()
            for i, op in enumerate(ops[:n]):
                if i not in lost and op.what != "fsync":
                    disk.apply(op)
            names = [_about(ops, i) for i in lost[:3]]
            yield f"cut after {n} ({_about(ops, n - 1)}), {len(lost)} lost: {names}", disk


def _about(ops: list[Operation], n: int) -> str:
    return ops[n].about if n >= 0 else "nothing"


def _unsafe(ops: list[Operation]) -> list[int]:
    """The operations that no later sync made safe."""
    waiting: dict[int, set[int]] = {}
    for i, op in enumerate(ops):
        if op.what == "fsync":
            for missing in waiting.values():
                missing.discard(op.inode)
        else:
            waiting[i] = set(op.touches)
    return [i for i, missing in waiting.items() if missing]
