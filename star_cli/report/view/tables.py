"""Samples as tables of DuckDB, made from the JSONL files as they lie; filters, sorting and paging happen there.

A set is read once into memory, by DuckDB's own reader with every column declared, and forgotten when others need the
room. What a running stage has written so far is read anew whenever its journal has grown. The only door to DuckDB.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.core.records import Example, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError
from star_cli.report.view.library import SampleSet
from star_cli.store.artifacts import Artifact

Row = dict[str, Any]
KEPT_BYTES = 2 << 30  # of JSONL files whose tables stay
MEMORY, THREADS = "4GB", 4  # DuckDB's share of a machine on which a run may be going on; what is more goes to disk
SLOW = 0.5  # seconds: a journal that takes longer to read is not read anew at every look
REST = 5.0  # but when so many times that time has passed
LONGEST_LINE = 64 << 20
PROBLEM = {"id": "VARCHAR", "question": "VARCHAR", "answer": "VARCHAR", "choices": "VARCHAR[]", "meta": "JSON"}
RATIONALE = {
    "problem_id": "VARCHAR",
    "sample": "BIGINT",
    "text": "VARCHAR",
    "hinted": "BOOLEAN",
    "finish": "VARCHAR",
    "tokens": "BIGINT",
    "logprob": "DOUBLE",
    "prompt_key": "VARCHAR",
}
VERDICT = {
    "problem_id": "VARCHAR",
    "sample": "BIGINT",
    "correct": "BOOLEAN",
    "answer": "VARCHAR",
    "reason": "VARCHAR",
    "wrong_steps": "BIGINT",
}
EXAMPLE = {"problem_id": "VARCHAR", "sample": "BIGINT"}
SCORE = {"problem_id": "VARCHAR", "sample": "BIGINT", "score": "DOUBLE"}
MADE = """
CREATE OR REPLACE TABLE {name} AS
WITH r AS (SELECT *, row_number() OVER () AS place FROM {rationales}),
     v AS (SELECT * FROM {verdicts}),
     p AS (SELECT DISTINCT ON (id) * FROM {problems}),
     e AS (SELECT DISTINCT problem_id, sample FROM {examples}),
     s AS (SELECT DISTINCT ON (problem_id, sample) * FROM {scores})
SELECT r.*, v.correct, v.answer, v.reason, v.wrong_steps, p.question, p.answer AS gold, p.choices, p.meta,
       CASE WHEN v.reason IS NULL THEN 'not graded' WHEN v.reason = 'GRADER_ERROR' THEN 'undecided'
            WHEN v.correct THEN 'right' ELSE 'wrong' END AS outcome,
       e.problem_id IS NOT NULL AS kept, s.score, length(r.text) AS characters
FROM r LEFT JOIN v USING (problem_id, sample) LEFT JOIN p ON p.id = r.problem_id
       LEFT JOIN e USING (problem_id, sample) LEFT JOIN s USING (problem_id, sample)
