"""A home with runs of every kind for the tests of `star view`, made on fakes in a few seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import ROOT, call

PARTS = f"parts={ROOT / 'tests' / 'scripted_parts.py'}"
SCRIPTED = [PARTS, "model=fake", "engine=scripted", "rounds=1"]
RUNS = {
    "demo": ["model=fake", "rounds=3", "task.train=60", "problems=150", "task.dev=30"],
    "worse": ["model=fake", "rounds=3", "trainer.gain=-0.4", "task.train=60", "problems=150", "task.dev=30"],
    "choose": ["model=fake", "method=vstar", "rounds=1", "samples=4", "task.train=60", "problems=60", "task.dev=20"],
    "scenes": ["model=fake", "task=tiny_scenes", "rounds=1", "task.train=40", "task.dev=10"],
    "sql": [
        *SCRIPTED,
        "task=tiny_sql",
        "engine.task=tiny_sql",
        "task.train=60",
        "task.dev=12",
        "method.rationalize=false",
    ],
}


def make_home(home: Path, *names: str) -> Path:
    """Make the runs of these names in a home; "talk" has texts of all kinds, "pair" is a sweep of two seeds."""
    for name in names:
        if name == "talk":
            rows = ({"question": f"How many are in box {n}?", "answer": str(1000 + n)} for n in range(60))
            (home / "talk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            path = home / "talk.jsonl"
            words = [*SCRIPTED, "task=jsonl", f"task.path={path}", f"engine.path={path}", "grader=numeric", "samples=2"]
        elif name == "pair":
            words = ["-m", "model=fake", "rounds=2", "task.train=60", "task.dev=20", "problems=60", "seed=1,2"]
        else:
            words = RUNS[name]
        done = call(home, "run", *words, f"name={name}")
        assert done.code == 0, f"{name}: {done.out[-2000:]}\n{done.err[-2000:]}"
    return home


def big_run(home: Path, problems: int, samples: int, name: str = "big") -> str:
    """A finished run with one evaluation of so many rationales, written as they lie; returns its place."""
    from star_cli.core.keys import key
    from star_cli.core.records import Problem, Rationale, Verdict
    from star_cli.store.artifacts import Artifact, open_store
    from star_cli.store.ledger import Event, now
    from star_cli.store.manifest import new_manifest
    from star_cli.store.run_info import Settings
    from star_cli.store.runs import Run

    store = open_store(home).open()
    run = Run(home, name)
    run.start(Settings(config_key="0" * 32, parts={"method": "star", "task": "addition"}))

    def artifact(
        stage: str, kind: type, records: Iterator[Any], metrics: dict[str, Any] | None = None, **inputs: str
    ) -> Artifact:
        address = key([name, stage])
        draft = store.draft(address)
        draft.write(kind, records)
        manifest = new_manifest(address, stage=stage, tag={}, inputs=inputs, metrics=metrics)
        made = store.commit(draft, manifest)
        event = Event(time=now(), round=1, name=stage, stage=stage, key=address, hit=False, seconds=1.0)
        run.record(event, made)
        return made

    text = "We add the digits from the right, and carry what is too large. " * 6
    p = artifact(
        "problems", Problem, (Problem(id=f"p{i}", question=f"{i} + {i}", answer=str(2 * i)) for i in range(problems))
    )
    r = artifact(
        "generate",
        Rationale,
        (
            Rationale(
                problem_id=f"p{i}", sample=n, text=f"{text}So {i} + {i} = {2 * i + n}", hinted=False, finish="stop",
                tokens=60 + i % 40, logprob=-0.5 * n, seed=1, prompt_key="0" * 16,
            )
            for i in range(problems) for n in range(samples)
        ),
        problems=p.key,
    )  # fmt: skip
    artifact(
        "evaluate",
        Verdict,
        (
            Verdict(
                problem_id=f"p{i}", sample=n, correct=n == 0, answer=str(2 * i + n),
                reason="MATCH" if n == 0 else "MISMATCH",
            )
            for i in range(problems) for n in range(samples)
        ),
        {"reasons": {"MATCH": problems, "MISMATCH": problems * (samples - 1)}},
        problems=p.key,
        rationales=r.key,
    )  # fmt: skip
    run.finish("finished")
    return f"{name}/round-1/evaluate"
