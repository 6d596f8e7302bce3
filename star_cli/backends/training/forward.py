"""Log-probabilities of completions by a plain forward pass: each token of each sequence once, similar lengths
together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from star_cli.backends.trainers.sft import context_of, directory_of, encode_prompts
from star_cli.backends.training import loop as _loop
from star_cli.core.parts import ModelRef
from star_cli.errors import need

Row = tuple[list[int], list[int]]  # token ids of the prompt, and of the completion with its end of text


def encode_pairs(ref: ModelRef, tokenizer: Any, items: Sequence[tuple[str, str]]) -> list[Row]:
    """(prompt, completion) texts as token ids, exactly as ``sft`` trains on them."""
    if not items:
        return []
    prompts = encode_prompts(ref, tokenizer, list(dict.fromkeys(p for p, _ in items)))
    completions = tokenizer([c for _, c in items], add_special_tokens=False)["input_ids"]
    return [(prompts[p], [*ids, tokenizer.eos_token_id]) for (p, _), ids in zip(items, completions, strict=True)]


def batches(rows: Sequence[Row], tokens: int | None = None) -> Iterator[list[int]]:
    """Indices of rows in batches of about as many tokens as a forward pass takes, the longest first."""
    room = tokens or 4 * _loop.tokens_at_once()
    order = sorted(range(len(rows)), key=lambda i: -sum(map(len, rows[i])))
    while order:
        size = max(1, room // max(1, sum(map(len, rows[order[0]]))))
        yield order[:size]
        order = order[size:]


def padded(rows: Sequence[Row], pad: int, device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask of rows, padded on the right."""
    import torch

    width = max(len(p) + len(c) for p, c in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, (prompt, completion) in enumerate(rows):
        text = prompt + completion
        ids[i, : len(text)] = torch.tensor(text)
        mask[i, : len(text)] = 1
    return ids.to(device), mask.to(device)


def logprobs(model: Any, rows: Sequence[Row], pad: int) -> list[float]:
    """log P(completion, end of text | prompt) in nats of each row."""
    import torch

    found = [0.0] * len(rows)
    for at in batches(rows):
        these = [rows[i] for i in at]
        ids, mask = padded(these, pad, model.device)
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
            taught = torch.zeros_like(mask[:, 1:], dtype=torch.bool)
            for n, (prompt, completion) in enumerate(these):
                taught[n, len(prompt) - 1 : len(prompt) + len(completion) - 1] = True
            each = hidden[taught].float().log_softmax(-1).gather(1, ids[:, 1:][taught][:, None])[:, 0].double().cpu()
        start = 0
        for i, (_, completion) in zip(at, these, strict=True):
            found[i] = float(each[start : start + len(completion)].sum())
            start += len(completion)
    return found


def likelihoods(ref: ModelRef, items: Sequence[tuple[str, str]], threads: int) -> list[float]:
    """log P(completion, end of text | prompt) in nats under a model directory, by transformers' own forward pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    start = directory_of(ref)
    with _loop.ground(threads):
        tokenizer = AutoTokenizer.from_pretrained(str(start))
        rows = cut(encode_pairs(ref, tokenizer, items), context_of(start), ref)
        model = AutoModelForCausalLM.from_pretrained(str(start), dtype=ref.dtype).eval()
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return logprobs(model, rows, pad_of(tokenizer))


def cut(rows: Sequence[Row], context: int, ref: ModelRef) -> list[Row]:
    """Rows no longer than the model reads: a solution that ran out of tokens loses its end; a prompt never does."""
    longest = max((len(p) for p, _ in rows), default=0)
    need(
        longest < context,
        f"a prompt has {longest} tokens; the verifier {ref.path} reads at most {context}",
        "take a verifier that reads more",
    )
    return [(p, c[: context - len(p)]) for p, c in rows]


def pad_of(tokenizer: Any) -> int:
    """A token to pad with; it is masked out."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)
