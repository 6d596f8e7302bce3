"""What ``sft`` needs for models that see: examples with pictures as ids, batches with pixels, the right model class."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from star_cli.backends.vision import Eyes, blind, joined, sees
from star_cli.core.parts import Prompt, TrainJob
from star_cli.core.records import Example
from star_cli.lib import images

if TYPE_CHECKING:
    from star_cli.backends.trainers.sft import Data


def eyes_of(job: TrainJob, start: Path) -> Eyes | None:
    """The processor of a vision-language model; None for a model that reads text only. Pictures for that are an
    error.
    """
    if not sees(json.loads((start / "config.json").read_bytes())):
        shown = next((e for e in job.examples if e.images), None)
        if shown:
            raise blind(job.start.path, f"the example of problem {shown.problem_id!r}", len(shown.images))
        return None
    from transformers import AutoProcessor

    return Eyes(job.start, AutoProcessor.from_pretrained(str(start)), job.runtime.max_images)


def rows_of(eyes: Eyes, examples: list[Example], limit: int) -> tuple[list[dict[str, Any]], list[Example]]:
    """(rows, the examples they are of): ids with every picture's tokens, labels only on completion and end of text.

    What is longer than ``limit`` tokens is left out. The pictures themselves are read batch by batch.
    """
    rows, kept = [], []
    end = eyes.tokenizer.eos_token_id
    for example in examples:
        prompt = Prompt(example.prompt, tuple(example.images))
        eyes.check(prompt, f"the example of problem {example.problem_id!r}")
        shown, _ = eyes.read(prompt)
        taught = [*eyes.plain(example.completion), end]
        if len(shown) + len(taught) <= limit:
            rows.append(
                {
                    "input_ids": shown + taught,
                    "labels": [-100] * len(shown) + taught,
                    "prompt": example.prompt,
                    "images": list(example.images),
                }
            )
            kept.append(example)
    return rows, kept


def content(rows: list[dict[str, Any]]) -> list[Any]:
    """What the rows hold, wherever the pictures lie."""
    return [
        {"input_ids": r["input_ids"], "labels": r["labels"], "images": [images.digest(p) for p in r["images"]]}
        if "images" in r
        else r
        for r in rows
    ]


def collate(rows: list[dict[str, Any]], eyes: Eyes, pad: int) -> dict[str, Any]:
    """One batch, padded on the right: input_ids, attention_mask, labels (rows, tokens), and the processor's tensors of
    all pictures, end to end in the order of the rows.
    """
    import torch

    width = max(len(r["input_ids"]) for r in rows)

    def padded(name: str, filler: int) -> Any:
        return torch.tensor([r[name] + [filler] * (width - len(r[name])) for r in rows])

    mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (width - len(r["input_ids"])) for r in rows])
    pixels = [eyes.read(Prompt(r["prompt"], tuple(r["images"])))[1] for r in rows if r["images"]]
    return {
        "input_ids": padded("input_ids", pad),
        "attention_mask": mask,
        "labels": padded("labels", -100),
        **joined(pixels),
    }


def model_class(start: str) -> Any:
    """The class that loads a model directory: one with pictures has a head of its own."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    return (
        AutoModelForImageTextToText
        if sees(json.loads((Path(start) / "config.json").read_bytes()))
        else AutoModelForCausalLM
    )


def pixels_of(data: Data, i: int, device: Any) -> dict[str, Any]:
    """The pictures' tensors of one row, on the model's device; empty where there are none."""
    row = data.rows[i]
    if data.eyes is None or not row.get("images"):
        return {}
    return {n: v.to(device) for n, v in data.eyes.read(Prompt(row["prompt"], tuple(row["images"])))[1].items()}


def counts(data: Data) -> dict[str, int]:
    """Tokens of pictures, and of text around the completions, in one pass over the data; empty for text alone."""
    if data.eyes is None or not any(r.get("images") for r in data.rows):
        return {}
    seen = sum(data.eyes.counted(r["input_ids"]) for r in data.rows)
    prompts = sum(r["labels"].count(-100) for r in data.rows)
    return {
        "pictures": sum(len(r["images"]) for r in data.rows),
        "image_tokens": seen,
        "prompt_text_tokens": prompts - seen,
    }


def kept_pictures(canary: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """The canary with its pictures copied beside the weights and named relative to them."""
    for i, told in enumerate(canary):
        names = []
        for n, path in enumerate(told.get("images", [])):
            name = f"canary-{i}-{n}{Path(path).suffix}"
            shutil.copyfile(path, out / name)
            names.append(name)
        if names:
            told["images"] = names
    return canary
