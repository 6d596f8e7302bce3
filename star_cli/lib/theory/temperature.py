"""Temperature inside the symmetric family: sharpening raises the odds alpha/beta to the power 1/T and nothing else.

So a whole run with its own sampling temperature T_s (what is kept) and evaluation temperature T_e (what is measured)
has a closed form too. RL-STaR's theory is T_s = T_e = 1; its published experiment samples at 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import Prediction, Vector, step, trajectory
from star_cli.lib.theory.conventions import check_count, check_deltas


def at_temperature(deltas: Iterable[float], states: int, temperature: float) -> Vector:
    """The theory deltas seen when N steps are sampled at a temperature; 0 is greedy (a tie counts as it is)."""
    values = check_deltas(deltas, states)
    if not (temperature >= 0 and math.isfinite(temperature)):
        raise StarError(f"temperature must be >= 0 and finite, got {temperature!r}", hint="1.0 samples as the model is")
    return tuple(_sharpened(d, states, temperature) for d in values)


def trajectory_at(
    deltas: Iterable[float], states: int, rounds: int, *, sampling: float = 1.0, evaluation: float = 1.0
) -> list[Prediction]:
    """One Prediction of zero rounds for each of rounds 0..``rounds``: the model as ``evaluation`` shows it."""
    check_count("rounds", rounds, 0)
    delta = check_deltas(deltas, states)
    seen = [trajectory(at_temperature(delta, states, evaluation), states, 0)]
    for _ in range(rounds):
        delta = step(at_temperature(delta, states, sampling), states)
        seen.append(trajectory(at_temperature(delta, states, evaluation), states, 0))
    return seen


def _sharpened(delta: float, states: int, temperature: float) -> float:
    if temperature == 1 or delta in (0.0, 1.0):
        return delta
    right, wrong = (1 + (states - 1) * delta) / states, (1 - delta) / states
    if right <= 0:
        return delta
    log_odds = math.log(right) - math.log(wrong)
    power = log_odds / temperature if temperature else math.copysign(math.inf, log_odds)
    if power > 0:
        small = math.exp(-power)
        return (1 - small) / (1 + (states - 1) * small)
    odds = math.exp(power)
    return (odds - 1) / (odds + states - 1)
