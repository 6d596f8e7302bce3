"""The generate stage against bare vLLM, and new weights in the living engine against a fresh one:
python scripts/bench/generate.py [--turns 5] [--width 64 --layers 3].

Both write with the same engine in the same process: the same prompts, samples, seeds and sampling parameters. The
stage also looks up what is there, hashes prompts, keeps a journal, grades for the display and writes the artifact.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import Row, in_turns, ratios, record

from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.lab import Lab
from star_cli.run.live_engine import LiveEngine
from star_cli.run.observe import Silent
from star_cli.store.artifacts import Store

PROBLEMS, SAMPLES = 500, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    args = parser.parse_args()
    with TemporaryDirectory(prefix="star-bench-") as home:
        settings = [f"home={home}", "name=bench", "tracking=none", f"problems={PROBLEMS}", f"samples={SAMPLES}",
                    "sampling.temperature=0.7", "pretraining.steps=300", f"model.width={args.width}",
                    f"model.layers={args.layers}", "schedule.start=20"]  # fmt: skip
        launch(settings, lambda c: compare(c, Path(home), args.turns))


def compare(c: Composed, home: Path, turns: int) -> None:
    """Measure and record."""
    living = LiveEngine()
    x = c.experiment
    lab = Lab(x, Builder(x.equipment(), Store(home / "artifacts").open(), Silent(), living))
    base = lab.base_model()
    warm = lab.generate(base, lab.problems("train", round=999), round=999)  # starts the engine
    kept = lab.filter(lab.problems("train", round=999), warm)
    session: Any = living._session
    parameters = sum(f.bytes for n, f in base.manifest.files.items() if n.endswith(".safetensors")) / 4e6
    name = f"generate stage, {parameters:.2g} M parameters: tokens"
    tokens: dict[tuple[str, int], int] = {}
    problems = [lab.problems("train", round=turn) for turn in range(turns)]

    def stage(turn: int) -> None:
        tokens["stage", turn] = lab.generate(base, problems[turn], round=turn).metrics["tokens"]

    def bare(turn: int) -> None:
        tokens["bare", turn] = written_by(session, requests_of(lab, problems[turn], turn))

    times = in_turns({"stage": stage, "bare": bare}, turns)
    assert all(tokens["stage", t] == tokens["bare", t] for t in range(turns)), f"other texts were written: {tokens}"
    detail = {"tokens": tokens["stage", 0], "problems": PROBLEMS, "samples": SAMPLES}
    record(Row(name, "bare vLLM", ratios(times, "bare", "stage"), 0.98, detail=detail))

    new = lab.finetune(base, [kept], round=0)
    models = [lab.builder.reference(new), lab.builder.reference(base)]

    def swap(turn: int) -> None:
        living.session(x.engine, models[turn % 2], x.runtime, print)

    def fresh(turn: int) -> None:
        living.close()
        living.session(x.engine, models[turn % 2], x.runtime, print)
        living.session(x.engine, models[(turn + 1) % 2], x.runtime, print)

    swap(1)
    times = in_turns({"fresh": fresh, "swap": swap}, min(turns, 3))
    starts = [a.wall - b.wall for a, b in zip(times["fresh"], times["swap"], strict=True)]
    faster = [a / b.wall for a, b in zip(starts, times["swap"], strict=True)]
    detail = {"swap seconds": round(min(t.wall for t in times["swap"]), 4)}
    what = f"new weights, {parameters:.2g} M parameters: speed"
    record(Row(what, "a fresh engine", faster, 50, by="time of the clock", detail=detail))
    living.close()


def requests_of(lab: Lab, problems: Any, round: int) -> list[Any]:
    """The very requests the stage makes."""
    from star_cli.core.keys import seed_of
    from star_cli.core.parts import Request
    from star_cli.core.records import Problem

    x = lab.x
    return [
        Request((p.id, n), prompt, x.sampling, x.sampling.max_tokens or x.task.max_tokens, x.task.stop,
                seed_of(x.seed, round, False, p.id, n))
        for p in problems.read(Problem)
        for prompt in [x.task.prompt(p, hint=False)]
        for n in range(x.method.samples)
    ]  # fmt: skip


def written_by(session: Any, requests: list[Any]) -> int:
    """Have plain ``LLM.generate`` write them; returns the tokens written."""
    from vllm.inputs import TokensPrompt

    jobs = [session._sampling_job(r) for r in requests]
    outputs = session._llm.generate(
        [TokensPrompt(prompt_token_ids=j.ids) for j in jobs], [j.params for j in jobs], use_tqdm=False
    )
    texts = [session._codec.text(o.outputs[0].token_ids, r.stop) for r, o in zip(requests, outputs, strict=True)]
    assert len(texts) == len(requests)
    return sum(len(o.outputs[0].token_ids) for o in outputs)


if __name__ == "__main__":
    main()
