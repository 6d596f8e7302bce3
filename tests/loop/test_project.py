"""star init, schema, rm and watch: a project from nothing, settings as editors know them, runs seen and removed."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import yaml
from conftest import ROOT, SMALL, call

from star_cli.run.progress import Progress, ProgressFile
from star_cli.run.schema import schema
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run
from star_cli.testing import separate_registry

ONE = [*SMALL, "rounds=1", "problems=20"]
FILES = sorted((ROOT / "conf").rglob("experiment/**/*.yaml"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    assert call(home, "init", "sums").code == 0
    return home / "sums"


def test_a_new_project_runs_and_learns(project):
    with separate_registry():
        done = call(project, "run", "--config-dir", "conf", "experiment=sums", "model=fake")
        assert done.code == 0, done.err
        rounds = call(project, "show", "sums-model=fake", "--json").json["rounds"]
    assert rounds[-1]["accuracy"] > rounds[0]["accuracy"] and rounds[-1]["round"] == 2
    assert "easy" in done.out and "hard" in done.out, "accuracy is broken down by the field level"
    assert (project / "runs" / "sums-model=fake").is_dir()


def test_its_readme_names_what_is_there(project):
    text = (project / "README.md").read_text()
    assert "experiment=sums model=fake" in text and "NAME" not in text
    for file in ("data/problems.jsonl", "conf/experiment/sums.yaml", "star_parts.py", "star.schema.json"):
        assert file in text and (project / file).is_file()


def test_what_is_there_already_is_not_written_over(project):
    again = call(project.parent, "init", "sums")
    assert again.code == 1 and "is there already" in again.err
    assert "cannot be an experiment's name" in call(project.parent, "init", "my sums").err


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema_knows_every_shipped_file_of_settings(path):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())


@pytest.mark.parametrize(
    "wrong",
    [{"trainer": {"lrr": 1e-3}}, {"rounds": "many", "problems": []}, {"samplng": {}}, {"filter": {"limit": {}}}],
)
def test_the_schema_refuses_what_star_refuses(wrong):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema())


def test_the_schema_says_what_settings_mean_and_of_which_part_they_are(project):
    made = json.loads((project / "star.schema.json").read_text())
    assert made == json.loads(json.dumps(schema())) == call(project, "schema").json
    lr = made["properties"]["trainer"]["properties"]["lr"]
    assert "sft" in lr["description"] and "number" in lr["type"]


def test_a_run_is_removed_and_its_artifacts_stay_until_gc(star, home):
    star("run", *ONE, "name=one")
    made = {path.parent.name for path in (home / "artifacts").glob("*/manifest.json")}
    for name, sweep in (("two", None), ("two/seed=0", "two"), ("two/seed=1", "two")):  # one name for a run and a sweep
        Run(home, name).start(Settings(config_key=name, sweep=sweep))
        Run(home, name).finish("finished")
    gone = star("rm", "one", "--yes").out
    assert gone.startswith("removed one; 13 artifacts are used by no run now: star gc frees ")
    assert (
        not (home / "runs/one").exists()
        and {p.parent.name for p in (home / "artifacts").glob("*/manifest.json")} == made
    )
    star("rm", "two", "--yes")
    assert not (home / "runs/two/run.json").exists() and (home / "runs/two/seed=0/run.json").exists()
    assert "removed two/seed=0, two/seed=1" in star("rm", "two", "--yes").out
    assert not (home / "runs/two").exists() and star("ls", "runs", "--json").json == []


def test_what_must_not_be_removed_is_a_sentence(star, home):
    assert "unknown run 'nope'" in star("rm", "nope", "--yes", code=1).err
    run = Run(home, "busy")
    run.start(Settings(config_key="a"))
    assert "busy is being run now" in star("rm", "busy", "--yes", code=1).err
    run.finish("finished")
    (run.path / "labels").mkdir()
    (run.path / "labels" / "round-1.jsonl").write_text("{}\n")
    assert "holds labels that somebody gave by hand" in star("rm", "busy", "--yes", code=1).err
    star("rm", "busy", "--yes", "--with-labels")
    assert not run.path.exists()


def test_runs_under_way_are_watched(star, home):
    assert "no run is under way" in star("watch").out
    run = Run(home, "now")
    run.start(Settings(config_key="a"))
    file = ProgressFile(run.path)
    file.stage_started(2, "generate", "ab" * 16)
    meter = file.meter("generate", 100)
    now = time.time()
    meter.step(25, tokens=100, right=1)
    file.progress = Progress(
        round=2, name="generate", key="ab" * 16, started=now - 10, done=25, total=100, judged=25, right=5
    )
    file._write()
    (row,) = star("watch", "--json").json
    assert (row["name"], row["stage"], row["done"], row["total"], row["right"]) == (
        "now",
        "round-2/generate",
        25,
        100,
        0.2,
    )
    assert row["remaining"] == pytest.approx(30, abs=5)
    shown = star("watch").out
    assert "round-2/generate" in shown and "25 of 100" in shown and "20.0" in shown
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    run.update(pid=child.pid)
    assert star("watch", "--json").json == []


def test_a_model_is_exported_with_a_card_that_says_how_it_was_made(star, home):
    made = star("run", *ONE, "name=demo")
    assert f"model      {home}/runs/demo/round-1/finetune/model" in made.out
    weights = home / "runs/demo/round-1/finetune/model"
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in weights.iterdir()), "colleagues can read it"
    told = star("export", "demo", "--model", "out", "--json").json
    assert (
        told["from"] == "demo/round-1/finetune"
        and (home / "out/config.json").read_bytes() == (weights / "config.json").read_bytes()
    )
    card = (home / "out/README.md").read_text()
    assert told["key"] in card and f"{told['accuracy']}" in card and "`method=star` on `task=addition`" in card
    assert "is not empty" in star("export", "demo", "--model", "out", code=1).err
    assert "holds no model" in star("export", "demo/round-1/filter", "--model", "other", code=1).err
    assert "one of --table FILE and --model DIR" in star("export", "demo", code=1).err
    star("export", "demo/round-0", "--model", "base")
    alone = star("filter", "--input", "rationales=demo/round-1/generate", "filter.limit=3")
    assert "it belongs to no run, so star gc removes it" in alone.out
