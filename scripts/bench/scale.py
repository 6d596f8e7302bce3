"""A million rationales against a hundred thousand: what each step takes for one, and how much memory:
python scripts/bench/scale.py [--rows 1000000] [--turns 3].

The fake engine writes them; everything else is the real thing. Every command is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import Row, in_turns, record

SAMPLES = 4
MEMORY = 'import resource,sys; from star_cli.cli.main import main; sys.argv=["star",*sys.argv[1:]]\ntry: main()\n'
MEMORY += "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"


def star(*args: str) -> tuple[str, int]:
    """(what a command printed, the most memory it took in KiB)."""
    done = subprocess.run([sys.executable, "-c", MEMORY, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, int(done.stderr.split()[-1])


def make(home: str, rows: int) -> None:
    """A run of one round that wrote ``rows`` rationales."""
    train = rows // SAMPLES
    settings = [f"task.train={train}", f"problems={train}", f"samples={SAMPLES}", "rounds=1", "task.dev=20"]
    settings += ["task.max_digits=5", "method=rft"]
    star("run", *settings, "model=fake", "name=demo", f"home={home}", "tracking=none", "runtime.progress=none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    with TemporaryDirectory(prefix="star-bench-") as place:
        homes = {"small": f"{place}/small", "large": f"{place}/large"}
        for name, home in homes.items():
            Path(home).mkdir()
            make(home, args.rows // (10 if name == "small" else 1))
        peaks: dict[str, int] = {}

        def command(home: str, args: list[str], turn: int) -> None:
            _, kib = star(*[a.replace("TURN", str(turn)) for a in args], f"home={home}")
            name = f"{args[0]} {Path(home).name}"
            peaks[name] = max(kib, peaks.get(name, 0))

        steps: dict[str, list[str]] = {
            "filter": ["filter", "--input", "rationales=demo/round-1/generate", "filter.limit=1TURN"],
            "regrade": ["regrade", "demo/round-1/generate", "grader=exact", "grader.after=TURN</scratch>"],
            "verify": ["verify"],
            "show": ["show", "demo/round-1/generate"],
            "ls": ["ls", "artifacts"],
        }
        for name, step in steps.items():
            ways = {size: partial(command, home, step) for size, home in homes.items()}
            times = in_turns(ways, args.turns)
            growth = [b.cpu / a.cpu for a, b in zip(times["small"], times["large"], strict=True)]
            detail: dict[str, Any] = {"seconds": round(min(t.wall for t in times["large"]), 2),
                                      "MiB": peaks[f"{name} large"] >> 10}  # fmt: skip
            if name in ("filter", "regrade"):
                detail["rationales a second"] = round(args.rows / min(t.cpu for t in times["large"]))
            goal = 1.2 if name in ("show", "ls") else 11.0
            record(
                Row(
                    f"star {name}, {args.rows:,} rationales: time",
                    f"{args.rows // 10:,}",
                    growth,
                    at_most=goal,
                    detail=detail,
                )
            )
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
