"""Random kills of every method on fakes: the same command again ends with the same bytes, and little is written twice.

python tests/faults/kills.py SHIM HOME KILLS SEED

The process was started with SHIM in LD_PRELOAD. A run is killed (SIGKILL) at a call that changes files, or after a
random time, up to three times, or its engine dies; then it runs to its end. Prints one line of JSON: kills by method
and kind, the samples written again, and what went wrong.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from harness import call, forked, hashes, warm

from star_cli.core import registry

SMALL = ["model=fake", "rounds=2", "task.train=40", "problems=40", "task.dev=10", "tracking=none"]
SMALL += ["runtime.progress=none", "runtime.sync_seconds=0", "name=demo"]
QUICK = {
    "b_star": ["samples=3", "method.queries=10", "method.temperatures=[.5,1]"],
    "see_think_learn": ["task=tiny_scenes", "+pretraining.lessons={full:8}"],
    "rft": ["samples=6"],
    "rest_em": ["samples=4"],
    "vstar": ["samples=4", "verification.candidates=4", "verification.ks=[1,4]"],
    "expert_iteration": ["samples=3"],
}
BATCH = 8  # completions the fake engine writes at once
KINDS = ("at a call", "at a time", "engine died")


def main() -> None:
    shim = ctypes.CDLL(sys.argv[1])
    shim.faults_struck.restype = ctypes.c_char_p
    work, kills, rng = Path(sys.argv[2]), int(sys.argv[3]), random.Random(int(sys.argv[4]))
    warm(work / "warm")
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    again: list[float] = []  # samples written again, by kill
    methods = sorted(registry.names("method"))
    for n, method in enumerate(methods):
        trial = Trial(shim, work / method, method, rng)
        share = kills * (n + 1) // len(methods) - kills * n // len(methods)
        while share > 0:
            done, fault, lost = trial(min(share, rng.randint(1, 3)))
            share -= sum(done.values())
            counts.update({f"{method}: {kind}": number for kind, number in done.items()})
            wrong += fault
            print(f"{method}: {counts.total()} kills so far, {len(wrong)} wrong", file=sys.stderr, flush=True)
            again += [lost / sum(done.values())] if done.total() else []
        shutil.rmtree(work / method)
    report = {"kills": sum(counts.values()), "again_mean": sum(again) / len(again), "again_most": max(again)}
    by_kind = {kind: sum(n for name, n in counts.items() if name.endswith(kind)) for kind in KINDS}
    print(json.dumps({**report, "kinds": by_kind, "counts": dict(sorted(counts.items())), "wrong": wrong}))


class Trial:
    """Kills of one method: its whole run is made once, and every trial is compared with it."""

    def __init__(self, shim: ctypes.CDLL, work: Path, method: str, rng: random.Random) -> None:
        self.shim, self.home, self.count, self.rng, self.method = shim, work / "home", work / "count", rng, method
        self.args = ["run", *SMALL, f"method={method}", *QUICK.get(method, []), f"engine.count_file={self.count}"]
        work.mkdir()
        self.home.mkdir()
        started = time.monotonic()
        self.calls, _, code, printed = forked(self.home, self.args, shim, 1 << 40, 0)
        assert code == 0, printed
        self.seconds, self.whole, self.samples = time.monotonic() - started, hashes(self.home), self.written()

    def written(self) -> int:
        """Samples that the engine wrote so far."""
        return self.count.stat().st_size if self.count.exists() else 0

    def __call__(self, kills: int) -> tuple[Counter[str], list[str], int]:
        """(kills by kind, what went wrong, samples written again)."""
        shutil.rmtree(self.home)
        self.home.mkdir()
        self.count.unlink(missing_ok=True)
        done: Counter[str] = Counter()
        last: list[str] = []
        while sum(done.values()) + len(last) < kills:
            kind = self.rng.choice(KINDS[:2] if last else KINDS)
            if kind == "at a call":
                _, _, code, _ = forked(self.home, self.args, self.shim, self.rng.randint(1, self.calls), 0)
                done[kind] += code == -signal.SIGKILL
            elif kind == "at a time":
                done[kind] += self.kill_after(self.rng.random() * self.seconds)
            else:
                last = [f"engine.die_after={self.rng.randint(1, max(2, self.samples // 2))}"]
            if self.finished():
                break
        _, _, code, printed = forked(self.home, [*self.args, *last])
        done["engine died"] += "the engine died" in printed
        about = f"{self.method} after {dict(done)} {last}"
        wrong = [f"{about}: {printed[-600:]}"] if code else []
        if not code and hashes(self.home) != self.whole:
            wrong.append(f"{about}: other bytes")
        _, _, code, printed = forked(self.home, ["verify"])
        wrong += [f"{about}: star verify: {printed[-300:]}"] if code else []
        lost = self.written() - self.samples
        if not 0 <= lost <= sum(done.values()) * BATCH:
            wrong.append(f"{about}: {lost} samples were written again")
        return done, wrong, lost

    def finished(self) -> bool:
        """Whether the run came to its end before it could be killed."""
        run_json = self.home / "runs/demo/run.json"
        return run_json.exists() and b'"finished"' in run_json.read_bytes()

    def kill_after(self, seconds: float) -> bool:
        """Run, and kill it after some time; whether it still ran."""
        child = os.fork()
        if not child:
            call(self.home, self.args, None, 0, 0, self.home.parent / "printed")
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
