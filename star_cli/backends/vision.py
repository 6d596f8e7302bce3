"""Prompts with pictures as token ids and pixel values, through the model's own processor, for engines and trainers.

Prompt("what is it?", ("cat.png",)) -> [5, 7, 7, 7, 7, 41, ...] (7: a part of the picture), {"pixel_values": ...}
"""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.backends.chat import PROBE, ChatFormat, joined_turn
from star_cli.backends.model_config import NO_CODE, gist, reads_pictures
from star_cli.backends.special_tokens import quotes
from star_cli.core.parts import ModelRef, Prompt
from star_cli.core.records import Example
from star_cli.errors import StarError
from star_cli.lib import images

CACHED_BYTES = 512 << 20  # of prepared pictures that are kept
PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
Row = dict[str, Any]  # an example as {"input_ids", "labels", "prompt", "images"}


def text_only_error(path: str, where: str, count: int) -> StarError:
    """What is said where a text-only model is shown a picture."""
    return StarError(
        f"{where} has {count} picture(s), and the model {path} reads text only",
        hint="choose a vision-language model (model=tiny_vlm, or model=hf model.path=DIR), or another task",
    )


def load_processor(model: ModelRef, limit: int) -> VisionProcessor | None:
    """The processor of a vision-language model for ``limit`` pictures a prompt; None for one that reads text only."""
    if not reads_pictures(model):
        return None
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(model.path, revision=model.revision, **NO_CODE)
    except Exception as e:  # a missing file, a class that does not import: each version has errors of its own
        raise StarError(
            f"the processor of {model.path} cannot be loaded: {gist(e)}",
            hint="save it beside the weights: processor.save_pretrained(directory)",
        ) from e
    if not hasattr(processor, "tokenizer"):
        raise StarError(
            f"the model {model.path} has a vision_config, but no processor for pictures beside it",
            hint="save it beside the weights: processor.save_pretrained(directory)",
        )
    return VisionProcessor(model, processor, limit)


