"""Whether weights arrived in an engine: its scores of the canary texts beside those of the trainer's forward pass."""

from __future__ import annotations

from star_cli.core.parts import ModelRef

TOLERANCE = {"float32": 0.01}  # nats a token between the engine's and the trainer's forward pass
LOOSE = 0.1  # for half precision


def distance(model: ModelRef, scores: list[float]) -> float:
    """Mean absolute difference in nats a token between scores and the trainer's own forward pass."""
    tokens = sum(c["tokens"] for c in model.canary)
    return sum(abs(s - c["logprob"]) for s, c in zip(scores, model.canary, strict=True)) / tokens if tokens else 0.0


def stale(model: ModelRef, before: list[float], after: list[float]) -> str | None:
    """Why a swap failed, judged by the canary's scores before and after it; None when it is proved.

    Proved: the scores are now the trainer's (within the precision), or at least half as far from them as before.
    """
    was, now = distance(model, before), distance(model, after)
    tolerance = TOLERANCE.get(model.dtype, LOOSE)
    if model.canary and before == after and was > 1e-4:
        return "its log-probabilities did not change at all"
    if now <= tolerance or now <= was / 2:
        return None
    return f"its log-probabilities are {now:.4f} nats a token from the trainer's, {was:.4f} before"
