"""Whether a pre-trained chain improves under RL-STaR at all: the signs of the deltas decide.

The question is that of Chang et al. 2024 (arXiv 2410.23912); the argument is ours, docs/theory.md has it in full.

Write L(delta) = log(alpha / beta) for the log-odds of the right state against one wrong state. A round does
L(delta_n) += L(D_n), with D_n the product of the other deltas: a step moves up when D_n > 0, down when D_n < 0, and not
at all when D_n = 0. Hence

    no zero, no negative         every D_n > 0: all deltas rise to 1
    one zero, no negative        only the zero moves, to D_n > 0; from then on as above
    two or more zeros            every D_n = 0: nothing ever moves
    no zero, even negatives      each negative has D_n < 0 and sinks to -1/(M-1), each positive rises to 1
    one zero, some negatives     the zero moves first and makes the number of negatives even: as above
    no zero, odd negatives       negatives rise while positives sink: a race, decided here by iterating
    a delta of exactly -1/(M-1)  alpha = 0: a step that is never right is never learnt
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from star_cli.lib.theory.closed_form import Vector, accuracy, step
from star_cli.lib.theory.conventions import SLACK, Convention, check_count, check_deltas

NOISE = 1e-15
"""Where two deltas come this close to 0 in the race, their signs are rounding and prove nothing."""


class Kind(StrEnum):
    """How a start turns out; the first three can start."""

    CONVERGES = "converges"
    RECOVERS_FROM_ZERO = "recovers from zero"
    RECOVERS_FROM_NEGATIVE = "recovers from negative"
    STUCK = "stuck"
    DRIFTS = "drifts"
    NOTHING_KEPT = "nothing kept"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``can_start``: every delta is known to tend to 1. ``kind``: which case it is. ``words``: one sentence."""

    can_start: bool
    kind: Kind
    words: str


def judge(
    deltas: Iterable[float],
    states: int,
    *,
    limit: int = 10_000,
    convention: Convention | str = Convention.THEORY,
) -> Verdict:
    """Decide whether N starting deltas over M ``states`` all tend to 1.

    Only an odd number of negative deltas needs iterating, for at most ``limit`` rounds. The kind is UNDECIDED beyond
    that, or when two deltas come within rounding of 0 on the way. Raises StarError for deltas out of range.
    """
    start = check_deltas(deltas, states, convention)
    check_count("limit", limit, 0)
    if accuracy(start, states) * states < SLACK:
        words = "no trajectory ends in the right state, so there is nothing to train on"
        return Verdict(can_start=False, kind=Kind.NOTHING_KEPT, words=words)
    never = [n for n, delta in enumerate(start) if 1 + (states - 1) * delta <= SLACK]
    if never:
        return _no(Kind.DRIFTS, f"{_steps(never)} never right (delta = -1/(M-1)) and no round can change that")
    delta, rounds = start, 0
    while (kind := _settled(delta)) is None:
        if rounds == limit:
            return _no(Kind.UNDECIDED, f"the signs are not settled after {limit} rounds; raise limit to look further")
        delta, rounds = step(delta, states), rounds + 1
        if len(lost := [n for n, value in enumerate(delta) if abs(value) < NOISE]) > 1:
            words = f"after round {rounds} {_steps(lost)} so close to chance that rounding would decide the signs"
            return _no(Kind.UNDECIDED, words)
    return _words(kind, start, delta, rounds, states)


def _settled(delta: Vector) -> Kind | None:
    """The outcome that the signs alone force, or None while an odd number of negatives leaves it open."""
    zeros = sum(value == 0 for value in delta)
    negatives = sum(value < 0 for value in delta)
    if zeros > 1:
        return Kind.STUCK
    if not negatives:
        return Kind.RECOVERS_FROM_ZERO if zeros else Kind.CONVERGES
    if zeros or negatives % 2 == 0:
        return Kind.DRIFTS
    return None


def _words(kind: Kind, start: Vector, delta: Vector, rounds: int, states: int) -> Verdict:
    zeros = [n for n, value in enumerate(delta) if value == 0]
    negatives = [n for n, value in enumerate(delta) if value < 0]
    when = f"after round {rounds} " if rounds else ""
    if kind is Kind.STUCK:
        return _no(kind, f"{_steps(zeros)} at chance (delta = 0); with two or more such steps no round moves any")
    if kind is Kind.DRIFTS:
        sunk = sorted(negatives + zeros) if len(negatives) % 2 else negatives  # a zero takes the sign of the product
        limit = (1 + (states - 1) ** (1 - len(sunk))) / states
        return _no(
            kind,
            f"{when}{_steps(sunk)} below chance or fall there, and an even number of such steps cancels out: "
            f"they sink to -1/(M-1) while the accuracy tends to {limit:.6g}",
        )
    if any(value < 0 for value in start):
        words = f"a negative delta pulls the others down, yet after round {rounds} {_tend(zeros)}"
        return Verdict(can_start=True, kind=Kind.RECOVERS_FROM_NEGATIVE, words=words)
    if zeros:
        words = (
            f"{_steps(zeros)} at chance; the first round lifts it to the product of the other deltas, then {_tend([])}"
        )
        return Verdict(can_start=True, kind=kind, words=words)
    return Verdict(
        can_start=True, kind=kind, words="every step is better than chance: each round improves, and all tend to 1"
    )


def _tend(zeros: list[int]) -> str:
    return "one is at chance and the rest above it, so all tend to 1" if zeros else "all are above chance and tend to 1"


def _steps(which: list[int]) -> str:
    names = ", ".join(str(n + 1) for n in which)
    return f"step {names} is" if len(which) == 1 else f"steps {names} are"


def _no(kind: Kind, words: str) -> Verdict:
    return Verdict(can_start=False, kind=kind, words=words)
