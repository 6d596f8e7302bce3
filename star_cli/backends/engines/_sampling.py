"""Drawing the next token from logits: temperature, top_k, top_p, and a number that the request's seed gave."""

from __future__ import annotations

from typing import Any

from star_cli.core.settings import Sampling


def pick(logits: Any, sampling: Sampling, draws: Any) -> Any:
    """One token a row from logits (rows, vocabulary): the likeliest, or the one where the distribution passes the draw.

    ``draws`` are uniform in [0, 1), one a row. Order of the filters: temperature, top_k, top_p.
    """
    if not sampling.temperature:
        return logits.argmax(-1)
    scaled = logits.double() / sampling.temperature
    if 0 < sampling.top_k < scaled.shape[-1]:
        least = scaled.topk(sampling.top_k).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, float("-inf"))
    share = scaled.softmax(-1)
    if sampling.top_p < 1:
        ranked, order = share.sort(dim=-1, descending=True, stable=True)
        outside = ranked.cumsum(-1) - ranked >= sampling.top_p  # what the likelier ones already cover
        share = share.masked_fill(outside.scatter(-1, order, outside), 0.0)
    passed = share.cumsum(-1)
    at = (passed <= draws[:, None] * passed[:, -1:]).sum(-1)
    return at.clamp(max=share.shape[-1] - 1)
