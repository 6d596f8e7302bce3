"""The ledger of a run: what was built or found, one JSON line an event, in the order in which it happened.

runs/demo/ledger.jsonl
{"event": "start", "time": "2026-11-21T18:25:26+0000", "began": 1795285526.214}
{"event": "stage", "time": "...", "round": 1, "name": "filter", "stage": "filter", "key": "e1d8...", "hit": false,
 "seconds": 0.031, "metrics": {"solved": 41, "asked": 100, "kept": 41}, "began": 1795285531.077,
 "parts": {"grading": 0.027, "store": 0.004}}
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec

from star_cli.errors import StarError
from star_cli.store.durable import sync_directory, sync_file, writing
from star_cli.store.json_files import read_content
from star_cli.store.manifest import Count, Key, Seconds

LARGEST = 1 << 30  # bytes of a ledger
Name = Annotated[str, msgspec.Meta(pattern=r"^[^/\x00-\x1f\x7f.][^/\x00-\x1f\x7f]*\Z", max_length=200)]


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event", tag="start"):
    """The run was started or resumed; ``began`` is the time in seconds since 1970."""

    time: str
    began: float = 0.0


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event", tag="stage"):
    """A stage was built, or found (``hit``). ``name`` is what people call it: the link round-N/NAME leads to it.

    ``began`` is the time in seconds since 1970; ``parts`` says where the seconds went.
    """

    time: str
    round: Count
    name: Name
    stage: str
    key: Key
    hit: bool
    seconds: Seconds
    metrics: dict[str, Any] = {}
    began: float = 0.0
    parts: dict[str, Seconds] = {}

    @property
    def place(self) -> str:
        """Where people find it in the run: round-2/filter."""
        return f"round-{self.round}/{self.name}"

    @property
    def main(self) -> bool:
        """Whether it is what its round is about (a plain name), not something beside it (``evaluate-peeked``)."""
        return "-" not in self.name


TIMES = ("began", "parts")  # written where they are known

_decoder: msgspec.json.Decoder[Start | Event] = msgspec.json.Decoder(Start | Event)


def now() -> str:
    """The local time as ledgers and manifests write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def append(path: Path, line: Start | Event) -> None:
    """Add a line to a ledger, safe from a power cut; a line that a crash has torn is cut off first.

    Lines that only find what is there are synced, too: one that is lost before one that is kept would leave a hole.
    """
    tag = line.__struct_config__.tag
    fields = {name: value for name, value in msgspec.structs.asdict(line).items() if name not in TIMES or value}
    content = json.dumps({"event": tag, **fields}, ensure_ascii=False).encode() + b"\n"
    with writing(str(path)):
        fresh = not path.exists()
        with open(path, "ab+") as f:
            fcntl.flock(f, fcntl.LOCK_EX)  # another process may be appending: a line of its own must not look torn
            _cut_torn_line(f)
            f.write(content)
            sync_file(f)
        if fresh:
            sync_directory(path.parent)


def _cut_torn_line(f: BinaryIO) -> None:
    end = f.seek(0, os.SEEK_END)
    start = end
    while start and (f.seek(start - 1), f.read(1))[1] != b"\n":
        start -= 1
    if start < end:
        f.truncate(start)
    f.seek(0, os.SEEK_END)


def read(path: Path) -> Iterator[Start | Event]:
    """The lines of a ledger, in order; nothing where there is none.

    A last line without its newline was torn by a crash and is left out. Any other line that is not what star writes is
    a StarError that names file and line.
    """
    for number, line in _whole_lines(path):
        yield _decode(line, path, number)


def faults(path: Path) -> list[tuple[int, str]]:
    """The lines that cannot be read: [(line, what is wrong)]; line 0 stands for the whole file."""
    try:
        lines = list(_whole_lines(path))
    except StarError as e:
        return [(0, e.what)]
    unreadable = []
    for number, line in lines:
        try:
            _decode(line, path, number)
        except StarError as e:
            unreadable.append((number, e.what))
    return unreadable


def repair(path: Path) -> int:
    """Cut off what a power cut has left at the end: lines that cannot be read, behind the last good one.

    Returns how many were cut; lines in the middle stay. Raises StarError where the file itself cannot be read.
    """
    good_end = position = damaged = 0
    for number, line in _whole_lines(path):
        position += len(line) + 1
        try:
            _decode(line, path, number)
        except StarError:
            damaged += 1
        else:
            good_end, damaged = position, 0
    if damaged:
        with writing(str(path)), open(path, "rb+") as f:
            f.truncate(good_end)
            sync_file(f)
    return damaged


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number, line without its newline) of every line that is not torn."""
    try:
        content = read_content(path, hint=f"remove {path}; the artifacts stay", largest=LARGEST)
    except FileNotFoundError:
        return
    yield from enumerate(content.split(b"\n")[:-1], 1)


def _decode(line: bytes, path: Path, number: int) -> Start | Event:
    try:
        return _decoder.decode(line)
    except msgspec.MsgspecError as e:
        reason = str(e)
    except UnicodeDecodeError as e:
        reason = f"it is not UTF-8 ({e.reason})"
    except RecursionError:
        reason = "it is nested too deeply"
    raise StarError(
        f"{path}:{number}: not a line of a ledger: {reason}",
        hint=f"remove line {number}; its artifact stays, and star resume {path.parent.name} notes it again",
    )
