"""95 % intervals of shares: Wilson's score interval, and the interval of a mean over problems."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054
FEW = 5  # right, or wrong, answers below which a normal interval is too narrow


def wilson(right: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a share of ``n`` trials (E. B. Wilson 1927); (0, 1) when ``n`` is 0."""
    if n <= 0:
        return 0.0, 1.0
    p = right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def share_interval(shares: Sequence[float]) -> tuple[float, float, float]:
    """Mean of per-problem shares in [0, 1] with a 95 % interval: (mean, low, high); (0, 0, 1) of none.

    With shares of 0 and 1 only it is Wilson's interval. Otherwise it is the normal interval over problems, since the
    samples of one problem are not independent; where fewer than FEW problems' worth of answers is right, or wrong, it
    reaches at least 1/n to each side, for there the spread is not to be trusted.
    """
    n = len(shares)
    if not n:
        return 0.0, 0.0, 1.0
    mean = sum(shares) / n
    if all(s in (0.0, 1.0) for s in shares):
        return (mean, *wilson(sum(shares), n))
    spread = math.sqrt(sum((s - mean) ** 2 for s in shares) / max(n - 1, 1) / n)
    near_an_end = n * min(mean, 1 - mean) < FEW
    half = max(Z95 * spread, 1 / n if near_an_end else 0.0)
    return mean, max(0.0, mean - half), min(1.0, mean + half)
