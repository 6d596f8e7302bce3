"""Writes that survive a crash: every fsync, every rename into place and every sync of a directory stands here.

The order that no crash can break: write the content, fsync the file, rename it into place, fsync the directory that
holds its name. A full disk (ENOSPC) and a failing one (EIO) become sentences. After EIO the kernel may have dropped
what it could not write and still report success for the next fsync (Rebello et al. 2020, "Can Applications Recover
from fsync Failures?"), so nobody calls fsync on that file again: ``DiskFailed`` ends whatever was being written.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from star_cli.errors import StarError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNABLE = (errno.EINVAL, errno.ENOTSUP)  # of a file system that has no sync of directories, such as some network shares
TEMPORARY = re.compile(r"(?P<name>.+)\.(?P<pid>[0-9]+)\.new")  # run.json.4711.new: being written by process 4711


class DiskFailed(StarError):
    """The disk reported an I/O error. What was not synced before may be lost, so this file must not be trusted."""


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn a full disk into a StarError and an I/O error into DiskFailed; ``what`` is the file or folder."""
    try:
        yield
    except OSError as e:
        if e.errno in FULL:
            raise StarError(
                f"the disk is full while writing {what} ({e.strerror})",
                hint="free some space (star gc --dry-run shows what is unused) and run the same command "
                "again; nothing finished is lost",
            ) from e
        if e.errno == errno.EIO:
            raise DiskFailed(
                f"the disk failed while {what} was written ({e.strerror})",
                hint="look at the system's log and the disk's health; the same command again continues from what was "
                "safe before, nothing finished is lost",
            ) from e
        raise


def sync_file(file: IO[Any]) -> None:
    """Make what was written to an open file survive a power cut."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut: files created, renamed and removed in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as e:
        if e.errno not in UNABLE:
            raise
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory, its parents too, so that its name survives a power cut."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def temporary(path: Path) -> Path:
    """Where this process writes a file before it is renamed to ``path``; two processes may do so at once."""
    return path.with_name(f"{path.name}.{os.getpid()}.new")


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a whole file so that a reader sees the old content or the new one, never a half, after a crash too."""
    fresh = temporary(path)
    try:
        with open(fresh, "wb") as file:
            file.write(content)
            sync_file(file)
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    return path


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, as ``write_bytes`` does. A number that is not finite is a StarError."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        content = (text + "\n").encode()
    except ValueError as e:
        raise StarError(f"{path} cannot be written, a value in it is not finite or not Unicode: {e}") from None
    write_bytes(path, content)


def write_link(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to ``target``, replacing what stands there in one step."""
    fresh = temporary(link)
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    try:
        os.replace(fresh, link)
    except OSError:
        fresh.unlink()
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove from a folder the temporary files of processes that are gone, which a kill left behind."""
    with suppress(OSError):
        for path in folder.iterdir():
            match = TEMPORARY.fullmatch(path.name)
            if match and (int(match["pid"]) == os.getpid() or not process_alive(int(match["pid"]))):
                with suppress(OSError):
                    path.unlink()


def process_alive(pid: int) -> bool:
    """Whether a process of this number exists on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists and belongs to somebody else
        return True
    return True