class VisionProcessor:
    """A processor with its model's way of being talked to. ``limit`` is the most pictures in one prompt.

    Without a chat template the pictures stand before the text; with one, where the template puts them. What a problem's
    text says is always text, even where it looks like a special token.
    """

    def __init__(self, model: ModelRef, processor: Any, limit: int = 4) -> None:
        self.model, self.processor, self.limit = model, processor, limit
        self.tokenizer = processor.tokenizer
        self.token = str(getattr(processor, "image_token", "<image>"))
        self.token_id = int(self.tokenizer.convert_tokens_to_ids(self.token))
        self.chat = ChatFormat(model, processor, [{"type": "text", "text": PROBE}])
        self._prepared: OrderedDict[tuple[str, ...], dict[str, Any]] = OrderedDict()
        self._prepared_bytes = 0
        self._extra: dict[tuple[tuple[int, int], ...], int] = {}

    # ---- text -----------------------------------------------------------------------------------------------------
    def check(self, prompt: Prompt, where: str) -> None:
        """Raise a StarError for more pictures than fit, or for text that the chat template would read as a picture."""
        if len(prompt.images) > self.limit:
            raise StarError(
                f"{where} has {len(prompt.images)} pictures; {self.limit} are allowed in one prompt",
                hint="raise runtime.max_images if the model takes more, or leave this problem out",
            )
        if self.chat.templated and self.token in prompt.text:
            raise StarError(
                f"the text of {where} contains {self.token}, which {self.model.path} reads as a picture",
                hint="mend this problem's text",
            )
        if self.chat.templated and quotes(self.tokenizer, [prompt.text]):
            raise StarError(
                f"the text of {where} contains a special token of {self.model.path}, which its processor would read as "
                "one",
                hint="mend this problem's text, or set model.chat=false",
            )

    def rendered(self, prompt: Prompt) -> str:
        """The prompt through the chat template, one placeholder a picture."""
        parts = [*({"type": "image"} for _ in prompt.images), {"type": "text", "text": prompt.text}]
        text = self.chat.prompt(parts)
        if text.count(self.token) != len(prompt.images):
            raise StarError(
                f"the chat template of {self.model.path} shows {text.count(self.token)} of "
                f"{len(prompt.images)} pictures",
                hint="set model.chat=false, or mend the template",
            )
        return text

    def shown(self, prompt: Prompt) -> str:
        """The text that the model reads, pictures aside."""
        return self.rendered(prompt) if self.chat.templated else prompt.text

    def closed(self, text: str) -> list[int]:
        """What ends a begun thought as ids, its tokens special."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def plain(self, text: str) -> list[int]:
        """Text as ids, nothing in it special."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def ids(self, prompt: Prompt) -> list[int]:
        """The ids with one placeholder a picture, as vLLM takes them."""
        if self.chat.templated:
            return list(self.tokenizer(self.rendered(prompt), add_special_tokens=False)["input_ids"])
        return [*self.tokenizer(self.token * len(prompt.images))["input_ids"], *self.plain(prompt.text)]

    # ---- pictures -------------------------------------------------------------------------------------------------
    def read(self, prompt: Prompt) -> tuple[list[int], dict[str, Any]]:
        """(the ids with every placeholder as long as its picture, the processor's tensors of the pictures)."""
        if not prompt.images:
            return self.ids(prompt), {}
        address = tuple(images.digest(path) for path in prompt.images)
        if self.chat.templated:
            tensors = self._process(self.rendered(prompt), prompt, add_special_tokens=False)
            ids = tensors["input_ids"][0].tolist()
        else:
            tensors = self._prepared.get(address) or self._prepare(prompt, address)
            self._prepared.move_to_end(address)
            ids = [*tensors["input_ids"][0].tolist(), *self.plain(prompt.text)]
        return ids, {name: value for name, value in tensors.items() if name not in PER_TOKEN}

    def _process(self, text: str, prompt: Prompt, *, add_special_tokens: bool) -> dict[str, Any]:
        pictures = [images.load(path) for path in prompt.images]
        output = self.processor(
            text=[text], images=[pictures], return_tensors="pt", add_special_tokens=add_special_tokens
        )
        return {name: value for name, value in output.items() if hasattr(value, "nbytes")}

    def _prepare(self, prompt: Prompt, address: tuple[str, ...]) -> dict[str, Any]:
        """The tensors of a prompt's pictures alone, kept for the next time they are asked for."""
        tensors = self._process(self.token * len(prompt.images), prompt, add_special_tokens=True)
        self._prepared[address] = tensors
        self._prepared_bytes += _bytes(tensors)
        while self._prepared_bytes > CACHED_BYTES and len(self._prepared) > 1:
            self._prepared_bytes -= _bytes(self._prepared.popitem(last=False)[1])
        return tensors

    def extra(self, prompt: Prompt) -> int:
        """How many tokens the pictures add to ``ids``: it depends on their sizes alone."""
        if not prompt.images:
            return 0
        sizes = tuple(images.check(path) for path in prompt.images)
        if sizes not in self._extra:
            bare = Prompt("", prompt.images)
            self._extra[sizes] = len(self.read(bare)[0]) - len(self.ids(bare))
        return self._extra[sizes]

    def count_image_tokens(self, ids: Sequence[int]) -> int:
        """How many of these ids stand for a part of a picture."""
        return list(ids).count(self.token_id)


def _bytes(tensors: dict[str, Any]) -> int:
    return sum(int(v.nbytes) for v in tensors.values())


