"""Databases made from scripts: SQLite files in a cache below the system's temporary directory, written once.

They lie in ``<temp>/star-databases-<user id>/<hash of the scripts>/NAME.sqlite`` (TMPDIR moves it). Whatever is missing
is written again; nothing refers to the place by more than its content.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from star_cli.core.keys import key
from star_cli.errors import StarError
from star_cli.lib.sql.execute import FUNCTIONS

SECONDS = 20.0
PAGES = 1 << 16  # of 4 KiB, of a database made from a script
NAME = "star-databases-"
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


def cache() -> Path:
    """The cache's directory, of this user alone. Raises StarError where somebody else made it."""
    place = Path(tempfile.gettempdir()) / f"{NAME}{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        raise StarError(f"{place} belongs to another user", hint="remove it, or set TMPDIR to a directory of your own")
    return place


def placed(told: str) -> Path:
    """Where a database lies that a problem tells of: one of a cache is looked for in this user's cache first, wherever
    the cache was when the problem was made (another TMPDIR, user or machine)."""
    place = Path(told)
    at = next((i for i, part in enumerate(place.parts) if part.startswith(NAME)), None)
    if at is None:
        return place
    here = cache().joinpath(*place.parts[at + 1 :])
    return here if here.exists() else place


def made(name: str, scripts: list[str]) -> Path:
    """A folder of databases, one of each script: NAME.sqlite, NAME_b.sqlite, ... Raises StarError for a bad script."""
    folder = cache() / key(["databases", name, scripts])[:16] / name
    files = [folder / f"{name}{'_' + chr(ord('a') + i) if i else ''}.sqlite" for i in range(len(scripts))]
    if all(f.exists() for f in files):
        return folder
    parent = folder.parent
    parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=parent, prefix=".draft-"))
    try:
        for file, script in zip(files, scripts, strict=True):
            write(draft / file.name, script)
        folder.mkdir(exist_ok=True)
        for file in files:
            os.replace(draft / file.name, file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def write(path: Path, script: str) -> None:
    """A new database from CREATE TABLE and INSERT statements; nothing else is executed."""
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
