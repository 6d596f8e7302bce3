"""docs/plugins.md: every block of it is run as it is printed, in its order, and its package is installed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, call

from star_cli.store.runs import Run
from star_cli.testing import separate_registry

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "docs" / "plugins.md").read_text(), re.M | re.S)


def files(language):
    """{file: its blocks in order}: the first line of a block names the file."""
    texts = {}
    for kind, text in BLOCKS:
        if kind == language:
            name, _, body = text.partition("\n")
            texts[name.removeprefix("# ")] = texts.get(name.removeprefix("# "), "") + body
    return texts


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which all was typed and run that the page shows; {command: its result}."""
    home = tmp_path_factory.mktemp("docs")
    (home / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "lmsi.py", home / "examples")
    results = {}
    for kind, text in BLOCKS:
        if kind == "sh":
            for command in text.splitlines():
                program, *args = shlex.split(command)
                assert program == "star"
                with separate_registry():
                    results[command] = call(home, *args)
                assert results[command].code == 0, f"{command}\n{results[command].out}\n{results[command].err}"
        elif kind == "python":
            name, _, body = text.partition("\n")
            with open(home / name.removeprefix("# "), "a") as f:
                f.write(body)
    return home, results


def test_every_command_of_the_page_works(place):
    home, results = place
    assert len(results) >= 12
    out = {command: result.out for command, result in results.items()}
    assert "last_digit" in out["star ls tasks parts=my_parts.py"]
    assert "Which digit ends" in out["star show demo/round-1/filter --prompt"]
    assert "lengths.jsonl, the first 5 of 30" in out["star show measured/round-1/lengths"]
    assert "votes.jsonl" in out["star show lmsi/round-1/majority"]
    assert {r.name for r in (Run(home, "sizes/task.size=60"), Run(home, "sizes/task.size=90")) if r.events()}


def test_the_models_engine_and_trainer_of_the_page_agree(place):
    home, results = place
    recited = next(result for command, result in results.items() if "model=memory" in command)
    assert "did not take the new weights" not in recited.out + recited.err
    events = {(e.round, e.name): e for e in Run(home, "recited").events()}
    assert events[1, "filter"].metrics["solved"] == 30, "it knows its lessons by heart"
    assert events[1, "evaluate"].metrics["accuracy"] == 0, "and nothing else"


def test_the_verifier_of_the_page_takes_part_in_the_choice(place):
    home, _ = place
    metrics = next(e.metrics for e in Run(home, "brief").events() if e.name == "select")
    assert "best_of@4/brevity" in metrics


def test_the_tests_of_the_page_pass(place):
    home, _ = place
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_parts.py"],
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


def test_the_package_of_the_page_is_installed_and_its_parts_are_there(tmp_path, monkeypatch, star_process):
    pytest.importorskip("setuptools")
    source, target = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    for name, text in (files("python") | files("toml")).items():
        (source / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    done = subprocess.run([*pip, "--target", target, source], capture_output=True, text=True)
    if "No module named pip" in done.stderr:
        pytest.skip("there is no pip here")
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("PYTHONPATH", str(target))
    assert "last_digit" in {r["name"] for r in star_process("ls", "tasks", "--json").json}
    star_process("run", "task=last_digit", "model=fake", "rounds=1", "name=demo")
    shown = star_process("show", "demo", "--json").json
    assert shown["status"] == "finished" and [r["round"] for r in shown["rounds"]] == [0, 1]
    tag = star_process("show", "demo/round-1/problems", "--json").json["tag"]
    assert tag["task"]["_"].startswith("task/last_digit/1+")


def test_every_name_that_a_plug_in_may_import_is_documented_where_it_is_defined():
    from star_cli import api

    silent = [n for n in api.__all__ if not (isinstance(getattr(api, n), dict) or getattr(api, n).__doc__)]
    assert sorted(api.__all__) == sorted(set(api.__all__)) and not silent
