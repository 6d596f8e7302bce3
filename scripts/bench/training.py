"""A training step of trainer=sft against the best bare loop on the same batches, and against MKL's slow kernels:
python scripts/bench/training.py [--turns 3] [--steps 120].

The bare loop is plain PyTorch: the model's forward pass, cross-entropy where the labels count, fused AdamW, clipping.
With --compile its forward pass is compiled (a C++ compiler is needed, and some 20 s that are
not counted). The first steps are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from measure import Row, Spent, record

SIZES = {"0.2 M": (3, 64, 2), "3 M": (4, 256, 4), "30 M": (8, 512, 8)}  # layers, width, heads
WARM = 5  # steps that are not counted
LOSS = 1e-4  # the two loops' losses may differ by this much, relatively


def job_of(place: Path, size: str, steps: int) -> Any:
    """(recipe, job, data, plan) of a fine-tuning on the lengths of two real texts: sums, and GSM8K-like solutions."""
    from star_cli.backends.training.data import encode_examples
    from star_cli.backends.training.plan import Plan
    from star_cli.backends.training.recipe import Recipe
    from star_cli.core import registry
    from star_cli.core.parts import ModelRef, TrainJob
    from star_cli.core.records import Example
    from star_cli.core.settings import Runtime

    task = registry.get("task", "addition")()
    layers, width, heads = SIZES[size]
    problems = islice(task.problems("train"), 2000)
    examples = [
        Example(problem_id=p.id, sample=0, prompt=task.training_prompt(p), completion=task.gold(p), origin="gold",
                round=0, generator="bench", images=[])
        for p in problems
    ]  # fmt: skip
    model = place / "model"
    texts = [e.prompt + e.completion for e in examples]
    registry.get("model", "tiny")(layers=layers, width=width, heads=heads).initialise(texts, model, 0)
    recipe = Recipe(lr=1e-3, batch=16)
    start = ModelRef(key="bench", path=str(model), dtype="float32", chat=False)
    job = TrainJob(start=start, examples=examples, steps=steps, epochs=None, seed=1, out=place / "out",
                   scratch=place / "scratch", runtime=Runtime(train_threads=1))  # fmt: skip
    data = encode_examples(recipe, job)
    return recipe, job, data, Plan.of(recipe, job, data.lengths(), 1)


class Checkpointless:
    """Where a trainer may keep checkpoints; none are due."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def due(self, *args: Any, **kwargs: Any) -> bool:
        return False


class Clock:
    """What the steps after the first WARM ones took."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def tick(self) -> None:
        """A step has ended."""
        self.marks.append((time.process_time(), time.perf_counter()))

    def took(self) -> Spent:
        """Seconds of this process from the end of step WARM to the end of the last."""
        (cpu, wall), (cpu_end, wall_end) = self.marks[WARM - 1], self.marks[-1]
        return Spent(cpu_end - cpu, wall_end - wall)

    def callback(self) -> Any:
        """One for a trainer of transformers."""
        from transformers import TrainerCallback

        class Tick(TrainerCallback):  # type: ignore[misc]
            def on_step_end(callback, *args: Any, **kwargs: Any) -> None:  # noqa: N805
                self.tick()

        return Tick()


def ours(place: Path, size: str, steps: int) -> tuple[list[float], Spent]:
    """(the losses of star's own loop, what its steps took from the first to the last)."""
    from star_cli.backends.training.environment import training_environment
    from star_cli.backends.training.loop import sft_trainer
    from star_cli.backends.training.model import load_for_training

    recipe, job, data, plan = job_of(place, size, steps)
    with training_environment(1):
        loaded = load_for_training(recipe, job.start, job.seed)
        trainer = sft_trainer(recipe, job, loaded, data, plan, Checkpointless(place / "checkpoints"))
        clock = Clock()
        trainer.add_callback(clock.callback())
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], clock.took()


def bare(place: Path, size: str, steps: int, *, compiled: bool = False) -> tuple[list[float], Spent]:
    """The same by hand."""
    import torch
    from transformers import LlamaForCausalLM

    recipe, job, data, plan = job_of(place, size, steps)
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(job.start.path).float().train()
    body = torch.compile(model.model, dynamic=True) if compiled else model.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=0.0, fused=True)
    losses: list[float] = []

    def step(rows: list[int]) -> None:
        length = max(len(data.rows[i]["input_ids"]) for i in rows)
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        labels = torch.full((len(rows), length), -100)
        for k, i in enumerate(rows):
            row = data.rows[i]
            ids[k, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            labels[k, : len(row["labels"])] = torch.tensor(row["labels"])
        target = labels[:, 1:]
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[target != -100]), target[target != -100])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())

    batches = list(plan.share(0))
    if compiled:
        before = {name: value.clone() for name, value in model.state_dict().items()}
        for rows in batches[:3]:
            step(rows)
        model.load_state_dict(before)
        optimizer.state.clear()
        losses.clear()
    clock = Clock()
    for rows in batches:
        step(rows)
        clock.tick()
    return losses, clock.took()


WAYS = {"ours": ours, "bare": bare, "compiled": lambda *a: bare(*a, compiled=True), "slow": ours}


def child(way: str, size: str, steps: int) -> None:
    """One way in this process, as JSON."""
    from star_cli.backends.mkl import use_all_kernels

    use_all_kernels()
    with tempfile.TemporaryDirectory() as place:
        losses, took = WAYS[way](Path(place), size, steps)
    print(json.dumps({"losses": losses, "cpu": took.cpu, "wall": took.wall}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="of each training (0: as many as take some seconds)")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--compile", action="store_true", help="the bare loop with a compiled forward pass, too")
    parser.add_argument("--child", nargs=3)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], args.child[1], int(args.child[2]))
        return
    for size in args.sizes:
        steps = args.steps or {"0.2 M": 400, "3 M": 60, "30 M": 12}[size]
        ways = ["ours", "bare", "slow", *(["compiled"] if args.compile else [])]
        times: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for turn in range(args.turns):
            for way in ways if turn % 2 == 0 else ways[::-1]:
                environment = os.environ | ({"STAR_MKL": "off"} if way == "slow" else {})
                command = [sys.executable, __file__, "--child", way, size, str(steps)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                times[way].append(json.loads(done.stdout.splitlines()[-1]))
                print(
                    f"{size} turn {turn + 1} {way}: {times[way][-1]['cpu'] / (steps - WARM) * 1000:.2f} ms a step",
                    flush=True,
                )
        apart = max(abs(a - b) / b for a, b in zip(times["ours"][0]["losses"], times["bare"][0]["losses"], strict=True))
        assert apart < LOSS, f"the losses differ by {apart:.1e}"
        detail = {
            way: f"{1000 * min(t['cpu'] for t in rows) / (steps - WARM):.2f} ms a step" for way, rows in times.items()
        }
        detail["losses differ by"] = f"{apart:.0e}"

        def against(way: str, times: dict[str, Any] = times) -> list[float]:
            return [b["cpu"] / a["cpu"] for a, b in zip(times["ours"], times[way], strict=True)]

        record(
            Row(f"training step, {size} parameters: speed", "bare PyTorch loop", against("bare"), 0.95, detail=detail),
            Row(f"training step, {size} parameters: speed", "star with MKL as it comes", against("slow"), 1.5),
        )
        if args.compile:
            record(Row(f"training step, {size} parameters: speed", "compiled bare loop", against("compiled"), 0.95))


if __name__ == "__main__":
    main()
