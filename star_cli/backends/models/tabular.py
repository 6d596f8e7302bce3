"""tabular: a policy that is one transition table a step, the model of RL-STaR's theory (Chang et al. 2024).

{"model_type": "tabular", "base": 2, "length": 3} and tables.npy, float64 (3, 64, 64)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import ClassVar

from star_cli.core.parts import Model
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.theory.conventions import to_theory
from star_cli.lib.theory.policy import Policy
from star_cli.lib.theory.states import lines_of, read_state
from star_cli.lib.theory.tables import symmetric_tables


@register("model", "tabular")
class Tabular(Model):
    """Every step is right with probability 1/M + ``delta`` and else one of the M - 1 wrong states.

    ``delta`` is in the generator's convention, as the zip task's; ``deltas`` gives every step its own instead. The
    words' letters and length are read off the task's lessons, which teach the table nothing further.
    """

    local: ClassVar[bool] = True
    delta: float = 0.4
    deltas: list[float] = field(default_factory=list)
    dtype: str = "float32"
    chat: bool | None = False

    def check(self) -> None:
        for value in [self.delta, *self.deltas]:
            need(-0.5 <= value <= 1, f"model.delta must be at most (M-1)/M, got {value}")

    def initialise(self, texts: Iterable[str], out: Path, seed: int) -> None:
        states_read = [state for text in texts for line in lines_of(text)[:1] if (state := read_state(line))]
        if not states_read:
            raise StarError(
                "no state of the zip task is among the lessons of this task", hint="model=tabular works with task=zip"
            )
        base, length = 1 + max(max(letters) for _, letters in states_read), len(states_read[0][1]) // 2
        states = base ** (2 * length)
        deltas = self.deltas or [self.delta] * length
        if len(deltas) != length:
            raise StarError(
                f"model.deltas holds {len(deltas)} numbers for a chain of {length} steps",
                hint=f"give {length} of them, or one model.delta",
            )
        Policy(base, length, symmetric_tables([to_theory(d, states) for d in deltas], states)).save(out)
