"""How fast a verifier's likelihoods are computed: by the living engine and by a forward pass of the trained weights.

python scripts/bench/scoring.py [--items 2000] [--engine vllm]

Trains nothing: a tiny model with random weights scores sums. Both ways run in one process, turn by turn, and their
scores are compared; read the ratio, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from star_cli.backends.training.forward import likelihoods
from star_cli.core import registry
from star_cli.core.parts import ModelRef
from star_cli.core.settings import Runtime


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of the forward pass")
    args = parser.parse_args()
    task = registry.get("task", "addition")(train=args.items)
    problems = [p for _, p in zip(range(args.items), task.problems("train"), strict=False)]
    items = [(task.training_prompt(p), task.gold(p) or "") for p in problems]
    runtime = Runtime(train_threads=args.threads)
    engine = registry.get("engine", args.engine)()
    with tempfile.TemporaryDirectory() as place:
        registry.get("model", "tiny")().initialise([p + c for p, c in items], Path(place) / "model", 0)
        model = ModelRef(key="bench", path=str(Path(place) / "model"), dtype="float32", chat=False)
        session = engine.open(model, runtime)
        seconds: dict[str, list[float]] = {"engine": [], "forward": []}
        found: dict[str, list[float]] = {}
        for _ in range(args.turns):
            for name, way in (
                ("engine", lambda: session.score(items)),
                ("forward", lambda: likelihoods(model, items, args.threads)),
            ):
                started = time.monotonic()
                found[name] = list(way())
                seconds[name].append(time.monotonic() - started)
        session.close()
    apart = max(abs(a - b) for a, b in zip(found["engine"], found["forward"], strict=True))
    best = {name: min(times) for name, times in seconds.items()}
    print(
        json.dumps(
            {
                "items": len(items),
                "engine": args.engine,
                **{f"{n}_seconds": round(s, 2) for n, s in best.items()},
                "forward_is_faster_by": round(best["engine"] / best["forward"], 2),
                "largest_difference": apart,
            }
        )
    )


if __name__ == "__main__":
    main()
