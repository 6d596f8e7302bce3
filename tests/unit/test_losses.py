"""The loss of every step is kept, drawn, and said where it rises; a run that made its model worse says why."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import SMALL

from star_cli.report.page import thinned
from star_cli.report.rounds import RoundRow
from star_cli.report.show import fall
from star_cli.stages.finetune import Finetune
from star_cli.stages.losses import FILE, Losses, losses_of
from star_cli.store.artifacts import open_store
from star_cli.store.ledger import Event
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run


def test_every_trained_model_keeps_its_losses_and_the_page_draws_them(star, home):
    star("run", *SMALL, "rounds=1", "name=demo")
    run, store = Run(home, "demo"), open_store(home)
    artifact = run.artifact(store, 1, "finetune")
    kept = losses_of(artifact)
    assert [step for step, _ in kept] == list(range(1, artifact.metrics["steps"] + 1))
    assert json.loads(artifact.file(FILE).read_bytes().splitlines()[-1])["loss"] == round(kept[-1][1], 6)
    assert not (artifact.path / f"{FILE}.journal").exists()
    page = (home / "runs/demo/report.html").read_text()
    assert "Loss by step" in page and "round-1/finetune" in page


def test_a_training_that_was_interrupted_keeps_its_first_steps(tmp_path):
    first = Losses(tmp_path, lambda loss: None)
    for step, loss in ((1, 3.0), (2, 2.0), (3, 1.5)):
        first.progress()(step, 4, loss)
    first.close()
    with open(tmp_path / f"{FILE}.journal", "a") as f:
        f.write('{"step": 4, "lo')
    again = Losses(tmp_path, lambda loss: None)
    again.progress()(3, 4, 1.25)  # done again, from a checkpoint
    again.progress(before=3)(1, 1, 1.0)
    again.settle(tmp_path)
    again.close()
    rows = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [(r["step"], r["loss"]) for r in rows] == [(1, 3.0), (2, 2.0), (3, 1.25), (4, 1.0)]


def test_a_long_training_is_drawn_by_its_means():
    points = thinned([(step, float(step)) for step in range(1, 1001)], most=100)
    assert len(points) == 100 and points[0] == (5.5, 5.5) and points[-1] == (995.5, 995.5)
    assert thinned([(1, 2.0)]) == [(1.0, 2.0)] and thinned([]) == []


class Context:
    """What the warnings of a finetune use of a StageContext."""

    def __init__(self):
        self.said = []

    def warn(self, text):
        self.said.append(text)


class Trained:
    """A trainer of which only the learning rate and the batch are asked."""

    lr, batch = 0.5, 16


def test_a_loss_that_rises_is_said_with_a_lower_learning_rate():
    stage, context = Finetune(trainer=Trained(), steps=100, epochs=None, seed=0, round=2), Context()
    stage._warn_of_a_rising_loss(context, {"loss_first": 0.118, "loss_last": 26.999, "steps": 100})
    assert context.said == [
        "round 2: the loss rose from 0.118 to 26.999 in 100 steps; trainer.lr=0.5 is probably too high, for example "
        "trainer.lr=0.05"
    ]
    stage._warn_of_a_rising_loss(context, {"loss_first": 0.118, "loss_last": 0.12, "steps": 100})
    stage._warn_of_a_rising_loss(context, {})
    assert len(context.said) == 1


def fallen(home: Path, **metrics: float) -> Run:
    run = Run(home, "short")
    run.start(Settings(config_key="x", config={"trainer": {"batch": 16}}))
    store = open_store(home).open()
    event = Event(time="", round=1, name="finetune", stage="finetune", key="ab" * 16, hit=False, seconds=1.0)
    event = Event(**{f: getattr(event, f) for f in event.__struct_fields__} | {"metrics": metrics})
    (store.root / event.key).mkdir(parents=True)
    run.record(event, type("Made", (), {"path": store.root / event.key}))
    return run


def row(round: int, accuracy: float) -> RoundRow:
    return RoundRow(round=round, accuracy=accuracy, low=accuracy - 0.05, high=accuracy + 0.05)


def test_a_run_that_made_its_model_worse_says_why_with_numbers_and_cure(tmp_path):
    run = fallen(tmp_path, steps=800, examples=187, loss_first=0.5, loss_last=0.1)
    said = fall(run, [row(0, 0.51), row(1, 0.299)])
    assert said == (
        "The model got worse: 51.0 [46.0, 56.0] % before, 29.9 [24.9, 34.9] % in round 1. "
        "It was trained on 187 examples 68 times over (800 steps of 16), which teaches them by heart: take more "
        "problems (problems=N) or samples, or fewer steps (schedule.epochs=3, or schedule.start=35). "
        "What was lost: star show short --diff round-0 round-1"
    )
    assert fall(run, [row(0, 0.51), row(1, 0.45)]) == "", "within the intervals nothing is shown"
    assert fall(run, [row(0, 0.51)]) == "" == fall(run, [])
