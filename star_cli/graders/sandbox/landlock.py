"""Landlock: a process gives up, for good, what it does not need of files, TCP ports, sockets and signals.

Source: Linux Documentation/userspace-api/landlock.rst. The kernel says which version it has; rights that it does not
know are not asked for. Whatever the rules allow, a process under them cannot mount, unmount or change its root.
"""

from __future__ import annotations

import ctypes
import os
import struct

CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # the same numbers on every architecture
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_BLOCK = 1, 2, 4, 8, 1 << 6, 1 << 11
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # by version
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # truncate, device ioctls


def version(libc: ctypes.CDLL) -> int:
    """The kernel's Landlock version, 0 where there is none."""
    return max(0, int(libc.syscall(CREATE, None, ctypes.c_size_t(0), 1)))


def rules(libc: ctypes.CDLL, abi: int, readable: list[str], writable: list[str]) -> int:
    """A descriptor of rules that allow these trees alone: ``readable`` ones to be read, ``writable`` ones everything
    but execution and devices. No TCP (from version 4), no signal to and no abstract socket of anybody outside (from
    version 6). Raises OSError.
    """
    files = next(FILE_RIGHTS[v] for v in (5, 3, 2, 1) if abi >= v)
    attributes = struct.pack("QQQ", files, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    ruleset = int(libc.syscall(CREATE, attributes, ctypes.c_size_t(len(attributes)), 0))
    _check(ruleset)
    for paths, rights in ((readable, READ_FILE | READ_DIR), (writable, files & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK))):
        for path in paths:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            here = rights if os.path.isdir(path) else rights & OF_A_FILE
            _check(libc.syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", here, place), 0))
            os.close(place)
    return ruleset


def restrict(libc: ctypes.CDLL, ruleset: int) -> None:
    """Put the rules on the calling process and all that it will start. Needs no_new_privs. Raises OSError."""
    _check(libc.syscall(RESTRICT, ruleset, 0))


def _check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
