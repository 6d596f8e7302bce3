"""The plug-in of the README runs as it is printed, with the default model and with one from outside."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT, Result, environment

from star_cli.store.runs import Run

TEXT = (ROOT / "README.md").read_text("utf-8")
(BLOCK,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
COMMANDS = re.findall(r"^    star (run task=parity.*)$", TEXT, re.M)
QUICK = ["engine=transformers", "rounds=1", "pretraining.steps=40", "schedule.start=5"]  # the same, in less time


def run(home, command: str, *more: str) -> Result:
    args = [sys.executable, "-m", "star_cli", *shlex.split(command), *more]
    done = subprocess.run(args, capture_output=True, text=True, cwd=home, env=environment(home), timeout=1200)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("more", [QUICK, pytest.param([], marks=pytest.mark.slow)], ids=["quick", "as printed"])
def test_the_plug_in_runs_as_printed(home, more):
    file = BLOCK.partition("\n")[0].removeprefix("# ")
    (home / file).write_text(BLOCK)
    assert len(COMMANDS) == 2 and "model" not in COMMANDS[0] and "model=hf model.path=DIR" in COMMANDS[1]

    first = run(home, COMMANDS[0], *more, "name=tiny")
    assert first.code == 0, first.out + first.err
    pretrained = next(e for e in Run(home, "tiny").events() if e.name == "pretrain")
    model = home / "artifacts" / pretrained.key / "model"

    second = run(home, COMMANDS[1].replace("DIR", str(model)), *more, "name=outside")
    assert second.code == 0, second.out + second.err
    for name in ("tiny", "outside"):
        accuracies = [e.metrics["accuracy"] for e in Run(home, name).events() if e.name == "evaluate"]
        assert len(accuracies) >= 2 and max(accuracies) > 0.3, "it learnt to answer at all"
