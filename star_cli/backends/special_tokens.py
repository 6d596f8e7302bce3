"""Texts of problems and completions as token ids in which nothing is special.

A problem that quotes <|im_end|>, or a model that spells it, must not end a turn or begin another: only the chat
template and the tokenizer itself place special tokens. What a model writes around its thoughts (<|channel|> of gpt-oss,
<|START_THINKING|> of Command) is its own and stays a token, in completions alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from typing import Any

from star_cli.errors import StarError

OF_THOUGHTS = frozenset(
    "<|channel|> <|message|> <|START_THINKING|> <|END_THINKING|> <|START_RESPONSE|> <|END_RESPONSE|> "
    "[THINK] [/THINK] <think> </think>".split()
)


@lru_cache(maxsize=4)
def special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """The texts that a tokenizer reads as special tokens, the longest first."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    texts = {*map(str, tokenizer.all_special_tokens), *(t.content for t in added if t.special)}
    return tuple(sorted(texts - {""}, key=lambda text: (-len(text), text)))


def plain_ids(tokenizer: Any, texts: Sequence[str], *, framed: bool = False) -> list[list[int]]:
    """The ids of texts with nothing special in them; ``framed`` with what the tokenizer puts around a text (BOS)."""
    encoded = tokenizer(list(texts), add_special_tokens=framed, split_special_tokens=True)["input_ids"]
    return [list(ids) for ids in encoded]


def completion_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of completions, without an end: the marks of thoughts are tokens, all else is plain."""
    encoded = plain_ids(tokenizer, texts)
    kept = [token for token in special_tokens(tokenizer) if token in OF_THOUGHTS]
    for i, text in enumerate(texts):
        if any(token in text for token in kept):
            encoded[i] = _between(tokenizer, _split(text, kept))
    return encoded


def quotes(tokenizer: Any, texts: Iterable[str]) -> set[str]:
    """Those of the texts that contain the text of a special token."""
    special = re.compile("|".join(map(re.escape, special_tokens(tokenizer))) or r"(?!)")
    return {text for text in texts if special.search(text)}


def templated_ids(tokenizer: Any, rendered: str, prompt: str) -> list[int]:
    """The ids of a chat template's text around a prompt that quotes special tokens: only the template's are tokens.

    Raises StarError where the template changed the prompt, so that they cannot be told from its own.
    """
    special = special_tokens(tokenizer)
    inside = prompt if prompt in rendered else prompt.strip()
    if rendered.count(inside) != 1:
        raise StarError(
            f"a prompt contains {next(t for t in special if t in prompt)!r}, a special token of this model, and its "
            "chat template does not show the prompt once and unchanged",
            hint="mend that problem's text, or set model.chat=false",
        )
    before, after = (_split(part, special) for part in rendered.split(inside))
    return _between(tokenizer, [*before[:-1], before[-1] + inside + after[0], *after[1:]])


def _split(text: str, tokens: Sequence[str]) -> list[str]:
    """A text cut at these tokens: [plain, token, plain, ..., plain]."""
    return re.split(f"({'|'.join(map(re.escape, tokens))})", text) if tokens else [text]


def _between(tokenizer: Any, parts: Sequence[str]) -> list[int]:
    """The ids of alternating plain texts and special tokens."""
    encoded = [
        [tokenizer.convert_tokens_to_ids(part)] if n % 2 else (plain_ids(tokenizer, [part])[0] if part else [])
        for n, part in enumerate(parts)
    ]
    return reduce(list.__add__, encoded, [])
