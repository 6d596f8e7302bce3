"""Log-probabilities of completions by a plain forward pass: each token of each sequence once, similar lengths
together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from star_cli.backends.model_config import SAFE_WEIGHTS, context_length
from star_cli.backends.tokens import encode_turns, load_tokenizer, pad_id
from star_cli.backends.training.environment import tokens_at_once, training_environment
from star_cli.backends.weights import local_model
from star_cli.core.parts import ModelRef
from star_cli.errors import need

Row = tuple[list[int], list[int]]  # token ids of the prompt, and of the completion with its end of text


def encode_pairs(
    model: ModelRef, tokenizer: Any, items: Sequence[tuple[str, str]], ended: Sequence[bool] | None = None
) -> list[Row]:
    """(prompt, completion) texts as token ids, exactly as ``sft`` trains on them.

    ``ended`` says which completions get an end of text (None: all); one that ran out of tokens has none.
    """
    return [(turn.prompt, turn.completion) for turn in encode_turns(model, tokenizer, items, ended)]


def batches(rows: Sequence[Row], tokens: int | None = None) -> Iterator[list[int]]:
    """Indices of rows in batches of about as many tokens as a forward pass takes, the longest first."""
    room = tokens or 4 * tokens_at_once()
    order = sorted(range(len(rows)), key=lambda i: -sum(map(len, rows[i])))
    while order:
        size = max(1, room // max(1, sum(map(len, rows[order[0]]))))
        yield order[:size]
        order = order[size:]


def padded(rows: Sequence[Row], pad: int, device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask of rows, padded on the right: (rows, tokens) both."""
    import torch

    width = max(len(p) + len(c) for p, c in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, (prompt, completion) in enumerate(rows):
        text = prompt + completion
        ids[i, : len(text)] = torch.tensor(text)
        mask[i, : len(text)] = 1
    return ids.to(device), mask.to(device)


def logprobs(net: Any, rows: Sequence[Row], pad: int) -> list[float]:
    """log P(completion, end of text | prompt) in nats of each row."""
    import torch

    totals = [0.0] * len(rows)
    for indices in batches(rows):
        batch = [rows[i] for i in indices]
        ids, mask = padded(batch, pad, net.device)
        with torch.inference_mode():
            logits = net(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
            scored = torch.zeros_like(mask[:, 1:], dtype=torch.bool)
            for n, (prompt, completion) in enumerate(batch):
                scored[n, len(prompt) - 1 : len(prompt) + len(completion) - 1] = True
            each = logits[scored].float().log_softmax(-1).gather(1, ids[:, 1:][scored][:, None])[:, 0].double().cpu()
        start = 0
        for i, (_, completion) in zip(indices, batch, strict=True):
            totals[i] = float(each[start : start + len(completion)].sum())
            start += len(completion)
    return totals


def likelihoods(model: ModelRef, items: Sequence[tuple[str, str]], threads: int) -> list[float]:
    """log P(completion, end of text | prompt) in nats under a model directory, by transformers' own forward pass."""
    import torch
    from transformers import AutoModelForCausalLM

    model = local_model(model)
    with training_environment(threads):
        tokenizer = load_tokenizer(model)
        rows = cut(encode_pairs(model, tokenizer, items), model)
        net = AutoModelForCausalLM.from_pretrained(model.path, dtype=model.dtype, **SAFE_WEIGHTS).eval()
        net.to("cuda" if torch.cuda.is_available() else "cpu")
        return logprobs(net, rows, pad_id(tokenizer))


def cut(rows: Sequence[Row], model: ModelRef) -> list[Row]:
    """Rows no longer than the model reads: a solution that ran out of tokens loses its end; a prompt never does."""
    context = context_length(model)
    if context is None:
        return list(rows)
    longest = max((len(p) for p, _ in rows), default=0)
    need(
        longest < context,
        f"a prompt has {longest} tokens; the verifier {model.path} reads at most {context}",
        "take a verifier that reads more",
    )
    return [(p, c[: context - len(p)]) for p, c in rows]
