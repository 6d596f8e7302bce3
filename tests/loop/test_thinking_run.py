"""A thinking model from outside, end to end on vLLM: a random tiny Qwen3 with such a template, on GSM8K."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, call

from star_cli.core.records import Example, Rationale
from star_cli.store.artifacts import Store

sys.path.insert(0, str(ROOT / "tests" / "contracts"))
PLACES = [parent / "shared" / "data" / "gsm8k" for parent in ROOT.parents]
GSM8K = next((place for place in PLACES if place.is_dir()), None)
WRITTEN = "<think>It may be ten.</think>\nThe answer is 10."

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.skipif(GSM8K is None, reason="../shared/data/gsm8k is not here"),
]


def problems(out: Path) -> list[dict]:
    """Short problems of GSM8K, two in three with the answer 10: what the model below is taught to say."""
    rows = [
        json.loads(line)
        for file in sorted(GSM8K.glob("*.jsonl"))
        for line in file.read_text("utf-8").split("\n")
        if line
    ]
    short = [r for r in rows if len(r["question"]) < 180]
    tens = [r for r in short if r["answer"].endswith("#### 10")][:24]
    others = [r for r in short if not r["answer"].endswith("#### 10")][:12]
    chosen = [
        {**row, "id": f"g{i}", "split": "dev" if i % 3 == 0 else "train"} for i, row in enumerate([*tens, *others])
    ]
    out.write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return chosen


def taught(kind: str, home: Path, rows: list[dict]) -> Path:
    """A random Qwen3 of two layers that has learned to think briefly and to answer 10, whatever it is asked."""
    from architectures import RUNTIME
    from thinking import talker

    from star_cli.backends.trainers.sft import Sft
    from star_cli.core.parts import TrainJob
    from star_cli.tasks.gsm8k import GSM8K as Task

    start = talker(kind, home / "random", max_position_embeddings=1024)
    task = Task(path=str(home / "problems.jsonl"), form="chat")
    task.check()
    examples = [
        Example(problem_id=p.id, sample=0, prompt=task.prompt(p).text, completion=WRITTEN, origin="gold")
        for p in task.problems("train")
    ]
    out = home / "taught"
    job = TrainJob(start=start, examples=examples, out=out, scratch=home / "s", seed=0, runtime=RUNTIME, steps=60)
    assert Sft(lr=3e-3, batch=8).train(job)["loss_last"] < 0.2
    return out


@pytest.mark.parametrize(("kind", "thinking"), [("switch", "on"), ("begun", "auto")])
def test_a_thinking_model_teaches_itself_on_vllm(home, kind, thinking):
    rows = problems(home / "problems.jsonl")
    model = taught(kind, home, rows)
    settings = [
        "model=hf", f"model.path={model}", "task=gsm8k", "task.path=problems.jsonl", "task.form=chat",
        f"task.thinking={thinking}", "sampling.max_tokens=80", "sampling.max_thinking=40", "rounds=1", "samples=2",
        "sampling.temperature=0.3", "schedule.start=6", "trainer.lr=1e-3", "name=think", "method.rationalize=false",
    ]  # fmt: skip
    result = call(home, "run", *settings)
    assert result.code == 0, result.err
    assert "starting it anew" not in result.out + result.err
    store = Store(home / "artifacts")
    stages = {(s["round"], s["stage"]): s["key"] for s in call(home, "show", "think", "--json").json["stages"]}
    written = list(store.find(stages[1, "generate"]).read(Rationale))
    assert all(r.text.startswith("<think>") for r in written if r.finish == "stop")
    kept = list(store.find(stages[1, "filter"]).read(Example))
    assert len(kept) >= 8 and all("</think>" in e.completion and "10" in e.completion for e in kept)
    row = call(home, "show", "think", "--json").json["rounds"][1]
    assert row["accuracy"] > 0.5 and row["health"]["tokens_per_right"] > 5 and row["health"]["truncated"] < 0.5
    out = home / "exported"
    assert call(home, "export", "think", "--model", str(out)).code == 0 and (out / "chat_template.jinja").is_file()


def test_a_switch_that_is_not_there_is_said_before_anything_is_written(home):
    problems(home / "problems.jsonl")
    from thinking import talker

    talker("begun", home / "random")
    result = call(
        home, "run", "model=hf", f"model.path={home / 'random'}", "task=gsm8k", "task.path=problems.jsonl",
        "task.thinking=off", "name=off",
    )  # fmt: skip
    assert result.code == 1 and "task.thinking=off has no effect on" in result.err and "Traceback" not in result.err
    assert not list((home / "artifacts").glob("*/rationales.jsonl"))
