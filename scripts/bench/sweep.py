"""Eight arms of a sweep over the trainer against the work that cannot be avoided: what their stages took, each once:
python scripts/bench/sweep.py [--turns 1]."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Row, record

ARMS = "trainer.lr=1e-4,2e-4,3e-4,5e-4,8e-4,1e-3,1.5e-3,2e-3"
SETTINGS = [
    "rounds=1",
    "problems=500",
    "schedule.start=200",
    "pretraining.steps=600",
    "tracking=none",
    "runtime.progress=none",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1)
    ratios, detail = [], {}
    for _ in range(parser.parse_args().turns):
        with TemporaryDirectory(prefix="star-bench-") as home:
            command = [sys.executable, "-m", "star_cli", "run", "-m", ARMS, *SETTINGS, f"home={home}", "name=sweep"]
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took = time.perf_counter() - started
            manifests = [json.loads(p.read_text()) for p in Path(home).glob("artifacts/*/manifest.json")]
            ledgers = [json.loads(line) for p in Path(home).glob("runs/sweep/*/ledger.jsonl") for line in open(p)]
            work = sum(m["seconds"] for m in manifests)
            ratios.append(took / work)
            first = [e for e in ledgers if e["name"] == "generate" and not e["hit"]]
            assert len(first) == 1, f"the first generation was made {len(first)} times"
            detail = {"seconds": round(took, 1), "artifacts": len(manifests), "found": sum(e["hit"] for e in ledgers)}
    record(
        Row(
            "a sweep of 8 arms: time",
            "its stages, each once",
            ratios,
            at_most=1.05,
            by="time of the clock",
            detail=detail,
        )
    )


if __name__ == "__main__":
    main()
