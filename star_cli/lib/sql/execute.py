"""One SELECT on one SQLite file, without trust: read-only, only what is listed, with a deadline and limits."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from star_cli.core.keys import file_sha256
from star_cli.lib.sql.text import tokens

ENDINGS = (".sqlite", ".sqlite3", ".db")
HEADER = b"SQLite format 3\x00"
BIG = 256 << 20  # bytes of a file above which its size and time stand for its content in the cache of results
OPS = 1000  # virtual-machine instructions between two looks at the clock
FUNCTIONS = frozenset(
    """abs avg ceil ceiling char coalesce concat concat_ws count cume_dist current_date current_time
    current_timestamp date datetime dense_rank exp first_value floor format glob group_concat hex ifnull iif instr
    julianday lag last_value lead length like ln log log10 log2 lower ltrim max min mod nth_value ntile nullif
    percent_rank pow power printf quote rank replace round row_number rtrim sign sqrt strftime string_agg substr
    substring sum time timediff total trim trunc typeof unicode unixepoch upper""".split()
)
FAULTS = (
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_CANTOPEN",
    "SQLITE_IOERR",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_PERM",
    "SQLITE_PROTOCOL",
)


@dataclass(frozen=True)
class Limits:
    """``rows`` and ``cells`` of a result, bytes of one ``value`` and of SQLite's ``memory``, characters of the SQL."""

    rows: int = 100_000
    cells: int = 1_000_000
    value: int = 1_000_000
    memory: int = 256 << 20
    length: int = 20_000


@dataclass(frozen=True)
class Result:
    """Names of the columns, and the rows in the order they came."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Failed(Exception):
    """A statement gave no result. ``late`` where it ran out of time."""

    def __init__(self, why: str, late: bool = False) -> None:
        super().__init__(why)
        self.why, self.late = why, late


class BadDatabase(Failed):
    """The database itself cannot be read; no statement is to blame."""


def instances(place: Path) -> list[Path]:
    """The databases of a folder, the one named like the folder first; or the one file. Raises BadDatabase."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise BadDatabase(f"the database {place} does not exist")
    found = sorted(p for p in place.iterdir() if p.is_file() and p.suffix in ENDINGS)
    if not found:
        raise BadDatabase(f"the folder {place} holds no database (a file ending in {', '.join(ENDINGS)})")
    return sorted(found, key=lambda p: p.stem != place.name)


def content_of(path: Path) -> str:
    """What addresses a database's content. Raises BadDatabase where it cannot be read."""
    try:
        known = path.stat()
        return _content(str(path), known.st_size, known.st_mtime_ns)
    except OSError as e:
        raise BadDatabase(f"the database {path} cannot be read: {e.strerror}") from None


@lru_cache(maxsize=4096)
def _content(path: str, size: int, changed: int) -> str:
    return file_sha256(Path(path)) if size <= BIG else f"{path} {size} {changed}"


def connect(path: Path, memory: int = Limits.memory) -> sqlite3.Connection:
    """A connection that cannot write and takes no lock. Raises BadDatabase."""
    try:
        with open(path, "rb") as f:
            head, size = f.read(100), os.fstat(f.fileno()).st_size
        for ending in ("-wal", "-journal"):
            beside = path.with_name(path.name + ending)
            if beside.exists() and beside.stat().st_size:
                raise BadDatabase(
                    f"the database {path} has unfinished changes in {beside.name}; close the program that writes it"
                )
    except OSError as e:
        raise BadDatabase(f"the database {path} cannot be read: {e.strerror}") from None
    if not head.startswith(HEADER) or len(head) < 100:
        raise BadDatabase(f"{path} is no SQLite database")
    page, pages = int.from_bytes(head[16:18]), int.from_bytes(head[28:32])
    if head[24:28] == head[92:96] and size < pages * (65536 if page == 1 else page):
        raise BadDatabase(f"the database {path} is cut off: it has {size:,} bytes, fewer than its header says")
    try:
        made = sqlite3.connect(
            f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            cached_statements=0,
        )
        made.execute("PRAGMA query_only=1")
        made.execute("PRAGMA temp_store=MEMORY")
        made.execute("PRAGMA trusted_schema=0")
        made.execute(f"PRAGMA hard_heap_limit={memory}")
    except sqlite3.Error as e:
        raise BadDatabase(f"the database {path} cannot be opened: {e}") from None
    made.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    return made


