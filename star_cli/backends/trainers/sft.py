"""sft: supervised fine-tuning with TRL; the loss is on the completion and the end of text, never on the prompt.

{"prompt": "17+25=", "completion": " 7+5=12 carry 1; 42", "origin": "own"}
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from star_cli.backends.training import distributed as _worker
from star_cli.backends.training import loop as _loop
from star_cli.backends.training import vision as _vision
from star_cli.core.keys import file_sha256, key, seed_of
from star_cli.core.parts import RUNTIME, ModelRef, Trainer, TrainJob
from star_cli.core.records import Example
from star_cli.core.registry import register
from star_cli.errors import need

CANARIES = 8
ENDLESS = 1 << 62
COMPANIONS = (
    "tokenizer*",
    "vocab*",
    "merges*",
    "special_tokens*",
    "added_tokens*",
    "*.model",
    "*.tiktoken",
    "chat_template*",
    "*processor_config.json",
    "generation_config.json",
)  # copied beside the new weights


@register("trainer", "sft")
class Sft(Trainer):
    """AdamW on every weight, or on low-rank adapters (``lora_rank``) that are merged before saving.

    ``batch`` counts the sequences of one optimiser step over all devices, at most all there are; its loss is the mean
    over their completion tokens, however they are split: ``micro_batch`` is the most sequences in one forward pass
    (null: what suits the device). ``warmup`` counts steps. An example longer than ``max_length`` tokens, or than the
    model's context, is left out and counted, never cut. ``packing`` lays the sequences of a forward pass end to end
    instead of padding them (null: where flash-attn is installed and the device is CUDA). Weights in half precision are
    trained in float32 (with ``lora_rank`` only the adapters are) and saved as they came.
    ``keep_optimizer`` writes the optimiser's state beside the weights (8 bytes a weight) and begins with that of its
    start, where there is one; the learning rate's schedule begins anew. One device.
    """

    packages = ("torch", "transformers", "trl")
    lr: float = 1e-5
    schedule: str = "constant"  # constant | linear | cosine
    warmup: int = 0
    batch: int = 64
    weight_decay: float = 0.0
    clip: float = 1.0  # gradient norm; 0 is off
    beta1: float = 0.9
    beta2: float = 0.999
    max_length: int | None = None
    lora_rank: int = 0  # 0 trains every weight
    lora_alpha: float = 32.0
    lora_dropout: float = 0.0
    lora_targets: str = "all-linear"
    keep_optimizer: bool = False
    micro_batch: int | None = field(default=None, metadata=RUNTIME)
    packing: bool | None = field(default=None, metadata=RUNTIME)
    gradient_checkpointing: bool = field(default=False, metadata=RUNTIME)

    def check(self) -> None:
        need(math.isfinite(self.lr) and self.lr > 0, f"trainer.lr must be > 0, got {self.lr}")
        need(
            self.schedule in _loop.SCHEDULES,
            f"trainer.schedule must be one of {', '.join(_loop.SCHEDULES)}, got {self.schedule!r}",
        )
        need(self.batch >= 1, f"trainer.batch must be >= 1, got {self.batch}")
        for name in ("warmup", "weight_decay", "clip", "lora_rank"):
            need(getattr(self, name) >= 0, f"trainer.{name} must be >= 0, got {getattr(self, name)}")
        for name in ("beta1", "beta2", "lora_dropout"):
            need(0 <= getattr(self, name) < 1, f"trainer.{name} must be in [0, 1), got {getattr(self, name)}")
        for f in fields(self):
            idle = f.name.startswith("lora_") and not self.lora_rank and getattr(self, f.name) != f.default
            need(
                not idle,
                f"trainer.{f.name}={getattr(self, f.name)} has no effect while trainer.lora_rank is 0",
                "set trainer.lora_rank, for example to 16",
            )
        need(
            not (self.keep_optimizer and self.lora_rank),
            "trainer.keep_optimizer=true keeps no state of adapters, which are merged when a training ends",
            "set trainer.lora_rank=0 or trainer.keep_optimizer=false",
        )
        for name in ("max_length", "micro_batch"):
            value = getattr(self, name)
            need(value is None or value >= 1, f"trainer.{name} must be >= 1 or null, got {value}")

    def train(self, job: TrainJob) -> dict[str, Any]:
        """Train from ``job.start`` and write the new model to ``job.out``.

        Metrics: mean loss over the first and the last tenth of the steps (nats a token), steps, epochs, examples,
        tokens (completion tokens trained on), dropped_long, sha256 of the weights at the start and at the end.
        """
        self.check()
        need(bool(job.examples), "there is no example to train on", "look at what the filter kept, with star show")
        with _loop.ground(job.runtime.train_threads):
            start = directory_of(job.start)
            weights = weights_sha256(start)
            data = encode(self, job, start)
            plan = Plan.of(self, job, data, _loop.processes(job.runtime.gpus))
            need(
                plan.world == 1 or not self.keep_optimizer,
                f"trainer.keep_optimizer=true trains on one device only, got runtime.gpus={job.runtime.gpus}",
                "set runtime.gpus=1",
            )
            scratch = job.scratch / "checkpoints"
            mark = key([self, job.seed, plan.steps, weights, data.digest()])
            resume = _loop.resumable(scratch, mark)
            if plan.world == 1:
                losses, model = _loop.fit(self, job, start, data, plan, scratch, mark, resume)
            else:
                losses, model = _worker.fit_apart(self, job, plan, scratch, mark, resume)
            canary = look_in(model, data)
            if not all(math.isfinite(c["logprob"]) for c in canary):
                if plan.world > 1:
                    shutil.rmtree(job.out)
                raise _loop.diverged(self, plan.steps, plan.steps)
            if plan.world == 1:
                save(model, start, job.out)
            del model
        canary = _vision.kept_pictures(canary, job.out)
        (job.out / "canary.json").write_text(json.dumps(canary, ensure_ascii=False, indent=1) + "\n", "utf-8")
        shutil.rmtree(scratch, ignore_errors=True)
        first, last = _loop.tenths(losses)
        return {
            "loss_first": round(first, 6),
            "loss_last": round(last, 6),
            "steps": plan.steps,
            "epochs": round(plan.steps * plan.batch / len(data.rows), 3),
            "examples": len(data.rows),
            "tokens": plan.tokens(data),
            "sequence_tokens": plan.sequence_tokens(data),
            "dropped_long": data.dropped,
            **_vision.counts(data),
            "start_weights": weights,
            "end_weights": weights_sha256(job.out),
        }


@dataclass
class Data:
    """The examples as token ids: ``labels`` equal ``input_ids`` on the completion and the end of text, else -100."""

    rows: list[dict[str, Any]]
    examples: list[Example]
    dropped: int
    tokenizer: Any
    eyes: Any = None  # of a model that reads pictures

    def digest(self) -> str:
        """The content of all rows, in order."""
        return hashlib.sha256(json.dumps(_vision.content(self.rows)).encode()).hexdigest()


def encode(part: Sft, job: TrainJob, start: Path) -> Data:
    """Examples to token ids through the model's own tokenizer, the prompt as the engine will show it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(start))
    end = tokenizer.eos_token_id
    need(
        end is not None,
        f"the tokenizer of {job.start.path} has no end-of-text token, so no completion could end",
        "set eos_token in its tokenizer_config.json",
    )
    limit = min(part.max_length or ENDLESS, context_of(start))
    eyes = _vision.eyes_of(job, start)
    if eyes:
        seen, those = _vision.rows_of(eyes, job.examples, limit)
        need(
            bool(seen),
            f"all {len(job.examples)} examples are longer than {limit} tokens, their pictures included",
            "raise trainer.max_length, or take a model that reads more",
        )
        return Data(seen, those, len(job.examples) - len(seen), tokenizer, eyes)
    prompts = encode_prompts(job.start, tokenizer, list(dict.fromkeys(e.prompt for e in job.examples)))
    completions = tokenizer([e.completion for e in job.examples], add_special_tokens=False)["input_ids"]
    rows, kept = [], []
    for example, completion in zip(job.examples, completions, strict=True):
        prompt, taught = prompts[example.prompt], [*completion, end]
        if len(prompt) + len(taught) <= limit:
            rows.append({"input_ids": prompt + taught, "labels": [-100] * len(prompt) + taught})
            kept.append(example)
    need(
        bool(rows),
        f"all {len(job.examples)} examples are longer than {limit} tokens, the smaller of "
        f"trainer.max_length={part.max_length} and the model's context",
        "raise trainer.max_length, or take a model that reads more",
    )
    return Data(rows, kept, len(job.examples) - len(rows), tokenizer)


