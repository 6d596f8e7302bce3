"""The whole default job against the same work by a bare script, and where star's time goes:
python scripts/bench/job.py [--turns 3] [ARGS of star run ...].

The bare script makes the same steps on the same examples with plain PyTorch (fused AdamW) and has bare vLLM write the
same prompts with the same seeds. It takes everything else from star's artifacts: it grades nothing and keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import Row, in_turns, ratios, record


def star(home: Path, args: list[str]) -> None:
    """The job as a user runs it."""
    command = [sys.executable, "-m", "star_cli", "run", f"home={home}", "name=job", "tracking=none", *args]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def bare(home: Path) -> None:
    """In this process: the stages of the run in its ledger, one after the other, by hand."""
    from star_cli.backends.mkl import use_all_kernels

    use_all_kernels()
    from star_cli.core import registry
    from star_cli.store.artifacts import Store
    from star_cli.store.runs import Run

    store, run = Store(home / "artifacts"), Run(home, "job")
    config = run.info.config
    task = registry.get("task", "addition")(**config["task"])
    engine: Any = None
    parts: dict[str, float] = {}
    for event in run.events():
        artifact = store.get(event.key)
        if artifact is None or event.hit:
            continue
        started = time.process_time()
        if event.stage in ("pretrain", "finetune"):
            train(artifact, store)
        elif event.stage == "generate":
            engine = write(artifact, store, task, engine)
        parts[event.stage] = parts.get(event.stage, 0.0) + time.process_time() - started
    print(json.dumps({name: round(seconds, 1) for name, seconds in parts.items()}), file=sys.stderr)


def train(artifact: Any, store: Any) -> None:
    """The steps of a training on its own examples, from the weights it started from (or their like)."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    from star_cli.core.records import Example

    torch.set_num_threads(1)
    tag, examples = artifact.manifest.tag, list(artifact.read(Example))
    own = artifact.path / "model"
    before = store.get(artifact.input("start")).path / "model" if artifact.input("start") else own
    tokenizer = AutoTokenizer.from_pretrained(own)
    model = LlamaForCausalLM.from_pretrained(before).float().train()
    recipe = tag["trainer"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe["lr"], weight_decay=0.0, fused=True)
    prompts = tokenizer([e.prompt for e in examples])["input_ids"]
    completions = tokenizer([e.completion for e in examples], add_special_tokens=False)["input_ids"]
    rows = [(p, [*c, tokenizer.eos_token_id]) for p, c in zip(prompts, completions, strict=True)]
    generator = torch.Generator().manual_seed(0)
    waiting: list[int] = []
    for _ in range(tag["steps"]):
        if len(waiting) < recipe["batch"]:
            waiting += torch.randperm(len(rows), generator=generator).tolist()
        batch, waiting = [rows[i] for i in waiting[: recipe["batch"]]], waiting[recipe["batch"] :]
        length = max(len(p) + len(c) for p, c in batch)
        ids = torch.zeros(len(batch), length, dtype=torch.long)
        labels = torch.full((len(batch), length), -100)
        for k, (p, c) in enumerate(batch):
            ids[k, : len(p) + len(c)] = torch.tensor(p + c)
            labels[k, len(p) : len(p) + len(c)] = torch.tensor(c)
        target = labels[:, 1:]
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[target != -100]), target[target != -100])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["clip"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def write(artifact: Any, store: Any, task: Any, engine: Any) -> Any:
    """The samples of a stage by bare ``LLM.generate``; the engine is started once and takes the stage's weights."""
    from star_cli.core.parts import ModelRef
    from star_cli.core.records import Problem, Rationale
    from star_cli.core.registry import get
    from star_cli.core.settings import Runtime

    path = str(store.get(artifact.input("model")).path / "model")
    model = ModelRef(key=path, path=path, dtype="float32", chat=False)
    if engine is None:
        engine = get("engine", "vllm")().open(model, Runtime(train_threads=1))
    else:
        engine.swap(model)
    problems = {p.id: p for p in store.get(artifact.input("problems")).read(Problem)}
    tag = artifact.manifest.tag
    from vllm import SamplingParams
    from vllm.inputs import TokensPrompt

    rows = list(artifact.read(Rationale))
    asked = [task.prompt(problems[r.problem_id], hint=r.hinted) for r in rows]
    prompts = [TokensPrompt(prompt_token_ids=engine._codec.prompt(prompt, "", 0)) for prompt in asked]
    params = [
        SamplingParams(temperature=tag["sampling"]["temperature"], max_tokens=task.max_tokens, seed=r.seed, logprobs=0,
                       stop_token_ids=engine._codec.stops, detokenize=False)
        for r in rows
    ]  # fmt: skip
    outputs = engine._llm.generate(prompts, params, use_tqdm=False)
    wanted, written = sum(r.tokens for r in rows), sum(len(o.outputs[0].token_ids) for o in outputs)
    assert abs(wanted - written) <= 0.02 * wanted, f"{written} tokens, {wanted} in the artifact"
    return engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--bare", type=Path, help="do the bare work of the run in this home, here")
    args, rest = parser.parse_known_args()
    if args.bare:
        bare(args.bare)
        return
    with TemporaryDirectory(prefix="star-bench-") as place:
        first = Path(place) / "first"
        first.mkdir()
        star(first, rest)

        def job(turn: int) -> None:
            home = Path(place) / f"turn{turn}"
            home.mkdir()
            star(home, rest)

        def by_hand(turn: int) -> None:
            del turn
            environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
            subprocess.run(
                [sys.executable, __file__, "--bare", str(first)], check=True, env=environment, stdout=subprocess.DEVNULL
            )

        times = in_turns({"star": job, "bare": by_hand}, args.turns)
        detail = {
            "star, seconds of the clock": round(min(t.wall for t in times["star"])),
            "star, seconds of a processor": round(min(t.cpu for t in times["star"])),
            "bare, seconds of a processor": round(min(t.cpu for t in times["bare"])),
        }
        record(
            Row("the default job: time", "a bare script", ratios(times, "star", "bare"), at_most=1.04, detail=detail)
        )


if __name__ == "__main__":
    main()
