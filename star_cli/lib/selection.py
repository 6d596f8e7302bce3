"""Picking an answer from one fixed pool of candidates: estimators of what k of them give, and intervals over problems.

Arrays are (P, N): P problems, each with N candidates. Every estimator returns (P,): of each problem the expected
correctness when k of its N candidates, drawn without replacement, are all there is. Means over problems, their
intervals and paired differences come from one set of bootstrap resamples of the problems. numpy only.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from star_cli.errors import StarError
from star_cli.lib.intervals import wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SUBSETS = 2000  # of a vote: all k-subsets where there are no more than these, else as many drawn by seed
SAME = 1e-9  # weighted votes closer than this, relative to the largest, are a tie


def pass_at_k(correct: Floats, k: int) -> Floats:
    """1 - C(N-c, k)/C(N, k) with c right ones of N: unbiased pass@k, and the oracle's share at k."""
    n = _checked(correct, k)
    table = np.array([1 - math.comb(n - c, k) / math.comb(n, k) for c in range(n + 1)])
    return np.asarray(table[correct.sum(axis=1).round().astype(int)])


def best_of_k(correct: Floats, scores: Floats, k: int) -> Floats:
    """The candidate with the highest score of k (V-STaR, eq. 3): sum over i of C(N-i-1, k-1)/C(N, k) alpha_i.

    alpha_i is the correctness in order of falling score. A tie is broken at random: every alpha of a group of equal
    scores is the group's mean.
    """
    n = _checked(correct, k)
    if np.isnan(scores).any():
        raise StarError("a verifier's score is not a number (NaN)", hint="look at the scores with star show")
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked, alpha = np.take_along_axis(scores, order, 1), np.take_along_axis(correct, order, 1)
    fresh = np.ones(ranked.shape, dtype=bool)
    fresh[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    group = np.cumsum(fresh.ravel()) - 1
    means = np.bincount(group, alpha.ravel()) / np.bincount(group)
    weights = np.array([math.comb(n - i - 1, k - 1) / math.comb(n, k) for i in range(n)])
    return np.asarray(means[group].reshape(alpha.shape) @ weights)


@cache
def subsets(n: int, k: int, seed: int = 0, limit: int = SUBSETS) -> tuple[Ints, bool]:
    """(S, k) indices of k-subsets of n, and whether they are all there are; else ``limit`` of them drawn by
    ``seed``.
    """
    if math.comb(n, k) <= limit:
        return np.array(list(combinations(range(n), k)), dtype=np.int64).reshape(-1, k), True
    drawn = np.random.default_rng([seed, n, k]).random((limit, n))
    return np.argpartition(drawn, k - 1, axis=1)[:, :k].astype(np.int64), False


def vote_at_k(
    correct: Floats, answers: Ints, k: int, weights: Floats | None = None, *, seed: int = 0, limit: int = SUBSETS
) -> Floats:
    """The answer with most votes (or most summed ``weights`` >= 0) among k: exact where C(N, k) <= ``limit``.

    ``answers`` numbers equal answers alike; -1 is an unparsed one, which counts as wrong and never wins unless nothing
    was parsed. Answers with equally many votes share the win evenly. An answer is as right as its candidates are on
    average (all alike, unless a grader refuses some for their form). Above ``limit`` the expectation is the mean over
    ``limit`` subsets drawn by ``seed``, the same for every problem and every selector.
    """
    n = _checked(correct, k)
    chosen, _ = subsets(n, k, seed, limit)
    member = np.zeros((len(chosen), n))
    np.put_along_axis(member, chosen, 1.0, axis=1)
    return np.array(
        [
            _vote(member, right, said, None if weights is None else weights[i])
            for i, (right, said) in enumerate(zip(correct, answers, strict=True))
        ]
    )


def _vote(member: Floats, right: Floats, said: Ints, weights: Floats | None) -> float:
    names, mine = np.unique(said[said >= 0], return_inverse=True)
    if not len(names) or not right.any():
        return 0.0
    column = np.zeros((len(said), len(names)))
    column[np.flatnonzero(said >= 0), mine] = 1.0
    value = (right @ column) / column.sum(axis=0)
    count = member @ column
    if weights is None:
        total = count
    else:
        total = np.where(count > 0, member @ (column * weights[:, None]), -1.0)
    best = total.max(axis=1, keepdims=True)
    wins = (total >= best - SAME * np.abs(best)) & (count > 0)
    shared = wins.sum(axis=1)
    return float(np.where(shared > 0, (wins @ value) / np.maximum(shared, 1), 0.0).mean())


def vote_weights(scores: Floats) -> tuple[Floats, str]:
    """Scores as weights of a vote: probabilities (all in [0, 1]) as they are, log-likelihoods and logits by exp.

    exp is taken relative to the best candidate of a problem, which changes no vote. Says which it was.
    """
    if scores.size and scores.min() >= 0 and scores.max() <= 1:
        return scores, "probability"
    return np.exp(scores - scores.max(axis=1, keepdims=True)), "exp"


def resampled(problems: int, resamples: int, seed: int) -> Floats:
    """(R, P) weights of a bootstrap over problems: each row how often a problem was drawn, divided by P."""
    rng = np.random.default_rng([seed, problems])
    drawn = rng.integers(problems, size=(resamples, problems))
    rows = np.arange(resamples)[:, None] * problems
    return np.bincount((drawn + rows).ravel(), minlength=resamples * problems).reshape(resamples, problems) / problems


def bounds(means: Floats) -> tuple[Floats, Floats]:
    """The 95 % percentile interval of (R, ...) resampled means."""
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return np.asarray(low), np.asarray(high)


def level(values: Floats, means: Floats) -> tuple[float, float, float]:
    """(mean, low, high) of per-problem shares. Where all are 0 or all are 1 it is Wilson's: nothing varies to
    resample.
    """
    mean = float(values.mean())
    if len(values) and (values == values[0]).all() and values[0] in (0.0, 1.0):
        return (mean, *wilson(float(values.sum()), len(values)))
    low, high = bounds(means)
    return mean, float(low), float(high)


def difference(a: Floats, b: Floats, weights: Floats) -> tuple[float, float, float]:
    """(mean, low, high) of the paired difference a - b; of fewer than two problems nothing is known: (-1, 1)."""
    gap = a - b
    if len(gap) < 2:
        return float(gap.mean()), -1.0, 1.0
    low, high = bounds(weights @ gap)
    return float(gap.mean()), float(low), float(high)


def verdict_of(low: float | None, high: float | None) -> str:
    """What an interval of a difference says; one that holds 0 shows nothing."""
    if low is None or high is None or low <= 0 <= high:
        return "no difference shown"
    return "higher" if low > 0 else "lower"


def _checked(correct: Floats, k: int) -> int:
    n = int(correct.shape[1])
    if not 1 <= k <= n:
        raise StarError(
            f"k={k} of {n} candidates a problem cannot be chosen", hint=f"take k from 1 to {n}, or sample more"
        )
    return n


def powers_of_two(n: int) -> list[int]:
    """1, 2, 4, ... up to ``n``, and ``n`` itself."""
    found = list(islice((2**i for i in range(64)), max(n, 1).bit_length()))
    return found if found[-1] == n else [*found, n]
