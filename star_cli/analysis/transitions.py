"""The transition matrices of a run's models, counted from their rationales, with the theory's beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from star_cli.analysis.theory import ChainRun, TheoryComparison, chain_run, drawn_alike
from star_cli.errors import StarError
from star_cli.lib.theory.tables import Floats, symmetric_tables
from star_cli.stages.grading.judge import with_verdicts
from star_cli.store.artifacts import Artifact

LARGEST = 256
"""States up to which matrices can be read in a picture."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundTransitions:
    """The model after ``round`` rounds (0: the base), so what stood before the next and after the last of them.

    ``measured`` (N, M, M) counts: how often step n went from state s to t, in all rationales of the round's evaluation
    and, where they are drawn alike, of the next round's sampling. ``kept``: the same among that sampling's right ones,
    which the next round learns from; all 0 where there is no next round. ``theory`` (N, M, M): the closed form's
    probabilities at the evaluation's temperature. ``unreadable``: steps from or to a line that is no state.
    """

    round: int
    rationales: int
    unreadable: int
    measured: Counts
    kept: Counts
    theory: Floats

    def shares(self) -> Floats:
        """``measured`` as (N, M, M) conditional frequencies; nan in a row that no rationale visits."""
        return frequencies_of(self.measured)

    def as_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        return {
            "round": self.round,
            "rationales": self.rationales,
            "unreadable": self.unreadable,
            "measured": self.measured.tolist(),
            "kept": self.kept.tolist(),
            "theory": self.theory.tolist(),
        }


def transitions_of(home: Path, comparison: TheoryComparison) -> list[RoundTransitions]:
    """The matrices of every evaluated round of a run that was compared with the theory.

    Raises StarError for more than 256 states, and where rationales are no longer in the store.
    """
    steps, states = comparison.steps, comparison.states
    if states > LARGEST:
        raise StarError(
            f"matrices of {states:,} x {states:,} states cannot be read in a picture",
            hint=f"run a zip of at most {LARGEST} states, for example task.base=2 task.length=3",
        )
    chain = chain_run(home, comparison.name)
    rounds = []
    for row in comparison.rows:
        measured, kept = np.zeros((2, steps, states, states), dtype=np.int64)
        evaluation, judgement = chain.evaluation(row.round), chain.judgement(row.round + 1)
        assert evaluation is not None
        read, lost = count_transitions(chain, evaluation, measured)
        if judgement is not None:
            alike = drawn_alike(chain.experiment)
            more, more_lost = count_transitions(chain, judgement, measured if alike else np.zeros_like(measured), kept)
            read, lost = (read + more, lost + more_lost) if alike else (read, lost)
        theory = symmetric_tables(row.theory_delta, states)
        rounds.append(
            RoundTransitions(
                round=row.round, rationales=read, unreadable=lost, measured=measured, kept=kept, theory=theory
            )
        )
    return rounds


def count_transitions(
    chain: ChainRun, verdicts: Artifact, measured: Counts, kept: Counts | None = None
) -> tuple[int, int]:
    """Add the steps of judged rationales to ``measured``, and those of the right ones to ``kept``.

    Returns (rationales, steps from or to a line that is no state, which count nowhere).
    """
    problems, rationales = chain.input(verdicts, "problems"), chain.input(verdicts, "rationales")
    read = lost = 0
    for problem, rationale, verdict in with_verdicts(problems, rationales, verdicts):
        read += 1
        states = chain.task.path(problem, rationale.text)
        for n, (here, there) in enumerate(zip(states, states[1:], strict=False)):
            if here is None or there is None:
                lost += 1
                continue
            measured[n, here, there] += 1
            if kept is not None and verdict.correct:
                kept[n, here, there] += 1
    return read, lost


def frequencies_of(counts: Counts) -> Floats:
    """Counts (N, M, M) as conditional frequencies of each row; nan where a row was never visited."""
    total = counts.sum(axis=2, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1), np.nan)


def pooled_delta(counts: Counts) -> list[float]:
    """Of each step the delta (theory convention) of all its transitions together; nan without any."""
    states = counts.shape[1]
    right, total = np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2))
    shares = np.where(total > 0, right / np.where(total > 0, total, 1), np.nan)
    return [float((states * share - 1) / (states - 1)) for share in shares]
