"""Strict reading of small JSON files as typed structs. Whatever is wrong with one is a sentence that names the file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from star_cli.errors import StarError

T = TypeVar("T")
LARGEST = 64 << 20  # bytes; a manifest of 100,000 files has about 20 MB
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Versioned(msgspec.Struct):
    """The one field that files of every version have."""

    format: str


def read_struct(path: Path, kind: type[T], what: str, *, hint: str, format: str | None = None) -> T:
    """The content of a JSON file as ``kind``.

    ``what`` says what the file should be ("an artifact's manifest"), ``format`` the version its field ``format`` must
    name. Raises FileNotFoundError where there is no such file, and StarError for anything else that is wrong with it.
    """
    content = read_content(path, hint=hint)
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as e:
        version = _format_of(content)
        if format and version not in (None, format):
            raise StarError(
                f"{path} has the format {version!r}, and this version of star reads {format!r}",
                hint="use the version of star that wrote it",
            ) from None
        raise StarError(f"{path} is not {what}: {e}", hint=hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise StarError(f"{path} is not valid JSON: {e}", hint=hint) from None
    except RecursionError:
        raise StarError(f"{path} is not {what}: it is nested too deeply", hint=hint) from None


def read_content(path: Path, *, hint: str, largest: int = LARGEST) -> bytes:
    """The bytes of a file that is no directory, device or pipe and not larger than ``largest``.

    Raises FileNotFoundError where there is none, StarError where it cannot be read.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise StarError(f"{path} is {kind}, not a file", hint=hint)
        if status.st_size > largest:
            raise StarError(f"{path} has {status.st_size:,} bytes, more than {largest:,} are not read", hint=hint)
        return path.read_bytes()
    except FileNotFoundError:
        if os.path.islink(path):
            raise StarError(f"{path} is a link to a file that is missing", hint=hint) from None
        raise
    except (OSError, ValueError) as e:  # ValueError: a path with a null byte
        reason = e.strerror if isinstance(e, OSError) else str(e)
        raise StarError(f"{path} cannot be read: {reason}", hint=hint) from None


def _format_of(content: bytes) -> str | None:
    try:
        return msgspec.json.decode(content, type=Versioned).format
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
