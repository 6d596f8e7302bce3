"""Prompts with pictures as token ids and pixel values, through the model's own processor; engines and trainers share
it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from star_cli.core.parts import ModelRef, Prompt
from star_cli.errors import StarError
from star_cli.lib import images

ROOM = 512 << 20  # bytes of prepared pictures that are kept
PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


def sees(config: dict[str, Any]) -> bool:
    """Whether a model with this config.json reads pictures."""
    return "vision_config" in config


def blind(path: str, where: str, count: int) -> StarError:
    """What is said where a text-only model is shown a picture."""
    return StarError(
        f"{where} has {count} picture(s), and the model {path} reads text only",
        hint="choose a vision-language model (model=tiny_vlm, or model=hf model.path=DIR), or another task",
    )


class Eyes:
    """A processor with its model's way of being talked to. ``limit`` is the most pictures in one prompt.

    Without a chat template the pictures stand before the text; with one, where the template puts them. What a problem's
    text says is always text, even where it looks like a special token.
    """

    def __init__(self, model: ModelRef, processor: Any, limit: int = 4) -> None:
        self.model, self.processor, self.limit = model, processor, limit
        self.tokenizer = processor.tokenizer
        self.token = str(getattr(processor, "image_token", "<image>"))
        self.token_id = int(self.tokenizer.convert_tokens_to_ids(self.token))
        template = getattr(processor, "chat_template", None) or getattr(self.tokenizer, "chat_template", None)
        if model.chat and not template:
            raise StarError(
                f"model.chat=true, but the processor of {model.path} has no chat template", hint="set model.chat=false"
            )
        self.chat = bool(template) and model.chat is not False
        self._pixels: OrderedDict[tuple[str, ...], dict[str, Any]] = OrderedDict()
        self._held = 0
        self._extra: dict[tuple[tuple[int, int], ...], int] = {}

    # ---- text -----------------------------------------------------------------------------------------------------
    def check(self, prompt: Prompt, where: str) -> None:
        """Raise a StarError for more pictures than fit, or for text that the chat template would read as a picture."""
        if len(prompt.images) > self.limit:
            raise StarError(
                f"{where} has {len(prompt.images)} pictures; {self.limit} are allowed in one prompt",
                hint="raise runtime.max_images if the model takes more, or leave this problem out",
            )
        if self.chat and self.token in prompt.text:
            raise StarError(
                f"the text of {where} contains {self.token}, which {self.model.path} reads as a picture",
                hint="mend this problem's text",
            )

    def rendered(self, prompt: Prompt) -> str:
        """The prompt through the chat template, one placeholder a picture."""
        parts = [*({"type": "image"} for _ in prompt.images), {"type": "text", "text": prompt.text}]
        text = str(
            self.processor.apply_chat_template(
                [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
            )
        )
        if text.count(self.token) != len(prompt.images):
            raise StarError(
                f"the chat template of {self.model.path} shows {text.count(self.token)} of "
                f"{len(prompt.images)} pictures",
                hint="set model.chat=false, or mend the template",
            )
        return text

    def plain(self, text: str) -> list[int]:
        """Text as ids, nothing in it special."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def ids(self, prompt: Prompt) -> list[int]:
        """The ids with one placeholder a picture, as vLLM takes them."""
        if self.chat:
            return list(self.tokenizer(self.rendered(prompt), add_special_tokens=False)["input_ids"])
        return [*self.tokenizer(self.token * len(prompt.images))["input_ids"], *self.plain(prompt.text)]

    # ---- pictures -------------------------------------------------------------------------------------------------
    def read(self, prompt: Prompt) -> tuple[list[int], dict[str, Any]]:
        """(the ids with every placeholder as long as its picture, the processor's tensors of the pictures)."""
        if not prompt.images:
            return self.ids(prompt), {}
        address = tuple(images.digest(path) for path in prompt.images)
        if not self.chat:
            held = self._pixels.get(address) or self._look(self.token * len(prompt.images), prompt, address, True)
            self._pixels.move_to_end(address)
            pixels = {name: value for name, value in held.items() if name not in PER_TOKEN}
            return [*held["input_ids"][0].tolist(), *self.plain(prompt.text)], pixels
        held = self._look(self.rendered(prompt), prompt, address, False)
        return held["input_ids"][0].tolist(), {n: v for n, v in held.items() if n not in PER_TOKEN}

    def _look(self, text: str, prompt: Prompt, address: tuple[str, ...], special: bool) -> dict[str, Any]:
        pictures = [images.load(path) for path in prompt.images]
        told = self.processor(text=[text], images=[pictures], return_tensors="pt", add_special_tokens=special)
        held = {name: value for name, value in told.items() if hasattr(value, "nbytes")}
        if special:
            self._pixels[address] = held
            self._held += sum(int(v.nbytes) for v in held.values())
            while self._held > ROOM and len(self._pixels) > 1:
                _, old = self._pixels.popitem(last=False)
                self._held -= sum(int(v.nbytes) for v in old.values())
        return held

    def extra(self, prompt: Prompt) -> int:
        """How many tokens the pictures add to ``ids``: it depends on their sizes alone."""
        if not prompt.images:
            return 0
        sizes = tuple(images.check(path) for path in prompt.images)
        if sizes not in self._extra:
            bare = Prompt("", prompt.images)
            self._extra[sizes] = len(self.read(bare)[0]) - len(self.ids(bare))
        return self._extra[sizes]

    def counted(self, ids: list[int]) -> int:
        """How many of these ids stand for a part of a picture."""
        return ids.count(self.token_id)


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The pictures' tensors of several prompts as one batch: end to end, zeros where one is smaller than another."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(n for part in parts for n in part):
        values = [part[name] for part in parts if name in part]
        shape = [max(sizes) for sizes in zip(*(v.shape[1:] for v in values), strict=True)]
        rows = sum(v.shape[0] for v in values)
        whole = values[0].new_zeros((rows, *shape))
        at = 0
        for v in values:
            whole[(slice(at, at + v.shape[0]), *(slice(0, n) for n in v.shape[1:]))] = v
            at += v.shape[0]
        found[name] = whole
    return found
