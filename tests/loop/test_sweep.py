"""Sweeps: arms share what has the same key, a failing arm stops nobody, and one table shows them all."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import pytest
import yaml
from conftest import call
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from star_cli.errors import StarError
from star_cli.run.arms import Arm, ArmFailed, ArmsFile
from star_cli.run.sweeps import objective
from star_cli.store.runs import Run

SMALL = ["model=fake", "rounds=1", "task.train=60", "task.dev=20", "problems=80"]


def keys(home, name):
    return {(e.round, e.name): e.key for e in Run(home, name).events()}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    home = tmp_path_factory.mktemp("seeds")
    return home, call(home, "run", "-m", *SMALL, "seed=1,2", "name=pair")


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    home = tmp_path_factory.mktemp("rates")
    return home, call(home, "run", "-m", *SMALL, "trainer.lr=1e-3,1e9,2e-3", "name=lr")


def test_a_sweep_over_seeds_runs_each_arm_under_its_own_name(seeds):
    home, done = seeds
    assert done.code == 0, done.err
    one, two = keys(home, "pair/seed=1"), keys(home, "pair/seed=2")
    assert one[0, "pretrain"] == two[0, "pretrain"] and one[0, "evaluate"] == two[0, "evaluate"]
    assert one[1, "problems"] != two[1, "problems"] and one[1, "finetune"] != two[1, "finetune"]


def test_arms_are_listed_with_what_they_override_and_what_they_reached(seeds):
    home, _ = seeds
    rows = {r["name"]: r for r in call(home, "ls", "runs", "--json").json}
    assert set(rows) == {"pair/seed=1", "pair/seed=2"}
    for seed in (1, 2):
        row = rows[f"pair/seed={seed}"]
        assert row["sweep"] == "pair" and row["overrides"] == [f"seed={seed}"] and row["status"] == "finished"
        assert 0 < row["base"] < row["accuracy"] <= 1 and row["rounds"] == 1
    shown = call(home, "ls", "runs").out
    assert "sweep pair" in shown and "seed=2" in shown


def test_the_same_sweep_again_builds_nothing(seeds):
    home, _ = seeds
    assert call(home, "run", "-m", *SMALL, "seed=1,2", "name=pair").code == 0
    for seed in (1, 2):
        assert all(e.hit for e in Run(home, f"pair/seed={seed}").latest())


def test_an_arm_resumed_by_itself_stays_in_its_sweep(seeds):
    home, _ = seeds
    done = call(home, "resume", "pair/seed=1")
    assert done.code == 0, done.err
    rows = {r["name"]: r for r in call(home, "ls", "runs", "--json").json}
    assert rows["pair/seed=1"]["sweep"] == "pair" and rows["pair/seed=1"]["overrides"] == ["seed=1"]


def test_a_whole_sweep_cannot_be_resumed_and_its_arms_are_named(seeds):
    home, _ = seeds
    done = call(home, "resume", "pair")
    assert done.code == 1 and "Traceback" not in done.err and "pair/seed=1" in done.err


def test_learning_rates_share_round_0_and_the_first_generation(rates):
    home, _ = rates
    one, two = keys(home, "lr/trainer.lr=0.001"), keys(home, "lr/trainer.lr=0.002")
    shared = {(0, "pretrain"), (0, "evaluate"), (1, "problems"), (1, "generate"), (1, "filter"), (1, "rationalize")}
    assert all(one[at] == two[at] for at in shared)
    assert one[1, "finetune"] != two[1, "finetune"]
    hits = {(e.round, e.name): e.hit for e in Run(home, "lr/trainer.lr=0.002").latest()}
    assert all(hits[at] for at in shared) and not hits[1, "finetune"]


def test_a_failing_arm_is_told_where_it_fails_and_at_the_end_and_stops_nobody(rates):
    home, done = rates
    assert done.code == 1 and "Traceback" not in done.err
    assert "star: lr/trainer.lr=1000000000.0 failed: the loss is not finite" in done.err
    assert done.err.rstrip().count("1 arm(s) of the sweep failed: lr/trainer.lr=1000000000.0") == 1
    rows = {r["name"]: r["status"] for r in call(home, "ls", "runs", "--json").json}
    assert sorted(rows.values()) == ["failed", "finished", "finished"]


def test_every_kind_of_setting_can_be_swept_and_names_its_arms(home):
    done = call(
        home, "run", "-m", *SMALL, "experiment=null", "runtime.sync_seconds=0.1,0.2", "method=star,direct", "name=k"
    )
    assert done.code == 0, done.err
    arms = sorted(p.parent.name for p in (home / "runs/k").glob("*/run.json"))
    assert arms == [f"method={m}-runtime.sync_seconds={s}" for m in ("direct", "star") for s in (0.1, 0.2)]


def test_experiments_can_be_swept(home, tmp_path):
    (tmp_path / "conf/experiment").mkdir(parents=True)
    for name, seed in (("one", 1), ("two", 2)):
        (tmp_path / f"conf/experiment/{name}.yaml").write_text(f"# @package _global_\nseed: {seed}\n")
    done = call(home, "run", "-m", *SMALL, "--config-dir", str(tmp_path / "conf"), "experiment=one,two", "name=e")
    assert done.code == 0, done.err
    assert [Run(home, f"e/experiment={n}").info.config["seed"] for n in ("one", "two")] == [1, 2]


@pytest.mark.parametrize("args", [[], ["seed=1"], ["experiment=vstar_addition"]])
def test_a_sweep_over_nothing_is_refused(home, args):
    done = call(home, "run", "-m", "model=fake", *args)
    assert done.code == 1 and "-m was given, but no setting has several values" in done.err


def test_a_typo_in_a_sweep_is_refused_before_any_arm_runs(home):
    done = call(home, "run", "-m", *SMALL, "trainer.gian=1,2")
    assert done.code == 1 and "Did you mean trainer.gain?" in done.err and not list(home.glob("runs/*/*/run.json"))


def test_an_arm_that_its_own_checks_refuse_is_named_and_the_others_run(home):
    done = call(home, "run", "-m", *SMALL, "sampling.top_p=0.5,2", "name=p")
    assert (
        done.code == 1
        and "  p/sampling.top_p=2: sampling.top_p must be in (0, 1], got 2.0" in done.err.splitlines()[-2]
    )
    assert Run(home, "p/sampling.top_p=0.5").info.status == "finished"


# ---- sweepers that optimise ------------------------------------------------------------------------------------------
class Climber(Sweeper):
    """Asks for one arm after the other, each further into the direction that paid."""

    __module__ = "hydra_plugins.climber"  # the only package whose plug-ins Hydra takes

    def __init__(self, start: float) -> None:
        self.at, self.told = start, []

    def setup(self, *, hydra_context, task_function, config):
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        for n in range(3):
            (job,) = self.launcher.launch([[*arguments, f"trainer.gain={self.at}"]], initial_job_idx=n)
            self.told.append(float(job.return_value))
            self.at *= 2 if len(self.told) < 2 or self.told[-1] > self.told[-2] else 0.9
        TOLD.append(self.told)


@dataclass
class ClimberConfig:
    start: float = 0.1
    _target_: str = "hydra_plugins.climber.Climber"


TOLD: list[list[float]] = []


@pytest.fixture
def climber(monkeypatch):
    package = types.ModuleType("hydra_plugins")
    package.climber = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "hydra_plugins", package)
    monkeypatch.setitem(sys.modules, "hydra_plugins.climber", package.climber)
    Plugins.instance().register(Climber)
    ConfigStore.instance().store(group="hydra/sweeper", name="climber", node=ClimberConfig, provider="test")
    TOLD.clear()
    return ["-m", "hydra/sweeper=climber", *SMALL, "name=climb"]


def test_an_optimising_sweeper_is_told_the_last_accuracy(home, climber):
    done = call(home, "run", *climber)
    assert done.code == 0, done.err
    rows = {r["name"]: r["accuracy"] for r in call(home, "ls", "runs", "--json").json}
    first, second, third = TOLD[0]
    assert rows["climb/trainer.gain=0.1"] == first < second == rows["climb/trainer.gain=0.2"]
    assert third == rows["climb/trainer.gain=0.4"] and len(rows) == 3


def test_an_optimising_sweeper_is_told_another_metric(home, climber):
    assert call(home, "run", *climber, "optimize=finetune/loss_last").code == 0
    runs = [Run(home, f"climb/trainer.gain={g}") for g in (0.1, 0.2)]
    assert TOLD[0][:2] == [next(e.metrics["loss_last"] for e in r.events() if e.name == "finetune") for r in runs]


def test_a_metric_that_a_run_does_not_have_is_refused_with_those_it_has(home, climber):
    done = call(home, "run", *climber, "optimize=evaluate/acuracy")
    assert done.code == 1 and "Did you mean evaluate/accuracy?" in done.err and "; finetune/ " in done.err
    assert "climb/trainer.gain=0.1" in done.err.splitlines()[-2] and not TOLD


def test_the_objective_of_a_run(seeds):
    home, _ = seeds
    run = Run(home, "pair/seed=1")
    accuracy = [e.metrics["accuracy"] for e in run.events() if e.name == "evaluate"][-1]
    assert objective(run, None) == objective(run, "accuracy") == objective(run, "evaluate/accuracy") == accuracy
    assert objective(run, ["accuracy", "solved"])[0] == accuracy
    with pytest.raises(StarError, match="has no such metric"):
        objective(run, ["accuracy", "nothing"])


def test_optuna_finds_the_better_setting(home):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    optuna = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1"]
    done = call(
        home, "run", "-m", *optuna, "hydra.sweeper.direction=maximize", *SMALL, "trainer.gain=choice(0.1,0.6)", "name=o"
    )
    assert done.code == 0, done.err
    best = yaml.safe_load((home / "runs/.hydra/optimization_results.yaml").read_text())
    accuracies = {r["name"]: r["accuracy"] for r in call(home, "ls", "runs", "--json").json}
    assert best["best_value"] == max(accuracies.values())


# ---- arms in other processes -----------------------------------------------------------------------------------------
def test_one_failing_arm_in_a_worker_fails_the_command_and_is_named(star_process, home):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = star_process("run", "-m", *joblib, *SMALL, "trainer.lr=1e-3,1e9", "sampling.top_p=1,2", "name=j", code=1)
    assert "3 arm(s) of the sweep failed: " in done.err and "j: 2 runs" in done.out
    assert "star: j/sampling.top_p=1-trainer.lr=1000000000.0 failed: the loss is not finite" in done.err
    end = done.err[done.err.index("3 arm(s)") :]
    assert end.count("sampling.top_p must be in (0, 1]") == 2  # refused before they had a folder
    assert "\n  j/sampling.top_p=1-trainer.lr=1000000000.0: the loss is not finite" in end
    assert "Traceback" not in done.err
    assert Run(home, "j/sampling.top_p=1-trainer.lr=0.001").info.status == "finished"
    assert not list(home.glob("runs/.hydra/arms-*"))


def test_arms_that_all_end_well_in_workers_end_well(star_process, home):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = star_process("run", "-m", *joblib, *SMALL, "seed=1,2", "name=j")
    assert "j: 2 runs" in done.out and keys(home, "j/seed=1")[0, "pretrain"] == keys(home, "j/seed=2")[0, "pretrain"]


PLACE = """
import os
if "SUBMITIT_EXECUTOR" in os.environ:  # the job's process: as on a machine with an environment of its own
    os.environ.pop("STAR_HOME", None)
    os.chdir("/")
