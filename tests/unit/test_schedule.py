"""How many steps a round is trained for."""

import pytest

from star_cli.core.settings import Schedule
from star_cli.errors import StarError


def test_the_default_is_the_schedule_of_the_star_paper():
    schedule = Schedule()
    assert [schedule.steps(n) for n in range(1, 11)] == [40, 48, 57, 69, 82, 99, 119, 143, 171, 206]
    assert schedule.steps(30) == 7912


def test_the_papers_arithmetic_schedule_adds_twenty_steps_a_round():
    schedule = Schedule(start=300, grow=1.0, add=20)
    assert [schedule.steps(n) for n in (1, 2, 3, 16)] == [300, 320, 340, 600]


def test_epochs_win_over_steps():
    assert Schedule(epochs=2.0).steps(3) is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"start": 0}, "schedule.start must be >= 1, got 0"),
        ({"grow": -1.0}, "schedule.grow must be > 0, got -1.0"),
        ({"epochs": 0.0}, "schedule.epochs must be > 0, got 0.0"),
    ],
)
def test_a_schedule_without_sense_is_refused(settings, told):
    with pytest.raises(StarError, match=told):
        Schedule(**settings).check()
