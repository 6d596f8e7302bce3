"""What the process of a run takes for each sample, whoever writes it, and how many actors of Ray it keeps busy:
python scripts/bench/actors.py [--samples 200000] [--actors 1 2 4 8].

The driver alone: an engine that takes no time, and everything else as it is: requests, journal, syncs, the display's
judge, the artifact. Then the same through engine=ray with actors that take no time either. Seconds are those of a
processor, so that other work on the machine does not count; the last table is arithmetic with them.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import spent

from star_cli.backends.engines.fake import FakeSession
from star_cli.core.parts import Completion, Request
from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.lab import Lab
from star_cli.run.live_engine import LiveEngine
from star_cli.run.observe import Silent
from star_cli.store.artifacts import Store

SAMPLES = 4
TEXT = "<scratch>\n1 2 3 + 4 5 6\n" + "C: 0\n" * 12 + "</scratch>\n5 7 9"
WANTED = 10_000_000  # samples of the run that the last table is about
RATES = (50, 500)  # samples a second that one actor writes: a large model with long rationales, a small one


def instant(session: FakeSession, requests: Iterable[Request]) -> Iterator[Completion]:
    """An engine that takes no time."""
    for request in requests:
        yield Completion(request.id, TEXT, 40, "stop", -3.25)


def driver(samples: int, *words: str) -> dict[str, float]:
    """Seconds of a processor for each sample of a generate stage, and bytes of memory and of disk."""
    with TemporaryDirectory(prefix="star-bench-") as home:
        train = samples // SAMPLES
        settings = [f"home={home}", "name=bench", "tracking=none", f"problems={train}", f"task.train={train}",
                    "task.max_digits=5", f"samples={SAMPLES}", "sampling.temperature=1", "model=fake"]  # fmt: skip
        return launch([*settings, *words], lambda c: measured(c, Path(home), samples))


def measured(c: Composed, home: Path, samples: int) -> dict[str, float]:
    x, living = c.experiment, LiveEngine()
    lab = Lab(x, Builder(x.equipment(), Store(home / "artifacts").open(), Silent(), living))
    base, problems = lab.base_model(), lab.problems("train", round=1)
    if "ray" in str(type(x.engine)).lower():
        living.session(x.engine, lab.builder.reference(base), x.runtime, print)  # Ray's start is not what is asked
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made: list[Any] = []
    took = spent(lambda: made.append(lab.generate(base, problems, round=1)))
    graded = spent(lambda: lab.filter(problems, made[0]))
    living.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "generate_us": 1e6 * took.cpu / samples,
        "generate_wall_us": 1e6 * took.wall / samples,
        "filter_us": 1e6 * graded.cpu / samples,
        "memory_bytes": 1024 * memory / samples,
        "disk_bytes": sum(f.bytes for f in made[0].manifest.files.values()) / samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--actors", type=int, nargs="*", default=[1, 2, 4, 8])
    args = parser.parse_args()
    FakeSession.stream = instant  # type: ignore[method-assign]
    rows = {"driver alone": driver(args.samples)}
    for n in args.actors:
        rows[f"engine=ray, {n} actors"] = driver(
            args.samples // 4, "engine=ray", "engine.of=fake", f"engine.actors={n}"
        )
    for name, row in rows.items():
        print(f"{name:24}", *(f"{what} {value:,.1f}" for what, value in row.items()))
    most = 1e6 / [*rows.values()][-1]["generate_us"]
    for rate in RATES:
        for n in (1, 8, 64, 512):
            limit = min(n * rate, most)
            hours = WANTED / limit / 3600
            print(f"{n:4} actors of {rate} samples/s: {limit:8,.0f} samples/s, {hours:7.1f} h for {WANTED:,}")


if __name__ == "__main__":
    main()
