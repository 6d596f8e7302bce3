"""Intervals of shares: they hold the truth as often as they say, and no floor widens them where none is needed."""

import random
from collections import Counter

import pytest

from star_cli.graders.exact import Exact
from star_cli.lib.intervals import share_interval, wilson
from star_cli.stages.evaluate import Evaluate, Measured
from star_cli.tasks.addition import Addition
from star_cli.tasks.zip import Zip


def drawn(draw: random.Random, problems: int, samples: int, mean: float) -> list[float]:
    """Shares of problems whose own pass rates differ, with this mean."""
    rates = [min(1.0, 2 * mean * draw.random()) for _ in range(problems)]
    return [sum(draw.random() < p for _ in range(samples)) / samples for p in rates]


@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5])
def test_the_interval_holds_the_mean_of_all_problems_as_often_as_it_says(mean: float) -> None:
    draw = random.Random(1)
    held = 0
    for _ in range(600):
        _, low, high = share_interval(drawn(draw, 60, 4, mean))
        held += low <= mean <= high
    assert 0.9 <= held / 600 <= 0.98


def test_the_floor_is_there_near_nothing_and_everything_only() -> None:
    few = [0.25, *[0.0] * 19]
    value, low, high = share_interval(few)
    assert (low, high) == (0.0, pytest.approx(value + 1 / 20)), "one lucky sample says little: at least 1/n"
    most = [1 - x for x in few]
    assert share_interval(most)[1] == pytest.approx(1 - value - 1 / 20)
    alike = [0.5] * 19 + [0.45]
    value, low, high = share_interval(alike)
    assert high - low < 0.03, "answers that hardly vary between problems have a narrow interval"


def measured(rights: list[list[int]]) -> Measured:
    found = Measured(Addition())
    found.correct = {str(i): [float(x) for x in row] for i, row in enumerate(rights)}
    found.groups = {str(i): [f"digits={i % 2}"] for i in range(len(rights))}
    found.answers = sum(map(len, rights))
    found.reasons = Counter()
    return found


def test_where_the_problems_are_all_there_are_each_answer_is_a_trial() -> None:
    rights = [[1, 1, 1, 0]] * 6 + [[0, 0, 0, 0]] * 6
    stage = Evaluate(task=Addition(), grader=Exact(), round=1)
    sampled, whole = ({m.name: m for m in stage._metrics(measured(rights), flag)} for flag in (False, True))
    assert sampled["accuracy"].value == whole["accuracy"].value == pytest.approx(18 / 48)
    assert (whole["accuracy"].low, whole["accuracy"].high) == wilson(18, 48) and whole["accuracy"].n == 12
    assert whole["accuracy/digits=0"].low == wilson(9, 24)[0]
    assert whole["accuracy"].high - whole["accuracy"].low < sampled["accuracy"].high - sampled["accuracy"].low


def test_zip_asks_every_state_there_is_and_addition_a_sample() -> None:
    assert Zip().whole_population("dev") and not Addition().whole_population("dev")
    assert len(list(Zip().problems("dev"))) == 64
