"""Roads that once led nowhere: a name used twice, data that changed, a reader that goes away, scripts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import SMALL, environment

from star_cli.errors import StarError
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run, differing, runs

ONE = [*SMALL, "rounds=1", "problems=20"]


def rows(n):
    return "".join(json.dumps({"question": f"What is {i}+1?", "answer": str(i + 1)}) + "\n" for i in range(n))


# ---- a name that is used twice, data that changed -------------------------------------------------------------------
def test_a_name_used_twice_is_said_and_the_old_run_stays_a_run(star, home):
    star("run", *ONE, "name=exp", "seed=1")
    first = Run(home, "exp").events()
    again = star("run", *ONE, "name=exp", "seed=2")
    assert "exp was another run until now (seed 1 -> 2); that one is kept as exp.1: star show exp.1" in again.out
    assert Run(home, "exp.1").events() == first and Run(home, "exp").info.seed == 2
    assert Run(home, "exp.1").lost() == [] and (home / "runs/exp.1/round-1/filter").exists()
    assert {r.name for r in runs(home)} == {"exp", "exp.1"}
    assert "finished" in star("show", "exp.1").out


def test_an_arm_made_way_for_lies_in_a_sweep_of_its_own(star, home):
    for config in ({"problems": 1}, {"problems": 2}, {"problems": 3}):
        settings = Settings(config_key=str(config), config=config, sweep="s", arm=["seed=1"])
        said = Run(home, "s/seed=1").start(settings)
    assert said == [
        "s/seed=1 was another run until now (problems 2 -> 3); that one is kept as s.2/seed=1: star show s.2/seed=1"
    ]
    assert {r.name for r in runs(home)} == {"s/seed=1", "s.1/seed=1", "s.2/seed=1"}
    assert "s.1: 1 runs" in star("show", "s.1").out


def test_a_run_under_way_keeps_its_name(home):
    run = Run(home, "busy")
    run.start(Settings(config_key="a"))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        run.update(pid=child.pid)
        with pytest.raises(StarError, match=f"under way with other settings .process {child.pid}."):
            run.start(Settings(config_key="b"))
    finally:
        child.communicate(b"\n")


def test_data_that_changed_under_a_run_is_said_when_it_is_resumed(star, home):
    (home / "my.jsonl").write_text(rows(60))
    asked = ["run", "task=jsonl", "task.path=my.jsonl", "model=fake", "rounds=1", "name=mine"]
    star(*asked, code=None)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    assert "until now" not in star("resume", "mine", code=None).out, "the same data by its absolute path"
    (home / "my.jsonl").write_text(rows(61))
    said = star("resume", "mine", code=None).out
    assert "mine was another run until now (task.content" in said and "kept as mine.1" in said


def test_what_two_configurations_differ_in_is_named_by_setting():
    before = {"seed": 1, "name": "a", "task": {"size": 3, "grader": {"name": "x"}}, "ks": [1, 2]}
    after = {"seed": 1, "name": "b", "task": {"size": 4, "grader": {"name": "x"}}, "ks": [1], "new": 1}
    assert differing(before, after) == ["task.size 3 -> 4", "ks [1, 2] -> [1]", "new None -> 1"]


def test_the_file_of_a_template_is_found_from_any_directory(star, home, monkeypatch):
    (home / "my.jsonl").write_text(rows(60))
    (home / "t.txt").write_text("Sum: {question}\nA:")
    star(
        "run", "task=jsonl", "task.path=my.jsonl", "task.template=@t.txt", "model=fake", "rounds=1", "name=t", code=None
    )
    assert f"task.template='@{home}/t.txt'" in Run(home, "t").info.overrides


# ---- a home that cannot be one --------------------------------------------------------------------------------------
@pytest.mark.parametrize("place", ["/proc/x", "/dev/null", "/dev/null/x"])
def test_a_home_that_cannot_be_written_is_a_sentence(star, place):
    done = star("run", *ONE, f"home={place}", code=1)
    assert f"star: {place} cannot be written: " in done.err and "choose another home=DIR" in done.err


# ---- scripts and pipes ----------------------------------------------------------------------------------------------
def test_a_reader_that_goes_away_ends_no_run(home):
    script = f"{sys.executable} -m star_cli.cli.main run {' '.join(ONE)} name=piped | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], env=environment(home), cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert Run(home, "piped").info.status == "finished"


def test_run_json_prints_what_show_json_prints_and_nothing_else(star):
    made = star("run", *ONE, "name=demo", "--json")
    assert made.json == star("show", "demo", "--json").json and made.json["status"] == "finished"
    swept = star("run", "-m", *ONE, "name=s", "seed=0,1", "--json").json
    assert [arm["name"] for arm in swept["arms"]] == ["s/seed=0", "s/seed=1"]


@pytest.mark.parametrize(
    ("extra", "status"), [([], "finished"), (["engine.die_after=3", "engine.die_always=true"], "failed")]
)
def test_a_command_at_the_end_is_told_how_it_ended(star, home, extra, status):
    hook = 'on_end=echo "$STAR_RUN|$STAR_STATUS|$STAR_ACCURACY|$STAR_MESSAGE" > told.txt'
    star("run", *ONE, "name=demo", hook, *extra, code=None)
    run, ended, accuracy, message = (home / "told.txt").read_text().strip().split("|")
    assert (run, ended) == ("demo", status) and bool(accuracy) == (not message), message


def test_gpus_that_are_not_there_and_a_command_that_fails_are_said(star, monkeypatch):
    monkeypatch.setattr("star_cli.run.execute.listed_gpus", lambda: 0)
    said = star("run", *ONE, "name=demo", "runtime.gpus=4", "on_end=echo no >&2; exit 3").out
    assert "on_end=echo no >&2; exit 3: it ended with 3: no" in said
    assert "runtime.gpus=4, but nvidia-smi finds no GPU on this machine" in said
