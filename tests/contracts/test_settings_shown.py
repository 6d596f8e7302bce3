"""What `star run --cfg job` prints is what runs: of every method the same settings stand in run.json afterwards."""

from __future__ import annotations

import pytest
import yaml
from conftest import call
from golden import EXTRA

from star_cli.core import registry
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run

TINY = ["model=fake", "rounds=1", "task.train=30", "task.dev=10", "problems=30", "runtime.progress=none", "name=shown"]


def shown(home, *args):
    """The settings that --cfg job prints."""
    done = call(home, "run", "--cfg", "job", *args)
    assert done.code == 0, done.err
    return yaml.safe_load(done.out)


@pytest.mark.parametrize("method", registry.names("method"))
def test_the_settings_shown_are_those_of_the_run(method, home):
    args = [*TINY, f"method={method}", *EXTRA.get(method, ["samples=2"])]
    if method == "see_think_learn":
        args = [a for a in args if not a.startswith("task.")]
    before = shown(home, *args)
    done = call(home, "run", *args)
    assert done.code == 0, done.err
    run = Run(home, "shown")
    assert before == run.info.config == shown(home, *args)
    if method != "b_star":  # which chooses a temperature in each round
        tags = [Store(home / "artifacts").get(e.key).tag for e in run.events() if e.name == "generate"]
        assert all(tag["sampling"]["temperature"] == before["sampling"]["temperature"] for tag in tags)


@pytest.mark.parametrize("method", registry.names("method"))
def test_a_papers_settings_are_shown(method, home):
    config = shown(home, "model=fake", f"method={method}", *EXTRA.get(method, [])[:1])
    published = registry.get("method", method).defaults
    assert {n: config[n.split(".")[0]][n.split(".")[1]] for n in published} == published


def test_the_grader_of_the_task_and_the_verifier_of_the_method_are_shown(home):
    text = call(home, "run", "--cfg", "job", "method=vstar").out
    assert "\n# grader=exact: " in text and "\n# verifier=dpo: " in text
    config = yaml.safe_load(text)
    assert config["grader"]["after"] == "</scratch>" and config["verifier"]["lr"] == 1e-4


def test_a_short_name_and_the_methods_setting_never_contradict_each_other(home):
    for args, rounds in (([], 3), (["rounds=7"], 7), (["method.rounds=6"], 6), (["+methods.star.rounds=8"], 8)):
        config = shown(home, *args)  # model=tiny sets 3 rounds, the paper's method has 5
        assert config["rounds"] == config["method"]["rounds"] == rounds


def test_settings_of_one_method_among_several_are_shown_where_it_is_chosen(home):
    config = shown(home, "experiment=shootout", "method=rft")
    assert config["method"] == {"rounds": 1, "samples": 12, "gold": False} and "methods" not in config


def test_an_experiment_is_shown_as_it_would_run(home):
    config = shown(home, "experiment=star_sql_tiny")
    assert config["sampling"]["temperature"] == 0.8 and config["filter"]["limit"] == 2
    assert config["verifier"]["beta"] == 1.0 and config["method"]["rounds"] == 3


def test_one_section_can_be_shown(home):
    done = call(home, "run", "--cfg", "job", "model=fake", "trainer.lr=0.5", "-p", "trainer")
    assert yaml.safe_load(done.out) == {"gain": 0.5, "lr": 0.5}
    assert call(home, "run", "--cfg", "job", "model=fake", "--package", "trainer.lr").out == "0.001\n"
    assert "unknown section 'trainr'" in call(home, "run", "--cfg", "job", "-p", "trainr").err


def test_every_section_says_what_it_is(home):
    lines = call(home, "run", "--cfg", "job", "model=fake").out.splitlines()
    sections = [i for i, line in enumerate(lines) if line[:1].isalpha() and line.endswith(":")]
    assert len(sections) >= 14 and all(lines[i - 1].startswith("# ") for i in sections)


def test_a_sweep_is_refused_and_unknown_settings_too(home):
    done = call(home, "run", "--cfg", "job", "-m", "seed=1,2")
    assert done.code == 1 and "leave -m out" in done.err
    done = call(home, "run", "--cfg", "job", "model=fake", "+trainer.gian=1")
    assert done.code == 1 and "Did you mean trainer.gain?" in done.err and not done.out


def test_settings_that_a_run_would_refuse_are_shown_and_then_refused(home):
    done = call(home, "run", "--cfg", "job", "model=fake", "task=jsonl")
    assert done.code == 1 and "template:" in done.out and "does not know its data" in done.err


def test_hydras_own_displays_still_work(home):
    assert "sweep:" in call(home, "run", "--cfg", "hydra").out
    both = call(home, "run", "--cfg", "all", "model=fake").out
    assert "trainer:" in both and "sweep:" in both
    assert "method/vstar" in call(home, "run", "--info", "defaults", "method=vstar").out
    refused = call(home, "plan", "--cfg", "job")
    assert refused.code == 1 and "belong to star run" in refused.err
