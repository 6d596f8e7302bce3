"""The filter of system calls: its numbers are the kernel's, and each call has the verdict that the list says."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from star_cli.graders.sandbox import seccomp

HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"),),
}


def listed() -> list[tuple[str, int | None, int | None]]:
    """(name, number on x86-64, number on aarch64) of every call in the list."""
    rows: list[tuple[str, int | None, int | None]] = []
    for entry in seccomp.ALLOWED.split():
        name, *numbers = entry.split(":")
        x86, arm = (None if n == "-" else int(n) for n in numbers)
        rows.append((name, x86, arm))
    return rows + [(c.name, *c.numbers) for c in seccomp.CHECKED]


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = next((p for p in HEADERS[machine] if p.exists()), None)
    if header is None:
        pytest.skip(f"no kernel headers for {machine} here")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    numbers = {name.removeprefix("3264_"): int(number) for name, number in found}
    if machine == "aarch64":
        numbers["newfstatat"] = numbers["fstatat"]
    known = [(name, row[seccomp.MACHINES[machine][0]]) for name, *row in listed()]
    wrong = [(n, v, numbers[n]) for n, v in known if v is not None and n in numbers and numbers[n] != v]
    assert wrong == []
    assert {n for n, v in known if v is not None and n not in numbers} <= {"fchmodat2"}, "newer than the headers"
    assert len({v for _, v in known if v is not None}) == len([v for _, v in known if v is not None])


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter returns for one call, by interpreting its instructions."""
    code = seccomp.program(machine)
    assert code is not None
    data = struct.pack("<IIQ6Q", number, architecture or seccomp.MACHINES[machine][1], 0, *(*arguments, *[0] * 6)[:6])
    steps, at, a = list(struct.iter_unpack("<HBBI", code)), 0, 0
    while True:
        op, yes, no, value = steps[at]
        at += 1
        if op == seccomp.RETURN:
            return int(value)
        if op == seccomp.LOAD:
            a = struct.unpack_from("<I", data, value)[0]
        elif op == seccomp.AND:
            a &= value
        else:
            at += yes if (a == value if op == seccomp.JUMP_EQUAL else a >= value) else no


PERMITTED, REFUSED = seccomp.ALLOW, seccomp.ERRNO | seccomp.EPERM


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_every_call_has_the_verdict_of_the_list(machine: str) -> None:
    column = seccomp.MACHINES[machine][0]
    allowed = seccomp.numbers(column)
    for number in range(600):
        if number in allowed:
            continue
        unknown = number > seccomp.NEWEST or number == seccomp.CLONE3
        assert verdict(machine, number) == (seccomp.ERRNO | seccomp.ENOSYS if unknown else REFUSED), number
    assert all(verdict(machine, n) == PERMITTED for n, check in allowed.items() if check is None)
    assert verdict(machine, 39 | 0x40000000) == REFUSED, "a call of x32"
    assert verdict(machine, 0, architecture=0x40000003) == seccomp.KILL, "a 32-bit call"


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_checked_calls_depend_on_their_argument(machine: str) -> None:
    for check in seccomp.CHECKED:
        number = check.numbers[seccomp.MACHINES[machine][0]]
        if number is None:
            continue
        before = [0] * check.argument
        for value in check.values:
            assert verdict(machine, number, *before, value) == PERMITTED, check
            assert verdict(machine, number, *before, value | 1 << 40) == PERMITTED, "the kernel reads 32 bits"
        assert verdict(machine, number, *before, check.mask & 0x5A5A5A5A) == REFUSED, check


def test_an_architecture_without_a_list_has_no_filter() -> None:
    assert seccomp.program("riscv64") is None
