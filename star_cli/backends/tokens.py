"""Text to token ids and back: the tokenizer, the chat template and the end of text, for engines and trainers alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from star_cli.backends.chat import ChatFormat, Turn, joined_turn
from star_cli.backends.model_config import NO_CODE, REBUILD, gist
from star_cli.backends.special_tokens import completion_ids, plain_ids, quotes, templated_ids
from star_cli.backends.vision import VisionProcessor, text_only_error
from star_cli.backends.weights import check_companions, directory_shapes, is_directory
from star_cli.core.parts import ModelRef, Prompt
from star_cli.errors import StarError

VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache", "pad_token_id")


# ---- the tokenizer -------------------------------------------------------------------------------------------------
def load_tokenizer(model: ModelRef) -> Any:
    """The tokenizer of a model; a StarError where it cannot be read or has no end-of-text token."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model.path, revision=model.revision, **NO_CODE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise StarError(f"the tokenizer of {model.path} cannot be loaded: {gist(e)}", hint=REBUILD) from e
    if tokenizer.eos_token_id is None:
        raise StarError(
            f"the tokenizer of {model.path} has no end-of-text token (eos_token), so no completion could end",
            hint="set tokenizer.eos_token and save it again",
        )
    return tokenizer


def stop_ids(model: ModelRef, tokenizer: Any) -> list[int]:
    """The token ids that end a text: the tokenizer's eos and those of generation_config.json (chat models: more)."""
    from transformers import GenerationConfig

    ids = {tokenizer.eos_token_id}
    try:
        more = GenerationConfig.from_pretrained(model.path, revision=model.revision).eos_token_id
    except OSError:
        more = None
    ids.update([more] if isinstance(more, int) else more or [])
    return sorted(ids)


def pad_id(tokenizer: Any) -> int:
    """A token to pad with: the end of text where there is none for it. Padding is always masked out."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


def swap_signature(model: ModelRef, tokenizer: Any) -> dict[str, Any] | None:
    """What must be equal before other weights may be put into a living engine: configuration, tensor shapes, tokenizer.

    None where it cannot be told: for a model that is no directory on this machine.
    """
    here = Path(model.path)
    if not is_directory(model) or not any(here.glob("*.safetensors")):
        return None
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_padding()  # a trainer may have left these two in the file; encoding sets them anew each time
        backend.no_truncation()
    rules = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    return {
        "config": {name: value for name, value in check_companions(here).items() if name not in VOLATILE},
        "shapes": directory_shapes(here),
        "eos": stop_ids(model, tokenizer),
        "tokenizer": hashlib.sha256(rules.encode()).hexdigest(),
        "class": type(tokenizer).__name__,
        "template": getattr(tokenizer, "chat_template", None),
        "chat": model.chat,
    }


# ---- prompts -------------------------------------------------------------------------------------------------------
def render_prompt(model: ModelRef, tokenizer: Any, prompt: str) -> str:
    """The exact text the model reads: a user's turn of its chat template where there is one, else the prompt itself."""
    return ChatFormat(model, tokenizer).prompt(prompt)


def encode_prompt(model: ModelRef, tokenizer: Any, prompt: str) -> list[int]:
    """The token ids of the rendered prompt; only a plain text gets the special tokens that the tokenizer adds.

    Special tokens that stand in the prompt itself are plain text there (special_tokens.py).
    """
    return encode_prompts(model, tokenizer, [prompt])[prompt]


def encode_prompts(model: ModelRef, tokenizer: Any, prompts: Sequence[str]) -> dict[str, list[int]]:
    """``encode_prompt`` of every prompt, as {prompt: ids}, in two calls of the tokenizer instead of thousands."""
    chat = ChatFormat(model, tokenizer)
    return {
        prompt: ids
        for (prompt, _, _), ids in _prompt_ids(tokenizer, [(p, chat.prompt(p), "") for p in prompts]).items()
    }


def _prompt_ids(tokenizer: Any, rows: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], list[int]]:
    """The ids of (prompt, its rendered text, what closes a begun thought behind it), as {row: ids}."""
    rows = list(dict.fromkeys(rows))
    quoting = quotes(tokenizer, [prompt for prompt, _, _ in rows])
    bare = [row for row in rows if row[0] == row[1]]
    templated = [row for row in rows if row[0] != row[1] and row[0] not in quoting]
    encoded: dict[tuple[str, str, str], list[int]] = {}
    if bare:
        texts = plain_ids(tokenizer, [prompt for prompt, _, _ in bare], framed=True)
        ends = completion_ids(tokenizer, [before for _, _, before in bare])
        encoded.update({row: ids + end for row, ids, end in zip(bare, texts, ends, strict=True)})
    if templated:
        texts = tokenizer([text + before for _, text, before in templated], add_special_tokens=False)["input_ids"]
        encoded.update(zip(templated, texts, strict=True))
    for row in rows:
        if row not in encoded:
            encoded[row] = templated_ids(tokenizer, row[1] + row[2], row[0])
    return encoded