"""


@pytest.mark.slow
def test_arms_in_jobs_of_submitit_come_back_with_their_failures(star_process, home):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    (home / "star_parts.py").write_text(PLACE)
    submitit = ["hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1"]
    done = star_process("run", "-m", *submitit, *SMALL, "trainer.lr=1e-3,1e9", "name=s", code=1)
    assert "1 arm(s) of the sweep failed: s/trainer.lr=1000000000.0" in done.err and "s: 2 runs" in done.out
    assert "the loss is not finite" in done.err
    assert Run(home, "s/trainer.lr=0.001").info.status == "finished"
    assert not list(home.glob("runs/.hydra/arms-*"))


def test_the_notes_of_arms_are_read_back_in_order_with_how_each_ended(tmp_path, capsys):
    notes = ArmsFile.create(tmp_path)
    with notes.arm("seed=1") as arm:
        arm.name = "s/seed=1"
        notes.note(arm)
    with pytest.raises(ArmFailed, match="s/seed=2"), notes.arm("seed=2") as arm:
        arm.name = "s/seed=2"
        raise StarError("no", hint="yes")
    notes.note(Arm("s/seed=3"))  # its process died
    states = [(a.name, a.ended, a.failure) for a in notes.arms()]
    assert states == [("s/seed=1", True, None), ("s/seed=2", True, "no\n  next: yes"), ("s/seed=3", False, None)]
    assert "star: s/seed=2 failed: no" in capsys.readouterr().err
    notes.remove()
    notes.note(Arm("s/seed=4"))  # a machine that does not see the file goes on


def test_a_home_that_cannot_be_written_is_a_sentence(home):
    done = call(home, "run", "-m", *SMALL, "seed=1,2", "home=/proc/x")
    assert done.code == 1 and "/proc/x/runs/.hydra cannot be written" in done.err and "Traceback" not in done.err
