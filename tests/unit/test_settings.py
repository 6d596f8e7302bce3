"""Which settings hold: an override, an experiment's own file, a method's paper, the default; and what is written
down.
"""

from __future__ import annotations

from typing import Literal

import pytest
from conftest import SMALL, call

from star_cli.analysis.arms import settings_of
from star_cli.core import registry
from star_cli.core.parts import Grader, Trainer
from star_cli.errors import StarError
from star_cli.run.compose import launch
from star_cli.store.artifacts import open_store
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run


def composed(*args, home=None):
    return launch(["model=fake", *args], lambda c: c)


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_HOME", str(tmp_path))


@pytest.fixture
def own(tmp_path):
    """A user's own configuration directory."""
    (tmp_path / "conf/experiment").mkdir(parents=True)

    def write(name, text):
        (tmp_path / "conf/experiment" / f"{name}.yaml").write_text("# @package _global_\n" + text)
        return ["--config-dir", str(tmp_path / "conf")]

    return write


def test_a_papers_settings_hold_unless_touched():
    x = composed("method=rest_em").experiment
    assert (x.sampling.temperature, x.sampling.top_k, x.filter.limit) == (0.7, 40, 10)
    y = composed("method=rest_em", "sampling.temperature=0.0", "filter.limit=1").experiment
    assert (y.sampling.temperature, y.sampling.top_k, y.filter.limit) == (0.0, 40, 1)


def test_an_experiments_file_wins_over_the_paper_even_with_a_default(own, tmp_path):
    flags = own("mine", "defaults:\n  - override /method: vstar\nfilter:\n  limit: 1\n")
    done = call(
        tmp_path,
        "run",
        *flags,
        "experiment=mine",
        *SMALL,
        "samples=2",
        "method.gold=false",
        "name=mine",
        "verification.candidates=4",
        "verification.ks=[1,2]",
        "sampling.temperature=1.0",
    )
    assert done.code == 0, done.err
    config = Run(tmp_path, "mine").info.config
    assert config["filter"]["limit"] == 1 and config["sampling"]["temperature"] == 1.0


def test_an_experiment_that_chooses_the_method_wins_over_its_paper_in_every_field(own):
    flags = own("mine", "defaults:\n  - override /method: rest_em\nsampling:\n  temperature: 0.0\n  top_k: 0\n")
    x = composed(*flags, "experiment=mine").experiment
    assert (x.sampling.temperature, x.sampling.top_k, x.filter.limit) == (0.0, 0, 10)
    assert composed(*flags, "experiment=mine", "sampling.temperature=0.3").experiment.sampling.temperature == 0.3
    other = composed(*flags, "experiment=mine", "method=star").experiment  # and another method brings its own paper
    assert (other.sampling.temperature, other.filter.limit) == (0.0, 1)


def test_an_experiment_on_top_of_another_wins_over_the_paper_too(own):
    own("low", "defaults:\n  - override /method: vstar\nfilter:\n  limit: 3\n")
    flags = own("high", "defaults:\n  - low\nsampling:\n  temperature: 0.2\n")
    x = composed(*flags, "experiment=high").experiment
    assert (x.filter.limit, x.sampling.temperature) == (3, 0.2)


def test_a_file_wins_over_the_model_in_the_methods_and_the_verifiers_own_settings(own):
    flags = own("mine", "defaults:\n  - override /method: vstar\nmethod:\n  rounds: 2\nverifier:\n  beta: 0.7\n")
    x = launch([*flags, "experiment=mine"], lambda c: c.experiment)  # model=tiny says rounds: 3, verifiers.dpo.beta: 1
    assert (x.method.rounds, x.verifier.beta, x.verifier.steps) == (2, 0.7, 200)
    x = launch([*flags, "experiment=mine", "rounds=5", "verifier.beta=0.2"], lambda c: c.experiment)
    assert (x.method.rounds, x.verifier.beta) == (5, 0.2)


def test_a_methods_verifier_can_be_set_and_changed():
    assert launch(["method=vstar", "verifier.beta=0.3"], lambda c: c.experiment.verifier.beta) == 0.3
    assert composed("method=vstar", "verifier=none").parts["verifier"] == "none"
    assert launch(["method=star_sql", "verifier=dpo"], lambda c: c.parts["verifier"]) == "dpo"
    assert launch(["method=star_sql"], lambda c: c.parts["verifier"]) == "orm"


def test_a_list_of_a_method_among_several_has_the_types_of_its_class():
    x = composed("method=b_star", "+methods.b_star.temperatures=[1]", "samples=6", "method.queries=3").experiment
    assert x.method.temperatures == [1.0] and isinstance(x.method.temperatures[0], float)


def test_the_tasks_own_grader_keeps_the_tasks_settings_when_it_is_named():
    assert composed("grader=exact").experiment.grader == composed().experiment.grader
    assert composed("grader=exact", "grader.after=x").experiment.grader.after == "x"
    assert composed("grader=exact", "task=zip").experiment.grader.after == "\n"
    assert composed("grader=math").experiment.grader.truncated is False


def test_a_run_of_ones_own_experiment_can_be_resumed_from_anywhere(own, tmp_path, home):
    flags = own("mine", "task:\n  digits: 2\n".replace("digits", "max_digits"))
    done = call(home, "run", *flags, "experiment=mine", *SMALL, "rounds=1", "name=mine")
    assert done.code == 0, done.err
    done = call(home, "resume", "mine")
    assert done.code == 0 and "nothing was built" in done.out, done.err + done.out


