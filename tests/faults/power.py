"""Power cuts: from the recorded calls of one run on fakes, every disk that a cut may leave, verified and resumed.

python tests/faults/power.py SHIM HOME STRIDE OFFSET

The process was started with SHIM in LD_PRELOAD. On each disk `star verify` must pass, and the same command again must
end with the very bytes of an undisturbed run. Prints one line of JSON: counts, and what went wrong.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import sys
from pathlib import Path

from disk import Disk, cuts, operations
from harness import COMMON, forked, fresh, hashes, warm

RUN = ["run", *COMMON, "runtime.sync_seconds=0", "name=demo"]


def main() -> None:
    shim = ctypes.CDLL(sys.argv[1])
    shim.faults_struck.restype = ctypes.c_char_p
    work, stride, offset = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    template, home, record = work / "template", work / "home", work / "record"
    template.mkdir()
    warm(work / "warm")
    forked(template, ["run", *COMMON, "seed=7", "name=other"])
    fresh(template, home)
    start = Disk.of(home)
    shim.faults_record(str(record).encode())
    _, _, code, printed = forked(home, RUN, shim, 1 << 40, 0)
    assert code == 0, printed
    whole = hashes(home)
    ops = operations(record, home, start)
    replayed = start.copy()
    for op in ops:
        replayed.apply(op)
    missing = set(Disk.of(home).tree()) ^ set(replayed.tree())
    assert not missing, f"the record does not say how these came about: {sorted(p for p, _ in missing)}"
    tried, wrong = 0, []  # type: int, list[str]
    for about, disk in cuts(ops, start, stride, offset):
        tried += 1
        if not tried % 25:
            print(f"{tried} power cuts, {len(wrong)} wrong", file=sys.stderr, flush=True)
        shutil.rmtree(home)
        disk.write_to(home)
        _, _, code, printed = forked(home, ["verify"])
        if code:
            wrong.append(f"{about}: star verify: {printed[-300:]}")
        _, _, code, printed = forked(home, RUN)
        if code:
            wrong.append(f"{about}: the same command again: {printed[-600:]}")
        elif hashes(home) != whole:
            wrong.append(f"{about}: the same command again made other bytes")
    print(json.dumps({"operations": len(ops), "tried": tried, "wrong": wrong}))


if __name__ == "__main__":
    main()