def encode_turns(
    model: ModelRef, tokenizer: Any, items: Sequence[tuple[str, str]], ended: Sequence[bool] | None = None
) -> list[Turn]:
    """(prompt, completion) texts as token ids, exactly as an engine read and wrote them.

    ``ended`` says which completions get an end of text (None: all); one that ran out of tokens has none.
    """
    if not items:
        return []
    chat = ChatFormat(model, tokenizer)
    rendered = {prompt: chat.prompt(prompt) for prompt, _ in items}
    splits = [chat.split(rendered[prompt], completion) for prompt, completion in items]
    heads = [(p, rendered[p], before) for (p, _), (before, _) in zip(items, splits, strict=True)]
    prompts = _prompt_ids(tokenizer, heads)
    own = iter(completion_ids(tokenizer, [text for _, split in splits for text, mine in split if mine]))
    turns = []
    for head, (_, split), end in zip(heads, splits, ended or [True] * len(items), strict=True):
        pieces = [
            (next(own) if mine else list(tokenizer(text, add_special_tokens=False)["input_ids"]), mine)
            for text, mine in split
        ]
        turns.append(joined_turn(prompts[head], pieces, tokenizer, end))
    return turns


class Codec:
    """Text to token ids and back for an engine, as the trainer does it.

    A text is decoded from its own ids alone, without the end token, so that the trainer's encoding of it gives the ids
    that were sampled; a stop string and what follows it is not part of it. ``limit`` is the context in tokens.
    """

    def __init__(self, model: ModelRef, tokenizer: Any, limit: int, processor: VisionProcessor | None = None) -> None:
        self.model, self.tokenizer, self.limit, self.processor = model, tokenizer, limit, processor
        self.stops = stop_ids(model, tokenizer)
        self.chat = processor.chat if processor else ChatFormat(model, tokenizer)
        self._last: tuple[Prompt, list[int], int] = (Prompt(""), [], 0)

    def prompt(self, prompt: Prompt, where: str, room: int) -> list[int]:
        """The ids of a prompt with ``room`` tokens left behind it, or a StarError with ``where`` and the numbers.

        A picture is one placeholder here; ``extra`` says how many tokens more it becomes.
        """
        if prompt != self._last[0] or not self._last[1]:
            self._last = (prompt, *self._encoded(prompt, where))
        _, ids, extra = self._last
        if not ids:
            raise StarError(f"the prompt of {where} has no tokens", hint="the task must ask the model something")
        if len(ids) + extra + room > self.limit:
            raise StarError(
                f"the prompt of {where} has {len(ids) + extra} tokens; with the {room} to be written that is more "
                f"than the context of {self.limit}",
                hint="lower sampling.max_tokens, shorten the prompt, or raise runtime.max_model_len if the "
                "model can read more",
            )
        return ids

    def _encoded(self, prompt: Prompt, where: str) -> tuple[list[int], int]:
        if self.processor is None:
            if prompt.images:
                raise text_only_error(self.model.path, where, len(prompt.images))
            return encode_prompt(self.model, self.tokenizer, prompt.text), 0
        self.processor.check(prompt, where)
        return self.processor.ids(prompt), self.processor.extra(prompt)

    @property
    def ids(self) -> list[int]:
        """The ids of the last prompt."""
        return self._last[1]

    @property
    def extra(self) -> int:
        """How many tokens the pictures of the last prompt add to its ids."""
        return self._last[2]

    def plain(self, text: str) -> list[int]:
        """The ids of a text that the model writes, as a trainer encodes it."""
        if self.processor is not None:
            return self.processor.plain(text)
        return completion_ids(self.tokenizer, [text])[0]

    def special(self, text: str) -> list[int]:
        """The ids of a text in which special tokens are special: what the template could have written."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def completion(self, text: str) -> list[int]:
        """The ids the trainer learns for a completion: its own encoding and the end of text."""
        return [*self.plain(text), self.tokenizer.eos_token_id]

    def turn(self, prompt: Prompt, completion: str, where: str, room: int = 0) -> Turn:
        """A prompt and a completion with the end of text, as a trainer encodes them; raises as ``prompt`` does."""
        text = self.chat.prompt(prompt.text) if self.processor is None else self.processor.shown(prompt)
        before, split = self.chat.split(text, completion)
        pieces = [(self.plain(piece) if own else self.special(piece), own) for piece, own in split]
        behind = sum(len(ids) for ids, _ in pieces) + len(self.plain(before)) * bool(before) + 1 + room
        head = self.prompt(prompt, where, behind)
        if before and self.processor is not None:
            head = [*head, *self.processor.closed(before)]
        elif before:  # encoded as one text, as a trainer has it
            row = (prompt.text, text, before)
            head = _prompt_ids(self.tokenizer, [row])[row]
        return joined_turn(head, pieces, self.tokenizer, True)

    def begun(self, prompt: Prompt) -> str:
        """The begun thought at the end of a prompt: the model goes on with it, and its text begins with it."""
        return self.chat.begun(prompt.text)

    def text(self, ids: Sequence[int], stop: Iterable[str]) -> tuple[str, bool]:
        """The text of sampled ids up to the first stop string, and whether there was one."""
        ids = ids[:-1] if ids and ids[-1] in self.stops else ids
        text = str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        ends = [at for at in (text.find(s) for s in stop) if at >= 0]
        return (text[: min(ends)], True) if ends else (text, False)