def test_data_with_a_relative_path_is_found_from_another_directory(home):
    rows = "".join(f'{{"question": "{i}+1?", "answer": "{i + 1}", "split": "{s}"}}\n' for i in range(9) for s in SPLITS)
    (home / "my.jsonl").write_text(rows)
    task = ["model=fake", "task=jsonl", "task.path=my.jsonl", "+pretraining.lessons={gold: 4}", "method=direct"]
    done = call(home, "run", *task, "rounds=1", "name=mine")
    assert done.code == 0, done.err
    assert f"task.path='{home}/my.jsonl'" in Run(home, "mine").info.overrides


SPLITS = ("train", "dev", "test")


@pytest.fixture
def plugin(monkeypatch):
    """Register a part for one test, as {setting: (type, default...)}."""

    def add(kind, name, base, settings):
        body = {"__annotations__": {k: v[0] for k, v in settings.items()}, "__doc__": "x", "__module__": "my_parts"}
        monkeypatch.setitem(registry._parts[kind], name, None)
        del registry._parts[kind][name]
        registry.register(kind, name, version=1)(
            type(name, (base,), body | {k: v[1] for k, v in settings.items() if v[1:]})
        )

    return add


def test_a_part_whose_setting_has_no_default_says_so(plugin):
    plugin("grader", "needy", Grader, {"threshold": (float,)})
    plugin("trainer", "needy", Trainer, {"lr": (float,)})
    with pytest.raises(StarError, match=r"grader=needy needs grader.threshold\n  next: .*=VALUE"):
        composed("grader=needy")
    with pytest.raises(StarError, match=r"trainer.lr has no value\n  next: .* give it: trainer.lr=VALUE"):
        composed("trainer=needy")
    assert composed("grader=needy", "grader.threshold=1").experiment.grader.threshold == 1.0


def test_a_setting_of_a_type_that_cannot_be_read_is_named_with_its_part(plugin):
    plugin("grader", "choosy", Grader, {"mode": (Literal["a", "b"], "a")})
    with pytest.raises(StarError, match=r"grader=choosy \(my_parts\) has a setting of a type .* Literal"):
        composed("seed=1")


def test_a_grader_by_itself_has_its_own_defaults(home):
    (home / "a.jsonl").write_text('{"id": 1, "gold": "7", "prediction": "7"}\n')
    assert '"reason": "MATCH"' in call(home, "grade", "a.jsonl", "grader=exact").out
    refused = call(home, "grade", "a.jsonl", "grader=code", "grader.seconds=-1")
    assert refused.code == 1 and "grader.seconds must be > 0" in refused.err


def test_an_optimisers_metric_does_not_make_it_another_run():
    one, other = composed("method=star").info(), composed("method=star", "optimize=filter/solved").info()
    assert one["config_key"] == other["config_key"]
    assert composed().experiment.name == composed("optimize=accuracy").experiment.name


def test_what_is_written_down_is_what_was_used():
    c = composed("method=vstar", "rounds=2")
    told = c.info()
    assert told["config"]["sampling"]["temperature"] == 0.7 and told["config"]["filter"]["limit"] == 0
    assert told["config"]["method"]["rounds"] == 2 and told["parts"]["verifier"] == "fake"


def test_runs_with_other_verifiers_are_other_runs():
    infos = [composed("method=vstar", v).info() for v in ("verifier=fake", "verifier=none")]
    with_one, without = (Settings(**info) for info in infos)
    assert settings_of(with_one) != settings_of(without)
    assert with_one.config_key != without.config_key


def test_settings_of_one_method_among_several():
    assert composed("method=rft", "+methods.rft.samples=7", "samples=3").experiment.method.samples == 3
    assert composed("method=rft", "+methods.rft.samples=7").experiment.method.samples == 7
    assert composed("method=star", "+methods.rft.samples=7").experiment.method.samples == 1
    with pytest.raises(StarError, match="methods.rft.sample=7: this method has no sample"):
        composed("method=rft", "+methods.rft.sample=7")
    with pytest.raises(StarError, match="methods.rft.samples=many"):
        composed("method=rft", "+methods.rft.samples=many")
    with pytest.raises(StarError, match="unknown method 'rtf'"):
        composed("method=rft", "+methods.rtf.samples=7")


def test_an_experiment_of_ones_own_can_name_its_sweep(own, tmp_path):
    flags = own("mine", "hydra:\n  sweeper:\n    params:\n      seed: 1,2\n")
    done = call(tmp_path, "run", "-m", *flags, "experiment=mine", *SMALL, "rounds=1")
    assert done.code == 0, done.err
    assert sorted(p.name for p in (tmp_path / "runs").glob("sweep-*/*/")) == ["seed=1", "seed=2"]


@pytest.mark.parametrize("method", ["ada_star", "b_star"])
@pytest.mark.parametrize("setting", ["filter.control=random", "filter.sound=true", "filter.dedupe=equations"])
def test_every_method_that_keeps_heeds_the_settings_of_the_filter(method, setting, tmp_path):
    small = ["method.gold=false", "method.queries=5", "method.temperatures=[1.0]"] if method == "b_star" else []
    done = call(tmp_path, "run", *SMALL, f"method={method}", "samples=2", setting, "name=x", "rounds=1", *small)
    assert done.code == 0, done.err
    run = Run(tmp_path, "x")
    stage = next(e for e in run.events() if e.round == 1 and e.stage in ("ada_sample", "reward"))
    name, _, value = setting.partition("=")
    rule = run.artifact(open_store(tmp_path), 1, stage.name).tag["keep"]
    assert str(rule[name.partition(".")[2]]).lower() == value