def join_pictures(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pictures' tensors of several prompts as one batch: end to end, zeros where one is smaller than another."""
    batch: dict[str, Any] = {}
    for name in dict.fromkeys(n for part in parts for n in part):
        values = [part[name] for part in parts if name in part]
        shape = [max(sizes) for sizes in zip(*(v.shape[1:] for v in values), strict=True)]
        whole = values[0].new_zeros((sum(v.shape[0] for v in values), *shape))
        at = 0
        for v in values:
            whole[(slice(at, at + v.shape[0]), *(slice(0, n) for n in v.shape[1:]))] = v
            at += v.shape[0]
        batch[name] = whole
    return batch


def multi_modal_data(prompt: Prompt) -> dict[str, Any]:
    """The pictures of a prompt as vLLM takes them."""
    return {"image": [_opened(images.digest(path), path) for path in prompt.images]}


@lru_cache(maxsize=64)
def _opened(digest: str, path: str) -> Any:
    return images.load(path)


# ---- training ------------------------------------------------------------------------------------------------------
def encode_examples(
    vision: VisionProcessor, examples: Sequence[Example], limit: int
) -> tuple[list[Row], list[Example]]:
    """(rows, the examples they are of): ids with every picture's tokens, labels only on completion and end of text.

    What is longer than ``limit`` tokens is left out. The pictures themselves are read batch by batch.
    """
    rows, kept = [], []
    for example in examples:
        prompt = Prompt(example.prompt, tuple(example.images))
        vision.check(prompt, f"the example of problem {example.problem_id!r}")
        prompt_ids, _ = vision.read(prompt)
        before, split = vision.chat.split(vision.shown(prompt), example.completion)
        pieces = [(vision.plain(text), own) for text, own in split]
        head = [*prompt_ids, *vision.closed(before)] if before else prompt_ids
        turn = joined_turn(head, pieces, vision.tokenizer, True)
        if len(turn.labels) <= limit:
            rows.append(
                {
                    "input_ids": turn.prompt + turn.completion,
                    "labels": turn.labels,
                    "prompt": example.prompt,
                    "images": list(example.images),
                }
            )
            kept.append(example)
    return rows, kept


def row_content(row: Row) -> Row:
    """What a row holds, wherever its pictures lie."""
    return {name: row[name] for name in ("input_ids", "labels")} | (
        {"images": [images.digest(path) for path in row["images"]]} if "images" in row else {}
    )


def row_pictures(vision: VisionProcessor, row: Row) -> dict[str, Any]:
    """The processor's tensors of the pictures of one row; empty where it has none."""
    return vision.read(Prompt(row["prompt"], tuple(row["images"])))[1] if row["images"] else {}


def collate(vision: VisionProcessor, rows: Sequence[Row], pad: int) -> dict[str, Any]:
    """One batch, padded on the right: input_ids, attention_mask, labels (rows, tokens), and the processor's tensors of
    all pictures, end to end in the order of the rows.
    """
    import torch

    width = max(len(r["input_ids"]) for r in rows)

    def padded(values: list[list[int]], filler: int) -> Any:
        return torch.tensor([v + [filler] * (width - len(v)) for v in values])

    return {
        "input_ids": padded([r["input_ids"] for r in rows], pad),
        "attention_mask": padded([[1] * len(r["input_ids"]) for r in rows], 0),
        "labels": padded([r["labels"] for r in rows], -100),
        **join_pictures([row_pictures(vision, r) for r in rows if r["images"]]),
    }


def token_counts(vision: VisionProcessor, rows: Sequence[Row]) -> dict[str, int]:
    """Pictures, their tokens, and tokens of text around the completions, in one pass over the rows."""
    image_tokens = sum(vision.count_image_tokens(r["input_ids"]) for r in rows)
    return {
        "pictures": sum(len(r["images"]) for r in rows),
        "image_tokens": image_tokens,
        "prompt_text_tokens": sum(r["labels"].count(-100) for r in rows) - image_tokens,
    }


def copy_canary_pictures(canary: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """The canary with its pictures copied beside the weights and named relative to them."""
    for i, row in enumerate(canary):
        names = [f"canary-{i}-{n}{Path(path).suffix}" for n, path in enumerate(row.get("images", []))]
        for name, path in zip(names, row.get("images", []), strict=True):
            shutil.copyfile(path, out / name)
        if names:
            row["images"] = names
    return canary
