"""The tables of docs/trials/2026-11-22-step-at-chance.md: python scripts/trials/step_at_chance.py HOME."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from trial import home_argument, table, write_result

from star_cli.analysis.theory import TheoryComparison, compare_with_theory
from star_cli.analysis.transitions import RoundTransitions, pooled_delta, transitions_of
from star_cli.store.runs import Run, runs

PAGE = "2026-11-22-step-at-chance.md"


class Arm:
    """A run of the trial beside the theory."""

    def __init__(self, home: Path, run: Run) -> None:
        config: dict[str, Any] = run.info.config
        self.samples: int = config["samples"]
        self.passes: float | None = config["schedule"]["epochs"]
        self.comparison: TheoryComparison = compare_with_theory(home, run.name, None, "theory")
        self.matrices: list[RoundTransitions] = transitions_of(home, self.comparison)
        self.zero = int(np.argmin(np.abs(self.comparison.start)))  # the step at chance, counted from 0
        self.training = next(e.metrics for e in run.events() if (e.round, e.name) == (1, "finetune"))

    @property
    def good(self) -> list[int]:
        """The steps that are not at chance, counted from 0."""
        return [n for n in range(self.comparison.steps) if n != self.zero]

    def lifted(self) -> list[str]:
        """The step at chance after round 1: the theory's delta, that of the kept chains and the model's with 95 %."""
        row, kept = self.comparison.rows[1], pooled_delta(self.matrices[0].kept)
        low, high = row.delta_low[self.zero], row.delta_high[self.zero]
        model = f"{row.delta[self.zero]:.3f} [{low:.3f}, {high:.3f}]"
        return [f"{row.theory_delta[self.zero]:.3f}", f"{kept[self.zero]:.3f}", model]


def ready(home: Path, *, tabular: bool) -> list[Arm]:
    """The finished runs of the trial, with a table or a Llama as the model, by step, samples and passes."""
    ours = [r for r in runs(home) if "chance" in r.name and r.info.status == "finished"]
    complete = [r for r in ours if ("deltas" in r.info.config["model"]) == tabular]
    arms = [Arm(home, Run(home, r.name)) for r in complete]
    return sorted(arms, key=lambda a: (a.zero, a.samples, a.passes or 0))


def tabular_table(arms: list[Arm]) -> str:
    """The control: the step at chance after round 1, and accuracy in every round with the band of runs of its size."""
    rounds = range(1, len(arms[0].comparison.rows))
    head = ["step at chance", "samples", "kept chains", "theory", "kept", "table", *(f"accuracy {n}" for n in rounds)]
    rows = []
    for arm in arms:
        cells = []
        for row in arm.comparison.rows[1:]:
            outside = "" if row.usual else " **outside**"
            cells.append(f"{row.accuracy:.3f} ({row.band[0]:.3f} to {row.band[1]:.3f}; {row.theory:.3f}){outside}")
        kept = int(arm.matrices[0].kept[0].sum())
        rows.append([str(arm.zero + 1), f"{arm.samples:,}", f"{kept:,}", *arm.lifted(), *cells])
    return table(head, rows)


def model_table(arms: list[Arm]) -> str:
    """The transformer: the step at chance after round 1, and what became of the others."""
    head = ["step at chance", "samples", "passes", "optimiser steps", "kept chains", "theory", "kept", "model"]
    head += ["others: base", "others: model", "accuracy", "theory"]
    rows = []
    for arm in arms:
        base, after = arm.comparison.rows[0].delta, arm.comparison.rows[1]
        others = [" ".join(f"{delta[n]:.3f}" for n in arm.good) for delta in (base, after.delta)]
        kept = f"{int(arm.matrices[0].kept[0].sum()):,}"
        cells = [str(arm.zero + 1), f"{arm.samples:,}", f"{arm.passes:g}", f"{arm.training['steps']:,}", kept]
        rows.append([*cells, *arm.lifted(), *others, f"{after.accuracy:.3f}", f"{after.theory:.3f}"])
    return table(head, rows)


def main() -> None:
    home = home_argument("tables of the trial step-at-chance")
    parts = [
        "Delta (theory convention) of the step at chance after round 1: the theory's, that of the kept chains, and the "
        "learner's, measured, with 95 %. A table in the place of the model; accuracy after each round, in brackets "
        "95 % of simulated runs of this size, and the theory's for endless samples:",
        tabular_table(ready(home, tabular=True)),
    ]
    arms = ready(home, tabular=False)
    if arms:
        parts += ["The Llama (one round):", model_table(arms)]
    write_result(PAGE, "\n\n".join(parts))


if __name__ == "__main__":
    main()
