"""The hostile programs of the tests in this sandbox and in two others, bubblewrap and firejail (Debian's packages), and
verdicts a second of each: python scripts/bench/sandboxes.py [--only call].

The others are used as they mostly are: program and tests in one file, one start of the system's Python for a verdict,
exit code 0 is a pass; with all that their options offer against such programs, and prlimit where they have no limits.
Run it as root: the others then run as users that nobody is.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from grading import accounted

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "contracts"))
from hostile_programs import PROGRAMS  # noqa: E402
from raid import HIDDEN, LIMITS, Raid, raid, surrounded  # noqa: E402

from star_cli.graders.sandbox import run as sandbox  # noqa: E402

PYTHON = "/usr/bin/python3"
HONEST = "def double(x):\n    return 2 * x\n"
TESTS = ["assert double(2) == 4", "assert double([1]) == [1, 1]"]
COUNTS = {"star": 300, "bubblewrap": 60, "firejail": 15}
FIRST, LAST = 471_100, 500_000  # user ids of the others: another one for each program, because limits count by user
USERS = itertools.count(FIRST)
BOUNDS = (
    f"prlimit --as={LIMITS.memory} --nproc={LIMITS.processes} --fsize={LIMITS.disk // 4} --nofile=64 --core=0".split()
)
BUBBLEWRAP = """
bwrap --unshare-all --unshare-user --disable-userns --uid 65534 --gid 65534 --cap-drop ALL --die-with-parent
 --new-session --clearenv --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64
 --dev-bind /dev/null /dev/null --dev-bind /dev/urandom /dev/urandom
 --size {disk} --tmpfs /box --chdir /box --ro-bind {file} /program.py"""
FIREJAIL = """
firejail --quiet --noprofile --net=none --caps.drop=all --seccomp --nonewprivs --private --private-dev
 --private-tmp --private-cwd --private-etc=none --blacklist=/sys --ipc-namespace --nogroups --nosound
 --rlimit-as={memory} --rlimit-nproc={processes} --rlimit-fsize={file_size} --rlimit-nofile=64
 --deterministic-exit-code"""


def command(kind: str, file: Path, user: int) -> list[str]:
    """How one program is run by another sandbox, as an ordinary user."""
    as_user = f"setpriv --reuid {user} --regid {user} --clear-groups".split()
    words = {"file": file, "disk": LIMITS.disk, "memory": LIMITS.memory}
    words |= {"processes": LIMITS.processes, "file_size": LIMITS.disk // 4}
    if kind == "bubblewrap":
        return [*as_user, *BOUNDS, *BUBBLEWRAP.format(**words).split(), PYTHON, "-I", "-S", "/program.py"]
    accounts = file.with_name("accounts")  # firejail wants a user that has a name and a home
    accounts.write_text(f"root:x:0:0::/root:/bin/sh\nbench:x:{user}:{user}::{file.with_name('home')}:/bin/sh\n")
    named = ["unshare", "--mount", "sh", "-c", f'mount --bind {accounts} /etc/passwd && exec "$@"', "sh"]
    return [*named, *as_user, *FIREJAIL.format(**words).split(), PYTHON, "-I", "-S", str(file)]


def ask_other(kind: str, program: str, tests: list[str] = HIDDEN) -> sandbox.Outcome:
    """The verdict of another sandbox: what the exit code says."""
    place = Path(tempfile.mkdtemp(prefix="star-bench-", dir="/var/lib"))
    try:
        file = place / "program.py"
        file.write_text("\n".join([program, *tests]), errors="surrogatepass")
        place.chmod(0o755)
        file.chmod(0o644)
        (place / "home").mkdir()
        user = next(USERS)
        os.chown(place / "home", user, user)
        with tempfile.TemporaryFile() as printed:
            process = subprocess.Popen(
                command(kind, file, user),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                status = "failed" if process.wait(LIMITS.seconds) else "passed"
            except subprocess.TimeoutExpired:
                status = "timeout"
                process.terminate()
                try:
                    process.wait(2)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, 9)
                    process.wait()
            printed.seek(0)
            output = printed.read(sandbox.OUTPUT).decode("utf-8", "replace")
            if output.startswith(("bwrap:", "Error")):
                print(f"  {kind} did not start: {output.strip()}")
            return sandbox.Outcome(status, "", output)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def ask_star(program: str, tests: list[str]) -> sandbox.Outcome:
    """The verdict of this sandbox."""
    return sandbox.test(program, tests, names=["double"], limits=LIMITS)


def speed(ask: Callable[[str, list[str]], sandbox.Outcome], count: int) -> tuple[float, float]:
    """(verdicts a second, milliseconds of a processor for one), one after the other."""
    with accounted() as processor:
        first = ask(HONEST, TESTS)
        assert first.status == "passed" and ask(HONEST, ["assert double(2) == 5"]).status == "failed", first
        started, before = time.perf_counter(), processor()
        for _ in range(count):
            ask(HONEST, TESTS)
        result = count / (time.perf_counter() - started), 1e3 * (processor() - before) / count
        sandbox.close_idle()
        return result


def survivors() -> set[int]:
    """Processes of the users that the others run as."""
    alive = set()
    for place in (p for p in Path("/proc").iterdir() if p.name.isdigit()):
        with contextlib.suppress(OSError):
            if (
                471_100 <= place.stat().st_uid < 500_000
                and (place / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            ):
                alive.add(int(place.name))
    return alive


def row(kind: str, found: Raid, rate: float, taken: float, left: int) -> str:
    """One line of the table."""
    passed = sorted(n for n, (o, _) in found.outcomes.items() if o.status == "passed")
    calls = [n for n, (o, _) in found.outcomes.items() if n.startswith("call") and "GOT" in o.output]
    late = [n for n, (_, seconds) in found.outcomes.items() if seconds > LIMITS.seconds + 3]
    harmed = "; ".join([*found.harmed, *found.heard]) or "nothing"
    for title, names in (("false passes", passed), ("calls that succeeded", calls), ("late", late)):
        print(f"  {title} ({len(names)}): {', '.join(n.partition(': ')[2] for n in names) or 'none'}")
    cells = (kind, f"{rate:.0f}", f"{taken:.1f}", len(passed), len(calls), harmed, left, len(late))
    return "| " + " | ".join(map(str, cells)) + " |"


def main(arguments: list[str]) -> None:
    missing = [p for p in ("bwrap", "firejail", "setpriv", "prlimit", PYTHON) if not shutil.which(p)]
    if missing or os.getuid() != 0:
        print(
            f"needs root, and these programs: {', '.join(missing) or 'all are there'} (apt install bubblewrap firejail)"
        )
        return
    names = [n for n in PROGRAMS if not arguments or n.startswith(arguments[-1])]
    lines = [
        f"| sandbox | verdicts/s | processor ms | false passes of {len(names)} | calls that succeeded | harmed or "
        "reached | left behind | late |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("star", "bubblewrap", "firejail"):
        print(kind, flush=True)
        if kind == "star":
            rate, taken = speed(ask_star, COUNTS[kind])
            found = raid(sandbox.best_mode(), names)
            left = len(found.left)
        else:
            rate, taken = speed(partial(ask_other, kind), COUNTS[kind])
            before = survivors()
            found = surrounded(partial(ask_other, kind), names)
            time.sleep(1)
            left = len(survivors() - before)
            for pid in survivors() - before:
                os.kill(pid, 9)
        lines.append(row(kind, found, rate, taken, left))
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