def run(path: Path, sql: str, deadline: float, limits: Limits | None = None, *, reverse: bool = False) -> Result:
    """The result of one SELECT. ``deadline`` is in seconds of ``time.monotonic``; ``reverse`` reads tables backwards
    where no order is asked for. Raises Failed, and BadDatabase where the file is to blame.
    """
    limits = limits or Limits()
    refuse(sql, limits)
    connection = connect(path, limits.memory)
    try:
        if reverse:
            connection.execute("PRAGMA reverse_unordered_selects=1")
        return query(connection, sql, deadline, limits, str(path))
    finally:
        connection.close()


def refuse(sql: str, limits: Limits) -> None:
    """Raise Failed for what is no single SELECT to begin with."""
    if len(sql) > limits.length:
        raise Failed(f"the SQL has {len(sql):,} characters, more than {limits.length:,}")
    if "\x00" in sql:
        raise Failed("the SQL holds a NUL byte")
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise Failed("the SQL is no valid Unicode") from None
    first = next(tokens(sql), None)
    if first is None or first.word not in ("SELECT", "WITH"):
        raise Failed(f"only a SELECT is executed, not {first.value[:20]!r}" if first else "there is no SQL")


def query(connection: sqlite3.Connection, sql: str, deadline: float, limits: Limits, name: str) -> Result:
    """Execute on an open connection, under the authorizer, the clock and the limits."""
    late = False

    def overdue() -> int:
        nonlocal late
        late = time.monotonic() > deadline
        return int(late)

    try:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)  # the clock of an earlier query may have run out
        listed = connection.execute(
            "SELECT lower(name), type = 'table' AND rootpage = 0 FROM sqlite_master WHERE type IN ('table', 'view')"
        ).fetchall()
        virtual = {str(name) for name, is_virtual in listed if is_virtual}
        own = {str(name) for name, is_virtual in listed if not is_virtual}
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.value)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 4 * limits.length)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
        connection.set_authorizer(_authorizer(own, virtual | _modules()))
        connection.set_progress_handler(overdue, OPS)
        cursor = connection.execute(sql)
        columns = tuple(str(d[0]) for d in cursor.description or ())
        rows: list[tuple[Any, ...]] = []
        held = 0
        for row in cursor:
            rows.append(row)
            held += sum(len(v) for v in row if isinstance(v, (str, bytes)))
            if held > limits.memory:
                raise Failed(f"the result has more than {limits.memory >> 20} MB of text")
            if len(rows) > limits.rows or len(rows) * len(columns) > limits.cells:
                raise Failed(f"the result has more than {limits.rows:,} rows or {limits.cells:,} cells")
        return Result(columns, rows)
    except sqlite3.Error as e:
        if late:
            raise Failed("no result within the time limit", late=True) from None
        if str(getattr(e, "sqlite_errorname", "")).startswith(FAULTS):
            raise BadDatabase(f"the database {name} cannot be read: {e}") from None
        raise Failed(str(e)) from None
    except sqlite3.Warning as e:
        raise Failed(str(e)) from None
    except MemoryError:
        raise Failed(f"the query needs more than {limits.memory >> 20} MB of memory") from None
    except (ValueError, OverflowError) as e:
        raise Failed(str(e)) from None


@cache
def _modules() -> frozenset[str]:
    """Names of the virtual tables that exist in every database: pragma_table_info, dbstat, json_each, ..."""
    connection = sqlite3.connect(":memory:")
    try:
        return frozenset(str(name).lower() for (name,) in connection.execute("PRAGMA module_list"))
    finally:
        connection.close()


def _authorizer(own: set[str], virtual: set[str]) -> Any:
    """Selecting, reading the database's ``own`` tables, recursion and the listed functions; no ``virtual`` table, no
    table of SQLite's own (sqlite_master and its like), nothing else.
    """

    def allowed(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            table = str(first or "").lower()
            if table.startswith("sqlite_") or table in virtual:
                return sqlite3.SQLITE_DENY
            # without a database: the statement names no column, or what is named is a WITH of its own
            return sqlite3.SQLITE_OK if table in own or not database else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in FUNCTIONS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return allowed