ORDER BY r.place
"""


@dataclass(frozen=True)
class Made:
    """A table that is there: its name, how long its journal was, the bytes it was made of, and until when (of the
    monotonic clock) a journal that has grown is not read again.
    """

    table: str
    state: int
    bytes: int
    until: float = 0.0


class Tables:
    """The tables of the sets that were looked at, the most recent last."""

    def __init__(self) -> None:
        import duckdb

        self._links = tempfile.TemporaryDirectory(prefix="star-view-")
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": min(THREADS, os.cpu_count() or 1),
            "memory_limit": MEMORY,
            "temp_directory": self._links.name,
        }
        self._connection = duckdb.connect(":memory:", config=settings)
        self._lock = threading.Lock()
        self._tables: dict[str, Made] = {}  # by the key of a set
        self._number = 0

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()
        self._links.cleanup()

    def of(self, one: SampleSet) -> str:
        """The name of the table of a set, made now where it is not there.

        Raises StarError where a file is gone, was changed since it was made, or is no JSON.
        """
        with self._lock:
            state = one.journal.stat().st_size if one.journal and one.journal.exists() else 0
            made = self._tables.pop(one.key, None)
            grown = made is not None and made.state != state
            if made is None or (grown and time.monotonic() > made.until):
                name = made.table if made else self._fresh("samples")
                started = time.monotonic()
                self._make(one, name)
                took = time.monotonic() - started
                rest = REST * took if took > SLOW else 0.0
                made = Made(name, state, state or one.bytes, time.monotonic() + rest)
            self._tables[one.key] = made
            self._forget()
            return made.table

    def has(self, one: SampleSet) -> bool:
        """Whether the table of a set is there."""
        return one.key in self._tables

    def verdicts(self, artifact: Artifact) -> str:
        """A table of the verdicts of an artifact, for setting them against others."""
        with self._lock:
            key = f"verdicts {artifact.key}"
            if key not in self._tables:
                name = self._fresh("verdicts")
                self._run(f"CREATE TABLE {name} AS SELECT * FROM {self._reader(artifact, Verdict.file, VERDICT)}")
                self._tables[key] = Made(name, 0, artifact.manifest.files[Verdict.file].bytes)
            return self._tables[key].table

    def noted(self, name: str, columns: dict[str, str], rows: Callable[[], Iterable[list[Any]]]) -> str:
        """A table of rows made in Python, once for each ``name``; ``columns`` are their names and types."""
        with self._lock:
            if name not in self._tables:
                table = self._fresh("noted")
                path = Path(self._links.name) / f"{table}.jsonl"
                with open(path, "w", encoding="utf-8") as f:
                    f.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows())
                self._run(f"CREATE TABLE {table} AS SELECT * FROM {_json_reader([path], columns)}")
                path.unlink()
                self._tables[name] = Made(table, 0, 0)
            return self._tables[name].table

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[Row]:
        """The result of a query, a dictionary a row. ``values`` stand for its question marks."""
        cursor = self._connection.cursor()
        try:
            found = cursor.execute(sql, list(values))
            names = [column[0] for column in found.description or []]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        finally:
            cursor.close()

    def _make(self, one: SampleSet, name: str) -> None:
        self._run(
            MADE.format(
                name=name,
                rationales=self._reader(one.rationales, Rationale.file, RATIONALE)
                if one.rationales
                else _journal_reader(self._linked(one.journal)),
                verdicts=self._reader(one.verdicts, Verdict.file, VERDICT),
                problems=self._reader(one.problems, Problem.file, PROBLEM),
                examples=self._reader(one.verdicts if one.keeps else None, Example.file, EXAMPLE),
                scores=self._reader([a for _, a in one.scores][:1], Score.file, SCORE),
            )
        )

    def _run(self, sql: str) -> None:
        import duckdb

        try:
            self._connection.execute(sql)
        except duckdb.Error as e:
            raise StarError(
                f"the samples cannot be read: {str(e).strip().splitlines()[0]}",
                hint="star verify says which file it is",
            ) from None

    def _reader(self, source: Artifact | Iterable[Artifact] | None, file: str, columns: dict[str, str]) -> str:
        """The SQL that reads one file of each of some artifacts; of none an empty table."""
        artifacts = [source] if isinstance(source, Artifact) else list(source or ())
        paths = [self._linked(a.file(file)) for a in artifacts]
        if not paths:
            nothing = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
            return f"(SELECT {nothing} WHERE false)"
        return _json_reader(paths, columns)

    def _linked(self, path: Path | None) -> Path:
        """A path that DuckDB does not take for a pattern of several files."""
        assert path is not None
        if not set(str(path)) & set("*?[]{}"):
            return path
        link = Path(self._links.name) / f"{self._fresh('link')}.jsonl"
        os.symlink(path.absolute(), link)
        return link

    def _fresh(self, name: str) -> str:
        self._number += 1
        return f"{name}_{self._number}"

    def _forget(self) -> None:
        """Drop the tables that were not used for longest, as long as all are larger than what may stay."""
        while len(self._tables) > 1 and sum(made.bytes for made in self._tables.values()) > KEPT_BYTES:
            oldest = self._tables.pop(next(iter(self._tables)))
            self._connection.execute(f"DROP TABLE IF EXISTS {oldest.table}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json_reader(paths: list[Path], columns: dict[str, str]) -> str:
    names = ", ".join(_quoted(str(path)) for path in paths)
    kinds = ", ".join(f"{column}: {_quoted(kind)}" for column, kind in columns.items())
    return (
        f"read_json([{names}], format = 'newline_delimited', columns = {{{kinds}}}, "
        f"maximum_object_size = {LONGEST_LINE})"
    )


def _journal_reader(path: Path) -> str:
    """The rationales of a journal: lines of JSON, a tab and eight hex digits; a torn or damaged line is left out."""
    fields = ", ".join(
        f"CAST(json_extract_string(line, '$.{column}') AS {kind}) AS {column}" for column, kind in RATIONALE.items()
    )
    return (
        f"(SELECT {fields} FROM read_csv({_quoted(str(path))}, delim = '\\t', header = false, quote = '', escape = '', "
        "columns = {'line': 'VARCHAR', 'checksum': 'VARCHAR'}, null_padding = true, ignore_errors = true, "
        f"max_line_size = {LONGEST_LINE}, auto_detect = false, strict_mode = false) "
        "WHERE length(checksum) = 8 AND json_valid(line))"
    )
