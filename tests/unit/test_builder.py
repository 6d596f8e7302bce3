"""The Builder knows no particular stage: it asks the stage what it needs, and holds it to what it says."""

from __future__ import annotations

from typing import Any

import pytest

from star_cli.backends.engines.fake import Fake
from star_cli.backends.models.fake import FakeModel
from star_cli.backends.verifiers.dpo import Dpo
from star_cli.backends.verifiers.orm import Orm
from star_cli.core.records import Example, Metric, Problem, Verdict
from star_cli.core.settings import Runtime
from star_cli.graders.exact import Exact
from star_cli.run.build import Builder, Equipment, Planner
from star_cli.run.lab import Lab  # noqa: F401  (all stages)
from star_cli.run.live_engine import LiveEngine
from star_cli.run.observe import Silent
from star_cli.stages.base import STAGES, Stage, StageContext, stage
from star_cli.stages.score import ScoreStage
from star_cli.store.artifacts import Store
from star_cli.tasks.addition import Addition


class Sleeper(LiveEngine):
    """Counts how often it is sent to sleep."""

    slept = 0

    def sleep(self, say) -> None:
        self.slept += 1


@stage("test_counts")
class Counts(Stage):
    """Writes a metric, and whatever ``also`` names."""

    reads, writes = (Problem,), (Metric,)
    needs: str = ""
    also: str = ""

    @property
    def device(self) -> str | None:
        return self.needs or None

    def run(self, context: StageContext) -> dict[str, Any]:
        context.draft.write(Metric, [Metric(name="n", value=1.0, n=1, round=0)])
        if self.also == "writes":
            context.draft.write(Example, [])
        if self.also == "reads":
            list(context.inputs["judged"].read(Verdict))
        return {"n": 1}


@pytest.fixture
def equipment() -> Equipment:
    return Equipment(Addition(), Exact(), Fake(), FakeModel(), Runtime())


@pytest.fixture
def builder(tmp_path, equipment) -> Builder:
    return Builder(equipment, Store(tmp_path / "artifacts").open(), Silent(), Sleeper())


@pytest.mark.parametrize(("needs", "slept"), [("trainer", 1), ("engine", 0), ("", 0)])
def test_the_engine_sleeps_where_a_stage_needs_the_device_for_itself(builder, needs, slept):
    builder.build(Counts(needs=needs), {}, 0, "counts")
    assert builder.live_engine.slept == slept


@pytest.mark.parametrize(
    ("verifier", "by", "device"),
    [(Orm(), "auto", "trainer"), (Dpo(), "forward", "trainer"), (Dpo(), "engine", "engine")],
)
def test_scoring_by_a_forward_pass_never_runs_beside_an_awake_engine(verifier, by, device):
    assert ScoreStage(task=Addition(), grader=Exact(), verifier=verifier, by=by).device == device


def test_every_stage_that_makes_weights_of_its_own_needs_the_device():
    from_outside = {"base"}  # weights that are only pointed at
    silent = {name for name, s in STAGES.items() if s.makes and s.__dict__.get("device") is None}
    assert silent == from_outside


@pytest.mark.parametrize("also", ["writes", "reads"])
def test_a_stage_that_touches_records_it_does_not_name_is_a_fault_of_its_author(builder, also):
    judged = builder.build(Counts(), {}, 0, "judged")
    with pytest.raises(TypeError, match="do not name"):
        builder.build(Counts(also=also), {"judged": judged}, 1, "counts")


def test_a_planner_builds_nothing_and_gives_the_same_keys(tmp_path, equipment, builder):
    planner = Planner(equipment, Store(tmp_path / "artifacts"), Silent())
    planned = planner.build(Counts(), {}, 0, "counts")
    assert not list((tmp_path / "artifacts").glob("*.partial")) and planner.steps[0].state == "missing"
    built = builder.build(Counts(), {}, 0, "counts")
    assert built.key == planned.key
    again = Planner(equipment, Store(tmp_path / "artifacts"), Silent())
    assert again.build(Counts(), {}, 0, "counts").metrics == {"n": 1} and again.steps[0].state == "built"
