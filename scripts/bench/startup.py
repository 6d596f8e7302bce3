"""What a command takes before it works: `star --help`, `star show`, a run in which all is found; against bare Python:
python scripts/bench/startup.py [--turns 7]."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory

from measure import Row, in_turns, record

FAKES = ["model=fake", "task.train=100", "problems=200", "task.dev=20", "tracking=none", "name=demo"]
GOALS = {"star --help": 0.15, "star show RUN": 0.35, "star run, all found": 1.0}  # seconds of the clock, quiet machine


def call(command: list[str], turn: int) -> None:
    """Run it; its output is of no interest."""
    del turn
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    args = parser.parse_args()
    with TemporaryDirectory(prefix="star-bench-") as home:
        star = [sys.executable, "-m", "star_cli"]
        run = [*star, "run", *FAKES, f"home={home}"]
        call(run, 0)
        commands = {"star --help": [*star, "--help"], "star show RUN": [*star, "show", "demo", f"home={home}"],
                    "star run, all found": run}  # fmt: skip
        ways = {"python": partial(call, [sys.executable, "-c", "pass"])}
        times = in_turns(ways | {name: partial(call, command) for name, command in commands.items()}, args.turns)
    for name, goal in GOALS.items():
        over = [a.cpu / b.cpu for a, b in zip(times[name], times["python"], strict=True)]
        seconds = {"seconds of a processor": round(statistics.median(t.cpu for t in times[name]), 3),
                   "seconds of the clock": round(statistics.median(t.wall for t in times[name]), 3),
                   "wanted": goal}  # fmt: skip
        record(Row(f"{name}: time", "python -c pass", over, detail=seconds))


if __name__ == "__main__":
    main()
