"""Choosing one answer among k candidates: pass@k, best-of-k and majority votes, with bootstrap intervals over problems.

Arrays are (P, N): P problems, each with N candidates. Every estimator returns (P,): for each problem the expected
correctness, in [0, 1], when k of its N candidates are drawn without replacement. Means over problems, their intervals
and paired differences come from one set of bootstrap resamples of the problems. numpy only.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from star_cli.errors import StarError
from star_cli.lib.intervals import wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SUBSETS = 2000  # a vote looks at all k-subsets where there are no more than these, else at this many drawn by seed
TIE = 1e-9  # weighted votes closer than this, relative to the largest, are a tie


def pass_at_k(correct: Floats, k: int) -> Floats:
    """Unbiased pass@k (Chen et al. 2021): 1 - C(N-c, k) / C(N, k) where c of N candidates are right.

    ``correct`` is (P, N) of 0 and 1. Returns (P,). Raises StarError unless 1 <= k <= N.
    """
    n = _checked(correct, k)
    table = np.array([1 - math.comb(n - c, k) / math.comb(n, k) for c in range(n + 1)])
    return np.asarray(table[correct.sum(axis=1).round().astype(int)])


def best_of_k(correct: Floats, scores: Floats, k: int) -> Floats:
    """Best-of-k (V-STaR, Hosseini et al. 2024, eq. 3): the expected correctness of the highest-scored of k candidates.

    It is the sum over i of C(N-i-1, k-1) / C(N, k) alpha_i, where alpha_i is the correctness in order of falling score.
    Ties are broken at random: every alpha of a group of equal scores is the group's mean. ``correct`` and ``scores``
    are (P, N). Returns (P,). Raises StarError for a NaN score, and unless 1 <= k <= N.
    """
    n = _checked(correct, k)
    if np.isnan(scores).any():
        raise StarError("a verifier's score is not a number (NaN)", hint="look at the scores with star show")
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked, alpha = np.take_along_axis(scores, order, 1), np.take_along_axis(correct, order, 1)
    starts_group = np.ones(ranked.shape, dtype=bool)
    starts_group[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(starts_group.ravel()) - 1
    means = np.bincount(group, alpha.ravel()) / np.bincount(group)
    weights = np.array([math.comb(n - i - 1, k - 1) / math.comb(n, k) for i in range(n)])
    return np.asarray(means[group].reshape(alpha.shape) @ weights)


@cache
def subsets(n: int, k: int, seed: int = 0, limit: int = SUBSETS) -> tuple[Ints, bool]:
    """The k-subsets of n as indices (S, k), and whether these are all of them.

    Where there are more than ``limit``, that many are drawn by ``seed``.
    """
    if math.comb(n, k) <= limit:
        return np.array(list(combinations(range(n), k)), dtype=np.int64).reshape(-1, k), True
    drawn = np.random.default_rng([seed, n, k]).random((limit, n))
    return np.argpartition(drawn, k - 1, axis=1)[:, :k].astype(np.int64), False


def vote_at_k(
    correct: Floats, answers: Ints, k: int, weights: Floats | None = None, *, seed: int = 0, limit: int = SUBSETS
) -> Floats:
    """The vote among k: the answer with the most votes, or with the largest sum of ``weights`` >= 0.

    ``correct``, ``answers`` and ``weights`` are (P, N). ``answers`` numbers equal answers alike; -1 is an unparsed one,
    which counts as wrong and never wins unless nothing was parsed. Answers with equally many votes share the win
    evenly. An answer is as right as its candidates are on average (all alike, unless a grader refuses some for their
    form). The result (P,) is exact where C(N, k) <= ``limit``; above, it is the mean over ``limit`` subsets drawn by
    ``seed``, the same for every problem and every selector. Raises StarError unless 1 <= k <= N.
    """
    n = _checked(correct, k)
    members, _ = subsets(n, k, seed, limit)
    is_member = np.zeros((len(members), n))
    np.put_along_axis(is_member, members, 1.0, axis=1)
    return np.array(
        [_vote(is_member, correct[i], answers[i], None if weights is None else weights[i]) for i in range(len(correct))]
    )


def _vote(is_member: Floats, right: Floats, answers: Ints, weights: Floats | None) -> float:
    """The mean correctness of one problem's winners over all subsets; ``is_member`` is (S, N), the others are (N,)."""
    distinct, which = np.unique(answers[answers >= 0], return_inverse=True)
    if not len(distinct) or not right.any():
        return 0.0
    column = np.zeros((len(answers), len(distinct)))
    column[np.flatnonzero(answers >= 0), which] = 1.0
    value = (right @ column) / column.sum(axis=0)
    count = is_member @ column
    if weights is None:
        total = count
    else:
        total = np.where(count > 0, is_member @ (column * weights[:, None]), -1.0)
    best = total.max(axis=1, keepdims=True)
    wins = (total >= best - TIE * np.abs(best)) & (count > 0)
    winners = wins.sum(axis=1)
    return float(np.where(winners > 0, (wins @ value) / np.maximum(winners, 1), 0.0).mean())