def encode_prompts(ref: ModelRef, tokenizer: Any, prompts: list[str]) -> dict[str, list[int]]:
    """``ref.encode`` of every prompt, in two calls of the tokenizer instead of thousands."""
    shown = {prompt: ref.render(tokenizer, prompt) for prompt in prompts}
    found: dict[str, list[int]] = {}
    for templated in (False, True):
        these = [p for p in prompts if (shown[p] != p) == templated]
        if these:
            ids = tokenizer([shown[p] for p in these], add_special_tokens=not templated)["input_ids"]
            found.update(zip(these, ids, strict=True))
    return found


@dataclass
class Plan:
    """Which sequences every forward pass takes: known in full before the first step, and from the seed alone.

    The data is an endless stream of shuffled passes; each step takes the next ``batch`` sequences of it, sorts them by
    length, deals them to ``world`` devices and cuts each device's share into ``parts`` forward passes. So little is
    padded, and yet every batch is drawn at random.
    """

    lengths: list[int]
    steps: int
    batch: int
    parts: int
    world: int
    seed: int

    @classmethod
    def of(cls, part: Sft, job: TrainJob, data: Data, world: int) -> Plan:
        """The plan of a job; ``steps`` wins over ``epochs``."""
        need(
            job.steps is not None or job.epochs is not None,
            "training needs a number of steps or of epochs",
            "for example schedule.start=40 or schedule.epochs=1",
        )
        lengths = [len(row["input_ids"]) for row in data.rows]
        batch = min(part.batch, len(lengths))
        world = min(world, batch)
        micro = part.micro_batch or max(1, _loop.tokens_at_once() // max(lengths))
        parts = min(math.ceil(math.ceil(batch / world) / micro), batch // world)
        steps = job.steps if job.steps is not None else math.ceil((job.epochs or 0) * len(lengths) / batch)
        need(steps >= 1, f"training needs at least one step, got {steps}", "for example schedule.start=40")
        return cls(lengths, steps, batch, parts, world, job.seed)

    def stream(self) -> Iterator[list[int]]:
        """The rows of each step, longest first."""
        waiting: list[int] = []
        turn = 0
        for _ in range(self.steps):
            while len(waiting) < self.batch:
                order = np.random.default_rng(seed_of(self.seed, "pass", turn)).permutation(len(self.lengths))
                waiting, turn = waiting + order.tolist(), turn + 1
            yield sorted(waiting[: self.batch], key=lambda i: -self.lengths[i])
            waiting = waiting[self.batch :]

    def share(self, rank: int) -> Iterator[list[int]]:
        """The rows of each forward pass of one device, ``parts`` to a step."""
        for rows in self.stream():
            mine = rows[rank :: self.world]
            cuts = [i * len(mine) // self.parts for i in range(self.parts + 1)]
            yield from (mine[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True))

    def tokens(self, data: Data) -> int:
        """How many completion tokens the whole training sees."""
        counts = [len(row["labels"]) - row["labels"].count(-100) for row in data.rows]
        return sum(counts[i] for rows in self.stream() for i in rows)

    def sequence_tokens(self, data: Data) -> int:
        """How many tokens the whole training sees, prompts included: what its work is measured by."""
        return sum(len(data.rows[i]["input_ids"]) for rows in self.stream() for i in rows)


def directory_of(ref: ModelRef) -> Path:
    """The local directory of a model; one of the hub is taken from the cache or downloaded."""
    if Path(ref.path).is_dir():
        return Path(ref.path)
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            ref.path, revision=ref.revision, allow_patterns=["*.json", "*.safetensors", "*.jinja", *COMPANIONS]
        )
    )


def context_of(directory: Path) -> int:
    """The most tokens a model can read, as its config.json says."""
    config = json.loads((directory / "config.json").read_bytes())
    return int(config.get("text_config", config).get("max_position_embeddings") or ENDLESS)


def weights_sha256(directory: Path) -> str:
    """One sha256 over the names and contents of a directory's safetensors files."""
    files = sorted(directory.glob("*.safetensors"))
    need(bool(files), f"{directory} holds no *.safetensors file", "write the model anew with save_pretrained")
    return hashlib.sha256("".join(f"{p.name} {file_sha256(p)}\n" for p in files).encode()).hexdigest()


def save(model: Any, start: Path, out: Path) -> None:
    """The model as a plain Hugging Face directory, with the tokenizer of its start, byte for byte."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    for pattern in COMPANIONS:
        for file in start.glob(pattern):
            if file.suffix != ".safetensors":
                shutil.copyfile(file, out / file.name)


def look_in(model: Any, data: Data) -> list[dict[str, Any]]:
    """A few examples spread over the data, with the log-probability (nats) of completion and end of text in float32."""
    import torch

    dtype = model.dtype
    model.float().eval()
    count = min(CANARIES, len(data.rows))
    canary = []
    for i in (n * len(data.rows) // count for n in range(count)):
        ids = torch.tensor([data.rows[i]["input_ids"]], device=model.device)
        labels = torch.tensor(data.rows[i]["labels"][1:], device=model.device)
        with torch.no_grad():
            scores = (
                model(input_ids=ids, **_vision.pixels_of(data, i, model.device)).logits[0, :-1].float().log_softmax(-1)
            )
        taught = labels != -100
        total = scores[taught].gather(1, labels[taught, None]).sum().item()
        canary.append(
            {
                "prompt": data.examples[i].prompt,
                "completion": data.examples[i].completion,
                **({"images": data.examples[i].images} if data.examples[i].images else {}),
                "logprob": round(total, 5),
                "tokens": int(taught.sum()),
            }
        )
    model.to(dtype)
    return canary
