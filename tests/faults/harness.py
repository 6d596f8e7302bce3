"""Every call by which a run changes files fails once, or is where it is killed.

python tests/faults/harness.py SHIM HOME STRIDE OFFSET

The process was started with SHIM in LD_PRELOAD. It forks a run of the fakes for each point. After the fault `star
verify` must pass, the same command again must end with the very bytes of an undisturbed run, and another run's
artifacts must be untouched. Prints one line of JSON: counts by fault and call, and what went wrong.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import json
import os
import shutil
import signal
import sys
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

FAULTS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "kill": 0}
COMMON = [
    "model=fake",
    "rounds=1",
    "task.train=12",
    "problems=12",
    "task.dev=6",
    "tracking=none",
    "runtime.progress=none",
]


def main() -> None:
    shim = ctypes.CDLL(sys.argv[1])
    shim.faults_struck.restype = ctypes.c_char_p
    work, stride, offset = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    template, home = work / "template", work / "home"
    template.mkdir()
    warm(work / "warm")
    forked(template, ["run", *COMMON, "seed=7", "name=other"])
    others = hashes(template)
    fresh(template, home)
    total, _, code, said = forked(home, ["run", *COMMON, "name=demo"], shim, 1 << 40, 0)
    assert code == 0, said
    whole = hashes(home)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for n in range(1 + offset, total + 1, stride):
        for name, number in FAULTS.items():
            fresh(template, home)
            _, call, code, said = forked(home, ["run", *COMMON, "name=demo"], shim, n, number)
            about = f"{name} at call {n} of {total} ({call})"
            counts[f"{name} at {call}"] += 1
            if name == "kill":
                if code != -signal.SIGKILL:
                    wrong.append(f"{about}: it was not killed but ended with {code}: {said[-300:]}")
            elif code not in (0, 1) or "Traceback" in said:
                wrong.append(f"{about}: exit code {code}: {said[-1500:]}")
            _, _, code, said = forked(home, ["verify"])
            if code:
                wrong.append(f"{about}: star verify afterwards: {said[-300:]}")
            if {k: v for k, v in hashes(home).items() if k in others} != others:
                wrong.append(f"{about}: another run's artifacts were touched")
            _, _, code, said = forked(home, ["run", *COMMON, "name=demo"])
            if code:
                wrong.append(f"{about}: the same command again: {said[-300:]}")
            elif hashes(home) != whole:
                wrong.append(f"{about}: the same command again made other bytes")
    print(json.dumps({"total": total, "counts": dict(sorted(counts.items())), "wrong": wrong}))


def warm(home: Path) -> None:
    """A run in this process, so that every fork finds its modules imported."""
    from star_cli.cli.main import main as star

    home.mkdir()
    os.chdir(home)
    os.environ["STAR_HOME"] = str(home)
    for args in (["run", *COMMON, "name=warm"], ["verify"]):
        sys.argv = ["star", *args]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(SystemExit):
            star()


def fresh(template: Path, home: Path) -> None:
    """The home as it was before the run."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home, symlinks=True)


def hashes(home: Path) -> dict[str, str]:
    """The hash of every file of every finished artifact, but for the manifests, which say when they were made."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (home / "artifacts").glob("[0-9a-f]*")
        if (folder / "manifest.json").exists() and folder.suffix != ".partial"
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def forked(
    home: Path, args: list[str], shim: ctypes.CDLL | None = None, n: int = 0, number: int = 0
) -> tuple[int, str, int, str]:
    """(calls counted, the call that was struck, exit code or minus the signal, all that was printed)."""
    note = home.parent / "said"
    note.write_text("")
    child = os.fork()
    if not child:
        call(home, args, shim, n, number, note)
    _, status = os.waitpid(child, 0)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    said = note.read_text()
    count, struck, rest = said.split("\n", 2) if said.count("\n") >= 2 else ("0", "a kill", said)
    return int(count), struck, code, rest


def call(home: Path, args: list[str], shim: ctypes.CDLL | None, n: int, number: int, note: Path) -> None:
    """In the child: the command, with the n-th call struck. Never returns."""
    from star_cli.cli.main import main as star

    os.chdir(home)
    os.environ["STAR_HOME"] = str(home)
    sys.argv = ["star", *args]
    said, code = io.StringIO(), 0
    if shim:
        shim.faults_arm(str(home).encode(), ctypes.c_long(n), number)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            star()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        import traceback

        said.write(traceback.format_exc())
        code = 2
    count, struck = (shim.faults_count(), shim.faults_struck().decode()) if shim else (0, "")
    if shim:
        shim.faults_arm(b"", ctypes.c_long(0), 0)
    note.write_text(f"{count}\n{struck}\n{said.getvalue()}")
    os._exit(code)


if __name__ == "__main__":
    main()
