"""requirements-cpu.lock: exact, complete for what pyproject.toml asks, and the same on every machine."""

from __future__ import annotations

import re
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LINES = [x for x in (ROOT / "requirements-cpu.lock").read_text().splitlines() if not x.startswith("#")]
LOCKED = dict(line.split("==") for line in LINES)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# resolved from the ranges when they are installed: they need a GPU, older versions than the lock has, or nobody's run
ELSEWHERE = {"vllm-cuda", "trackio", "mlflow", "docs"}


def wanted():
    extras = {k: v for k, v in PROJECT["optional-dependencies"].items() if k not in ELSEWHERE}
    return [Requirement(r) for r in [*PROJECT["dependencies"], *(r for rows in extras.values() for r in rows)]]


def test_the_lock_holds_one_exact_version_a_line_and_nothing_of_a_machine():
    odd = [line for line in LINES if not re.fullmatch(r"[a-z0-9-]+==[\w.!+]+", line)]
    assert not odd


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_locked_version_lies_in_the_range(requirement):
    version = LOCKED.get(canonicalize_name(requirement.name))
    assert version and requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"
    assert {"<"} <= {s.operator[0] for s in requirement.specifier}, f"{requirement} has no upper bound"
