"""What the benchmarks share: turns that alternate, seconds of a processor, and one row of the table for each figure.

A row is a ratio of two ways to do the same work, measured in one run: each turn does one after the other, so that
whatever else the machine does meets both. ``record`` keeps rows in docs/performance.json; table.py makes the page.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from star_cli.store.manifest import installed_versions

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "performance.json"


@dataclass
class Row:
    """One figure: ``ratios`` of all turns, what it should reach (``at_least`` or ``at_most``), and what was counted."""

    what: str
    against: str
    ratios: list[float]
    at_least: float | None = None
    at_most: float | None = None
    by: str = "seconds of a processor"
    detail: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        low = self.at_least is None or self.median >= self.at_least
        return low and (self.at_most is None or self.median <= self.at_most)


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: seconds of processors (own threads and ended children), and of the clock."""

    cpu: float
    wall: float


def spent(work: Callable[[], Any]) -> Spent:
    """Do ``work`` and say what it took."""
    before, started = _cpu(), time.perf_counter()
    work()
    return Spent(_cpu() - before, time.perf_counter() - started)


def _cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def in_turns(ways: dict[str, Callable[[int], Any]], turns: int) -> dict[str, list[Spent]]:
    """Every way once a turn, in an order that turns around each time; each is told the number of the turn."""
    times: dict[str, list[Spent]] = {name: [] for name in ways}
    for turn in range(turns):
        for name in list(ways) if turn % 2 == 0 else list(ways)[::-1]:
            times[name].append(spent(partial(ways[name], turn)))
            print(f"turn {turn + 1} {name}: {times[name][-1].cpu:.2f} s cpu, {times[name][-1].wall:.2f} s", flush=True)
    return times


def ratios(times: dict[str, list[Spent]], over: str, under: str, by: str = "cpu") -> list[float]:
    """``over`` / ``under`` of every turn."""
    return [getattr(a, by) / getattr(b, by) for a, b in zip(times[over], times[under], strict=True)]


def record(*rows: Row) -> None:
    """Print rows and keep them, in place of older ones of the same name and device."""
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"machines": {}, "rows": []}
    for row in rows:
        goals = {"at least": row.at_least, "at most": row.at_most}
        wanted = [f"{word} {value:g}" for word, value in goals.items() if value is not None]
        goal = f" ({wanted[0]}: {'yes' if row.reached else 'NO'})" if wanted else ""
        print(f"{row.what} / {row.against}: {row.median:.3f} [{min(row.ratios):.3f}, {max(row.ratios):.3f}]{goal}")
        kept["rows"] = [r for r in kept["rows"] if (r["what"], r["against"], r["device"]) != _name(row)]
        kept["rows"].append(asdict(row) | {"ratios": [round(r, 4) for r in row.ratios]})
        kept["machines"][row.device] = machine()
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _name(row: Row) -> tuple[str, str, str]:
    return row.what, row.against, row.device


def machine() -> str:
    """The processor, how many of its cores this process may use, and the versions that decide about speed."""
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    versions = [f"{n} {v}" for n, v in installed_versions().items() if n not in ("python", "star-cli")]
    cores = f"{len(os.sched_getaffinity(0))} cores"
    return ", ".join(
        [names[0] if names else platform.processor(), cores, f"Python {platform.python_version()}", *versions]
    )


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
