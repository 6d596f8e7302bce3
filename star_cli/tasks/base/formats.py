"""Rows of one data file: JSON lines (also gzipped), JSON, CSV or parquet, read strictly and with limits.

Each row is a dict and comes with the place it was read from, such as ``my.jsonl:17``. Whatever is wrong with a file is
a StarError that names file and line.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from star_cli.core.extras import command
from star_cli.errors import StarError, need

FORMATS = (".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet")
LINE = 64 << 20  # bytes of a line
WHOLE = 1 << 30  # bytes of a .json file, which is read at once
UNPACKED, RATIO = 64 << 20, 100  # a gzip file may unpack to the larger of: these bytes, this many times its size
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # in JSON: half of a character outside the basic plane
Row = tuple[str, dict[str, Any]]


def read(path: Path) -> Iterator[Row]:
    """Every row of one file with its place. Raises StarError where the file is not what its ending says."""
    try:
        if path.name.endswith(".parquet"):
            yield from _parquet(path)
        elif path.name.endswith(".json"):
            yield from _json(path)
        elif path.name.endswith(".csv"):
            yield from _csv(path)
        else:
            yield from _json_lines(path)
    except OSError as e:
        raise StarError(
            f"{path} cannot be read: {e.strerror or e}", hint="look at the file and its permissions, or copy it anew"
        ) from None


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), 1):
        where = f"{path}:{number}"
        if number == 1:
            need(not line.startswith(UTF16), f"{path} is UTF-16, expected UTF-8", f"iconv -f UTF-16 -t UTF-8 {path}")
            line = line.removeprefix(b"\xef\xbb\xbf")  # the mark that Windows puts before UTF-8
        if not line.strip():
            continue
        try:
            row = _decoder.decode(line.decode("utf-8").strip())
        except UnicodeDecodeError as e:
            raise StarError(f"{where}: not UTF-8: {e.reason}", hint="convert the file to UTF-8") from None
        except RecursionError:
            raise StarError(f"{where}: nested too deeply", hint="every line must be one JSON object") from None
        except ValueError as e:
            raise StarError(f"{where}: not valid JSON: {e}", hint="every line must be one JSON object") from None
        yield where, _checked(row, where, bool(SURROGATE.search(line)))


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked where it is gzipped."""
    packed = path.suffix == ".gz"
    if packed:
        stat = path.stat()
        _check_unpacked(path, stat.st_size, stat.st_mtime_ns)
    opened: IO[bytes] = gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[assignment]
    with opened as f:
        while line := f.readline(LINE + 1):
            if len(line) > LINE:
                raise StarError(
                    f"{path}: a line has more than {LINE:,} bytes", hint="every line must be one JSON object"
                )
            yield line


@lru_cache(maxsize=64)
def _check_unpacked(path: Path, size: int, changed: int) -> None:
    """Raise StarError for a gzip file that is damaged, or unpacks to far more than text does (a decompression bomb)."""
    limit, total = max(UNPACKED, RATIO * size), 0
    try:
        with gzip.open(path, "rb") as f:
            while total <= limit and (block := f.read(1 << 20)):
                total += len(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise StarError(f"{path} is no whole gzip file: {e}", hint="copy it anew") from None
    if total > limit:
        raise StarError(
            f"{path} unpacks to more than {limit:,} bytes, {limit // max(1, size):,} times its size, as no text does",
            hint="if it is meant to be so large, unpack it with gunzip and give the .jsonl file",
        )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _json(path: Path) -> Iterator[Row]:
    size = path.stat().st_size
    need(
        size <= WHOLE,
        f"{path} has {size:,} bytes, more than the {WHOLE:,} of a .json file that are read at once",
        "convert it to JSON lines (.jsonl): jq -c '.[]' FILE.json > FILE.jsonl",
    )
    content = path.read_bytes()
    need(not content.startswith(UTF16), f"{path} is UTF-16, expected UTF-8", f"iconv -f UTF-16 -t UTF-8 {path}")
    try:
        rows = _decoder.decode(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as e:
        raise StarError(
            f"{path}: not valid JSON: {e}", hint="expected a list of objects, or JSON lines in a .jsonl file"
        ) from None
    surrogates = bool(SURROGATE.search(content))
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        where = f"{path} row {number}"
        yield where, _checked(row, where, surrogates)


def _checked(row: Any, where: str, surrogates: bool) -> dict[str, Any]:
    """The row, which must be an object; where its text may hold half a character, it is looked for."""
    if not isinstance(row, dict):
        raise StarError(
            f"{where}: a {type(row).__name__}, not a JSON object", hint="every line must be one JSON object"
        )
    if surrogates:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as e:
            raise StarError(
                f"{where}: a text holds {e.object[e.start : e.end]!r}, half of a character", hint="mend or remove it"
            ) from None
    return row


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), LINE))
    with open(path, "rb") as raw:
        need(raw.read(2) not in UTF16, f"{path} is UTF-16, expected UTF-8", f"iconv -f UTF-16 -t UTF-8 {path}")
    with open(path, encoding="utf-8-sig", newline="") as f:
        number = 0
        try:
            rows = csv.reader(f, delimiter=_delimiter(f.readline()), strict=True)
            f.seek(0)
            names = next(rows, [])
            repeated = sorted({name for name in names if names.count(name) > 1})
            need(not repeated, f"{path}: the header names {', '.join(map(repr, repeated))} twice", "rename one of them")
            for number, values in enumerate(filter(None, rows), 1):
                if len(values) != len(names):
                    raise StarError(
                        f"{path} row {number}: it has {len(values)} columns, but the header {len(names)}",
                        hint="quote values that hold commas or line ends",
                    )
                yield f"{path} row {number}", dict(zip(names, values, strict=True))
        except UnicodeDecodeError as e:
            raise StarError(
                f"{path}: not UTF-8 after row {number}: {e.reason}", hint="convert the file to UTF-8"
            ) from None
        except csv.Error as e:
            raise StarError(
                f"{path}: no CSV after row {number}: {e}", hint="quote values that hold commas, quotes or line ends"
            ) from None


def _delimiter(header: str) -> str:
    """The comma; where the header has none, the semicolon or tab that it has (as some spreadsheets write)."""
    return next((sign for sign in (",", ";", "\t") if sign in header), ",")


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as e:
        raise StarError(
            "reading parquet needs pyarrow", hint=f"{command('pyarrow')}, or convert the file to JSON lines"
        ) from e
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(1024):
            for row in batch.to_pylist():
                number += 1
                yield f"{path} row {number}", row
    except ValueError as e:  # pyarrow's ArrowInvalid
        raise StarError(
            f"{path}: no parquet after row {number}: {str(e).splitlines()[0]}", hint="copy it anew"
        ) from None
