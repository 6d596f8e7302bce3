"""The documentation as a site: its reference is what the code says, the tutorial runs as printed, no page is lost."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT, call

from star_cli.core import registry
from star_cli.testing import separate_registry

DOCS = ROOT / "docs"


def reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_the_reference_is_what_the_code_says():
    with separate_registry():
        made = reference()
    kept = {path.name: path.read_text() for path in (DOCS / "reference").glob("*.md")}
    assert kept == made, "python docs/reference/generate.py writes it anew"
    assert "### task=jsonl" in made["parts.md"] and "## star compare" in made["commands.md"]
    assert all(f"### {kind}={name}" in made["parts.md"] for kind in registry.KINDS for name in registry.names(kind))


def test_every_page_has_its_place_on_the_site():
    def files(nav):
        for entry in nav:
            value = next(iter(entry.values())) if isinstance(entry, dict) else entry
            yield from files(value) if isinstance(value, list) else [value]

    named = sorted(files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert named == [page for page in pages if not page.startswith("trials/2")]  # the page of the trials links to each


def commands(page):
    """The lines of a page that are commands."""
    return [line.strip() for line in re.findall(r"^    ((?:star|cd) .+)$", (DOCS / page).read_text(), re.M)]


@pytest.mark.slow
def test_the_tutorial_runs_as_it_is_printed(tmp_path):
    place, results = tmp_path, {}
    with separate_registry():
        for command in commands("tutorial.md"):
            program, *args = shlex.split(command.partition("  #")[0])
            if program == "cd":
                place = place / args[0]
                continue
            done = results[command] = call(place, *args)
            assert done.code == 0, f"{command}\n{done.out}\n{done.err}"
    assert len(results) >= 18
    compared = results["star compare first greedy --baseline greedy"].out
    assert "own ends" in compared and "greedy" not in compared.partition("difference")[0].partition("method")[0]
    assert "level" in results["star explain task.jsonl"].out or "groups_by" in results["star explain task.jsonl"].out
    assert (place / "rounds.csv").exists() and (place / "model-of-round-2" / "README.md").exists()


def test_the_first_page_shows_commands_that_the_tutorial_or_the_makefile_run():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    made = re.findall(r"^    make (\w+)", (DOCS / "index.md").read_text(), re.M)
    assert made and set(made) <= set(targets)
    tutorial = {shlex.split(c)[1] for c in commands("tutorial.md")}
    assert {shlex.split(c)[1] for c in commands("index.md")} <= tutorial


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    mkdocs = shutil.which("mkdocs") or str(ROOT / ".venv" / "bin" / "mkdocs")
    if not os.path.exists(mkdocs):
        pytest.skip("mkdocs is not installed: pip install '.[docs]'")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "-f", str(ROOT / "mkdocs.yml"), "-d", str(tmp_path / "site")],
        capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "parts" / "index.html").exists()
