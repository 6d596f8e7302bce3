"""Examples as token ids, and the canary: a few of them with the log-probability that the trained weights give them.

{"input_ids": [9, 4, 7, 2], "labels": [-100, -100, 7, 2]}
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from star_cli.backends import vision
from star_cli.backends.chat import MASKED
from star_cli.backends.model_config import context_length
from star_cli.backends.tokens import encode_turns, load_tokenizer
from star_cli.backends.training.recipe import Recipe
from star_cli.core.parts import TrainJob
from star_cli.core.records import Example
from star_cli.errors import need

CANARIES = 8
ENDLESS = 1 << 62  # tokens: the context of a model whose configuration names no limit


@dataclass
class TrainingData:
    """The examples as token ids: ``labels`` equal ``input_ids`` on what the model wrote of the completion and on the
    end of text, else -100.

    ``dropped`` counts examples that were too long; ``processor`` is that of a model that reads pictures.
    """

    rows: list[dict[str, Any]]
    examples: list[Example]
    dropped: int
    tokenizer: Any
    processor: vision.VisionProcessor | None = None

    def digest(self) -> str:
        """The content of all rows, in order."""
        return hashlib.sha256(json.dumps([vision.row_content(row) for row in self.rows]).encode()).hexdigest()

    def lengths(self) -> list[int]:
        """The tokens of each row, its prompt included."""
        return [len(row["input_ids"]) for row in self.rows]

    def completion_lengths(self) -> list[int]:
        """The tokens of each row that are learnt."""
        return [len(row["labels"]) - row["labels"].count(MASKED) for row in self.rows]

    def pictures(self, i: int, device: Any) -> dict[str, Any]:
        """The pictures' tensors of one row, on a device; empty where there are none."""
        if self.processor is None:
            return {}
        return {name: value.to(device) for name, value in vision.row_pictures(self.processor, self.rows[i]).items()}

    def picture_counts(self) -> dict[str, int]:
        """Pictures and their tokens in one pass over the data; empty for text alone."""
        if self.processor is None or not any(row.get("images") for row in self.rows):
            return {}
        return vision.token_counts(self.processor, self.rows)


def encode_examples(recipe: Recipe, job: TrainJob) -> TrainingData:
    """Examples to token ids through the model's own tokenizer, the prompt as the engine will show it.

    One longer than ``recipe.max_length`` or the model's context is left out and counted. Raises StarError where none is
    left, and for pictures that the model cannot read.
    """
    tokenizer = load_tokenizer(job.start)
    limit = min(recipe.max_length or ENDLESS, context_length(job.start) or ENDLESS)
    processor = vision.load_processor(job.start, job.runtime.max_images)
    if processor is None:
        rows, kept = _encode_texts(job, tokenizer, limit)
    else:
        rows, kept = vision.encode_examples(processor, job.examples, limit)
    need(
        bool(rows),
        f"all {len(job.examples)} examples are longer than {limit} tokens"
        + (
            f", the smaller of trainer.max_length={recipe.max_length} and the model's context"
            if processor is None
            else ", their pictures included"
        ),
        "raise trainer.max_length, or take a model that reads more",
    )
    return TrainingData(rows, kept, len(job.examples) - len(rows), tokenizer, processor)


def _encode_texts(job: TrainJob, tokenizer: Any, limit: int) -> tuple[list[dict[str, Any]], list[Example]]:
    """(rows, the examples they are of) for a model that reads text only."""
    pictured = next((e for e in job.examples if e.images), None)
    if pictured:
        where = f"the example of problem {pictured.problem_id!r}"
        raise vision.text_only_error(job.start.path, where, len(pictured.images))
    turns = encode_turns(job.start, tokenizer, [(e.prompt, e.completion) for e in job.examples])
    rows, kept = [], []
    for example, turn in zip(job.examples, turns, strict=True):
        if len(turn.labels) <= limit:
            rows.append({"input_ids": turn.prompt + turn.completion, "labels": turn.labels})
            kept.append(example)
    return rows, kept


def make_canary(model: Any, data: TrainingData) -> list[dict[str, Any]]:
    """A few examples spread over the data, with the log-probability (nats) of completion and end of text in float32."""
    import torch

    dtype = model.dtype
    model.float().eval()
    count = min(CANARIES, len(data.rows))
    canary = []
    for i in (n * len(data.rows) // count for n in range(count)):
        row, example = data.rows[i], data.examples[i]
        ids = torch.tensor([row["input_ids"]], device=model.device)
        labels = torch.tensor(row["labels"][1:], device=model.device)
        with torch.no_grad():
            logits = model(input_ids=ids, **data.pictures(i, model.device)).logits[0, :-1]
        scores = logits.float().log_softmax(-1)
        learnt = labels != MASKED
        total = scores[learnt].gather(1, labels[learnt, None]).sum().item()
        canary.append(
            {
                "prompt": example.prompt,
                "completion": example.completion,
                **({"images": example.images} if example.images else {}),
                "logprob": round(total, 5),
                "tokens": int(learnt.sum()),
            }
        )
    model.to(dtype)
    return canary
