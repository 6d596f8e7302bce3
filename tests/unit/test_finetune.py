"""Fine-tuning warns where a few examples would be learnt by heart, and says why there is nothing to train on."""

from types import SimpleNamespace

import pytest

from star_cli.backends.trainers.sft import Sft
from star_cli.core.records import Example
from star_cli.errors import StarError
from star_cli.stages.finetune import Finetune


class Source:
    """An artifact with ``n`` examples, as a filter leaves it."""

    key = "0123456789abcdef"

    def __init__(self, n, reasons=None):
        self.n, self.metrics = n, {"reasons": reasons} if reasons else {}

    def read(self, kind):
        row = {"sample": 0, "prompt": "p", "completion": "c", "origin": "own"}
        return iter(Example(problem_id=str(i), **row) for i in range(self.n))


class Stop(Exception):
    """Raised where training would begin."""


def warnings_of(examples, *, steps=None, epochs=None, reasons=None):
    said = []

    def meter(what, total):
        raise Stop

    context = SimpleNamespace(
        numbered=lambda: [Source(examples, reasons)],
        draft=SimpleNamespace(write=lambda kind, rows: None),
        warn=said.append,
        meter=meter,
    )
    stage = Finetune(trainer=Sft(batch=16), steps=steps, epochs=epochs, seed=0, round=1)
    with pytest.raises(Stop):
        stage.run(context)
    return said


def test_many_passes_over_few_examples_are_a_warning_with_the_numbers_and_the_cure():
    (text,) = warnings_of(187, steps=800)
    assert "800 steps of batch 16 are 68 passes over 187 examples" in text and "about 35 steps" in text


@pytest.mark.parametrize("settings", [{"steps": 100}, {"epochs": 90.0}])
def test_what_the_paper_does_is_no_warning(settings):
    assert warnings_of(187, **settings) == []


@pytest.mark.parametrize(
    ("reasons", "advice"),
    [({"RUN_ON": 2000, "MISMATCH": 3}, "goes on after the answer"), ({"TRUNCATED": 5}, "sampling.max_tokens")],
)
def test_nothing_kept_names_the_reasons_the_likely_cause_and_the_command_that_shows_them(reasons, advice):
    with pytest.raises(StarError) as caught:
        warnings_of(0, steps=40, reasons=reasons)
    text = str(caught.value)
    assert f"{max(reasons.values()):,} {next(iter(reasons))}" in text and advice in text
    assert "star show 0123456789ab --wrong" in text
