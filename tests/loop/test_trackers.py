"""Trackers that keep everything on this machine: what they wrote is read back by their own programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import SMALL

RUN = [*SMALL, "name=demo"]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def shown(star, home: Path) -> tuple[list[float], dict]:
    """The accuracies of the run's rounds, and what star itself shows of it."""
    whole = star("show", "demo", "--json").json
    return [row["accuracy"] for row in whole["rounds"]], whole


@needs("tensorboardX")
@needs("tensorboard")
def test_tensorboard_has_the_curve_the_rounds_and_samples(star_process, star, home):
    star_process("run", *RUN, "tracking=tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(home / "tensorboard" / "demo"))
    read.Reload()
    accuracies, _ = shown(star, home)
    assert [(e.step, e.value) for e in read.Scalars("evaluate/accuracy")] == [
        (i, pytest.approx(value)) for i, value in enumerate(accuracies)
    ]
    texts = {tag: read.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in read.Tags()["tensors"]}
    assert texts["status/text_summary"] == "finished" and "| task |" in texts["settings/text_summary"]
    assert texts["rounds/text_summary"].count("\n") == 1 + len(accuracies)
    assert "| MATCH |" in texts["filter/samples/text_summary"]


MLFLOW = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient("sqlite:///" + sys.argv[1] + "/mlflow/runs.db")
(run,) = client.search_runs([client.get_experiment_by_name("star").experiment_id])
curve = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "evaluate/accuracy")]
files = [f.path for f in client.list_artifacts(run.info.run_id)]
table = json.load(open(client.download_artifacts(run.info.run_id, "rounds.json")))
samples = open(client.download_artifacts(run.info.run_id, "round-1/filter/samples.md")).read()
print(json.dumps([curve, run.info.status, run.info.run_name, run.data.params, files, table, samples]))
"""


@needs("mlflow")
def test_mlflow_has_the_curve_the_settings_the_rounds_and_samples(star_process, star, home):
    star_process("run", *RUN, "tracking=mlflow")
    curve, status, name, params, files, table, samples = json.loads(plain(MLFLOW, home).splitlines()[-1])
    accuracies, _ = shown(star, home)
    assert curve == [[i, pytest.approx(value)] for i, value in enumerate(accuracies)]
    assert (status, name) == ("FINISHED", "demo") and params["method.rounds"] == "2" and "rounds.json" in files
    assert [row[:2] for row in table["data"]] == [[i, pytest.approx(value)] for i, value in enumerate(accuracies)]
    assert "| MATCH |" in samples


TRACKIO = """
import json, os, sys
os.environ["TRACKIO_DIR"] = sys.argv[1] + "/trackio"
from trackio.sqlite_storage import SQLiteStorage
logs = SQLiteStorage.get_logs("star", "demo")
print(json.dumps([logs, SQLiteStorage.get_run_config("star", "demo")], default=str))
"""


@needs("trackio")
def test_trackio_has_the_curve_the_settings_the_rounds_and_samples(star_process, star, home):
    star_process("run", *RUN, "tracking=trackio")
    logs, config = json.loads(plain(TRACKIO, home).splitlines()[-1])
    accuracies, _ = shown(star, home)
    curve = [(row["step"], row["evaluate/accuracy"]) for row in logs if "evaluate/accuracy" in row]
    assert curve == [(i, pytest.approx(value)) for i, value in enumerate(accuracies)]
    assert any("rounds" in row for row in logs) and any("filter/samples" in row for row in logs)
    assert config["task"]["digits" if "digits" in config["task"] else "train"] and logs[-1]["finished"] == 1.0


def plain(code: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)], capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["tracking=mlflow", "tracking.mode=offline"], "tracking.mode=offline has no effect with tracking=mlflow"),
        (["tracking=trackio", "tracking.server=http://x"], "tracking.server=http://x has no effect"),
        (["tracking.kind=paper"], "tracking must be auto, none, wandb, trackio, mlflow, tensorboard, got 'paper'"),
    ],
)
def test_settings_without_effect_are_refused(star, args, says):
    assert says in star("run", *RUN, *args, code=1).err


@pytest.mark.parametrize("kind", ["mlflow", "trackio"])
def test_a_tracker_that_is_not_installed_is_named_with_the_command(star, kind):
    if find_spec(kind):
        pytest.skip(f"{kind} is installed")
    result = star("run", *RUN, f"tracking={kind}", code=1)
    assert f"tracking={kind} needs the package {kind}" in result.err and f"star-cli[{kind}]" in result.err