def vote_weights(scores: Floats) -> tuple[Floats, str]:
    """Scores (P, N) as the weights of a vote, and which kind they were: "probability" or "exp".

    Probabilities (all in [0, 1]) stay as they are; of log-likelihoods and logits the exponential is taken, relative to
    the best candidate of a problem, which changes no vote.
    """
    if scores.size and scores.min() >= 0 and scores.max() <= 1:
        return scores, "probability"
    return np.exp(scores - scores.max(axis=1, keepdims=True)), "exp"


def resampled(problems: int, resamples: int, seed: int) -> Floats:
    """The weights (R, P) of a bootstrap over problems: each row says how often each problem was drawn, divided by P."""
    rng = np.random.default_rng([seed, problems])
    drawn = rng.integers(problems, size=(resamples, problems))
    offsets = np.arange(resamples)[:, None] * problems
    counts = np.bincount((drawn + offsets).ravel(), minlength=resamples * problems)
    return counts.reshape(resamples, problems) / problems


def bounds(means: Floats) -> tuple[Floats, Floats]:
    """The 95 % percentile interval of (R, ...) resampled means."""
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return np.asarray(low), np.asarray(high)


def level(values: Floats, means: Floats) -> tuple[float, float, float]:
    """(mean, low, high) of per-problem shares (P,) with their resampled ``means`` (R,).

    Where all shares are 0 or all are 1 nothing varies between resamples, and the interval is Wilson's.
    """
    mean = float(values.mean())
    if len(values) and (values == values[0]).all() and values[0] in (0.0, 1.0):
        return (mean, *wilson(float(values.sum()), len(values)))
    low, high = bounds(means)
    return mean, float(low), float(high)


def difference(a: Floats, b: Floats, weights: Floats) -> tuple[float, float, float]:
    """(mean, low, high) of the paired difference a - b of shares (P,), by bootstrap ``weights`` (R, P).

    Of fewer than two problems nothing is known: the interval is (-1, 1).
    """
    gap = a - b
    if len(gap) < 2:
        return float(gap.mean()), -1.0, 1.0
    low, high = bounds(weights @ gap)
    return float(gap.mean()), float(low), float(high)


def verdict_of(low: float | None, high: float | None) -> str:
    """What the interval of a difference shows: "higher", "lower", or, where it holds 0, "no difference shown"."""
    if low is None or high is None or low <= 0 <= high:
        return "no difference shown"
    return "higher" if low > 0 else "lower"


def _checked(correct: Floats, k: int) -> int:
    """N of an array (P, N). Raises StarError unless 1 <= k <= N."""
    n = int(correct.shape[1])
    if not 1 <= k <= n:
        raise StarError(
            f"k={k} of {n} candidates a problem cannot be chosen", hint=f"take k from 1 to {n}, or sample more"
        )
    return n
