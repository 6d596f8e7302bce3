"""Databases by their content: where they lie on this machine is noted in a cache, and a problem names no path.

A problem's ``meta.database`` is an address, ``sqlite:8d4e0f51c2a97b36/pets``: the hash of the content and a name. The
cache belongs to one user, lies below the system's directory for temporary files (TMPDIR moves it), and holds

    star-databases-<user id>/8d4e0f51c2a97b36/pets.json     where the database lies, and what its files were like
    star-databases-<user id>/8d4e0f51c2a97b36/pets/         its files, where it was written from scripts
    star-databases-<user id>/sums/                          hashes of large files that were read before

A task notes its databases whenever its settings are checked, so a cache that was removed fills itself again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.core.keys import file_sha256, key
from star_cli.errors import StarError
from star_cli.lib.sql.execute import FUNCTIONS, BadDatabase, instances

SECONDS = 20.0  # writing one database from its script may take
PAGES = 1 << 16  # of 4 KiB, that a database written from a script may have
LARGE = 16 << 20  # bytes of a file above which its hash is kept in the cache
ADDRESS = re.compile(r"sqlite:([0-9a-f]{16})/([^/]+)")
WRITES = {
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_REINDEX,
}


def cache_directory() -> Path:
    """The cache of this user. Raises StarError where it cannot be made, or somebody else made it."""
    place = Path(tempfile.gettempdir()) / f"star-databases-{os.getuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        foreign = place.is_symlink() or place.stat().st_uid != os.getuid()
    except OSError as e:
        raise StarError(
            f"the folder {place} for databases cannot be made: {e.strerror}", hint="set TMPDIR to a directory of yours"
        ) from None
    if foreign:
        raise StarError(f"{place} belongs to another user", hint="remove it, or set TMPDIR to a directory of your own")
    return place


def address_of_files(place: Path) -> str:
    """The address of a database that lies at ``place``: a folder of instances, or one file.

    Other files, or the same ones with another byte, have another address. Raises BadDatabase where nothing can be read.
    """
    try:
        sums = {path.name: file_sum(path) for path in instances(place)}
    except OSError as e:
        raise BadDatabase(f"the database {place} cannot be read: {e.strerror}") from None
    content = key(["sqlite", sums])[:16]
    folder = place.parent if place.is_file() else place
    _note(content, place.name, {"place": str(place.resolve()), "files": _states(folder, sums)})
    return f"sqlite:{content}/{place.name}"


def addresses_below(folder: Path) -> dict[str, str]:
    """{name: address} of every database that has a folder in ``folder``; "" where nothing can be read."""
    addresses: dict[str, str] = {}
    for place in sorted(p for p in folder.iterdir() if p.is_dir()):
        try:
            addresses[place.name] = address_of_files(place)
        except BadDatabase:
            addresses[place.name] = ""
    return addresses


def address_of_scripts(name: str, scripts: list[str]) -> str:
    """The address of a database with one instance for each script: NAME.sqlite, NAME_b.sqlite, ...

    The files are written into the cache unless they are there and unchanged; the address depends on the scripts alone,
    not on SQLite's version. Raises StarError for a script that is not CREATE TABLE and INSERT statements.
    """
    content = key(["scripts", name, scripts])[:16]
    address = f"sqlite:{content}/{name}"
    try:
        locate(address)
        return address
    except BadDatabase:
        pass
    folder = cache_directory() / content / name
    folder.parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
    try:
        files = [f"{name}{'_' + chr(ord('a') + i) if i else ''}.sqlite" for i in range(len(scripts))]
        for file, script in zip(files, scripts, strict=True):
            write_database(draft / file, script)
        sums = {file: file_sha256(draft / file) for file in files}
        folder.mkdir(exist_ok=True)
        for file in files:
            os.replace(draft / file, folder / file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _note(content, name, {"place": str(folder), "files": _states(folder, sums)})
    return address


def locate(address: str) -> Path:
    """Where the database of an address lies on this machine; anything that is no address is a path already.

    Raises BadDatabase where this machine does not know it, or its files were changed since.
    """
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        return Path(address)
    content, name = parts.groups()
    try:
        note = json.loads((cache_directory() / content / f"{name}.json").read_bytes())
        place, files = Path(note["place"]), dict(note["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BadDatabase(
            f"where the database {name} ({content}) lies is not known on this machine; star plan with the settings of "
            "its task finds it"
        ) from None
    paths = {path.name: path for path in instances(place)}
    if paths.keys() != files.keys() or not all(_unchanged(path, *files[file]) for file, path in paths.items()):
        raise BadDatabase(
            f"the database {place} was changed since these problems were made; run the task again, which makes new ones"
        )
    return place


def _unchanged(path: Path, digest: str, size: int, changed: int) -> bool:
    try:
        return _state(path) == [size, changed] or file_sum(path) == digest
    except OSError as e:
        raise BadDatabase(f"the database {path} cannot be read: {e.strerror}") from None


def file_sum(path: Path) -> str:
    """The sha256 of a file's bytes in hex; of a large file it is read once and kept in the cache. Raises OSError."""
    stat = path.stat()
    return _sum(str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@lru_cache(maxsize=65536)
def _sum(path: str, *state: int) -> str:
    if state[0] < LARGE:
        return file_sha256(Path(path))
    name = hashlib.sha256(json.dumps([path, *state]).encode()).hexdigest()[:32]
    kept = cache_directory() / "sums" / name
    if not kept.exists():
        _write(kept, file_sha256(Path(path)))
    return kept.read_text()


def _state(path: Path) -> list[int]:
    """Size in bytes and time of the last change in ns: what tells that a file was changed, without reading it."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _states(folder: Path, sums: dict[str, str]) -> dict[str, list[Any]]:
    return {file: [digest, *_state(folder / file)] for file, digest in sums.items()}


def _note(content: str, name: str, note: dict[str, Any]) -> None:
    path = cache_directory() / content / f"{name}.json"
    text = json.dumps(note)
    if not path.exists() or path.read_text() != text:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all, whoever else does."""
    path.parent.mkdir(exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    with open(handle, "w") as f:
        f.write(text)
    os.replace(draft, path)


def write_database(path: Path, script: str) -> None:
    """A new SQLite file from CREATE TABLE and INSERT statements. Raises StarError for anything else in the script."""
    deadline = time.monotonic() + SECONDS

    def allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        fine = action in WRITES or (action == sqlite3.SQLITE_FUNCTION and str(second).lower() in FUNCTIONS)
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA max_page_count={PAGES}")
        connection.set_authorizer(allowed)
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 1000)
        connection.executescript(f"BEGIN;\n{script}\n;COMMIT;")
    except (sqlite3.Error, ValueError) as e:
        raise StarError(
            f"the tables of a database cannot be made: {e}", hint="give CREATE TABLE and INSERT statements"
        ) from None
    finally:
        connection.close()
