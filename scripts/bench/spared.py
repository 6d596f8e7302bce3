"""Tokens to the same solved problems: `sampling.stop_after=1` against all samples, with the same seeds:
python scripts/bench/spared.py [ARGS of star run ...]."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Row, record

SETTINGS = [
    "rounds=1",
    "samples=8",
    "problems=500",
    "sampling.temperature=0.7",
    "method=expert_iteration",
    "tracking=none",
]


def main() -> None:
    seeds, shares, solved_first = [0, 1, 2], [], []
    with TemporaryDirectory(prefix="star-bench-") as home:
        for seed in seeds:
            found = {}
            for name, more in (("all", []), ("stop", ["sampling.stop_after=1"])):
                args = [
                    *SETTINGS,
                    f"seed={seed}",
                    f"name={name}{seed}",
                    f"home={home}",
                    "runtime.progress=none",
                    *sys.argv[1:],
                    *more,
                ]
                subprocess.run([sys.executable, "-m", "star_cli", "run", *args], check=True, stdout=subprocess.DEVNULL)
                found[name] = measured(Path(home), f"{name}{seed}")
            assert found["all"]["solved"] == found["stop"]["solved"], f"other problems were solved: {found}"
            shares.append(found["stop"]["tokens"] / found["all"]["tokens"])
            solved_first.append(round(found["all"]["right"] / found["all"]["samples"], 3))
    arguments = " ".join(sys.argv[1:]) or "the default model on vLLM"
    detail = {
        "with": arguments,
        "share of samples that are right": solved_first,
        "seeds": len(seeds),
        "samples a problem": 8,
    }
    record(Row("stop_after=1: tokens", "all samples", shares, at_most=0.6, by="tokens written", detail=detail))


def measured(home: Path, run: str) -> dict[str, int]:
    """Tokens written, problems solved, samples right, in round 1."""
    generated, kept = (json.loads((home / "runs" / run / "round-1" / name / "manifest.json").read_text())["metrics"]
                       for name in ("generate", "filter"))  # fmt: skip
    return {"tokens": generated["tokens"], "samples": generated["samples"], "solved": kept["solved"],
            "right": kept["reasons"].get("MATCH", 0)}  # fmt: skip


if __name__ == "__main__":
    main()
