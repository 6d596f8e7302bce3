"""What people read, kept as text: help pages, listings, the tables of a run on fakes, its plan and its page.

A change that is meant is written down with `make snapshots`; its diff is then part of the review.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest
from conftest import SMALL, call

import star_cli.cli
from star_cli.cli.app import app

NOON = "2026-01-01T12:00:00+0000"


def commands() -> list[str]:
    """Every command, for example "run" or "theory predict"."""
    for module in pkgutil.iter_modules(star_cli.cli.__path__):
        importlib.import_module(f"star_cli.cli.{module.name}")

    def names(of) -> list[str]:
        return [c.name or c.callback.__name__.strip("_").replace("_", "-") for c in of.registered_commands]

    groups = [g.typer_instance for g in app.registered_groups]
    return sorted([*names(app), *(f"{g.info.name} {name}" for g in groups for name in names(g))])


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with a run, another method's run and a sweep, as if each stage had taken 1.5 s at noon."""
    home = tmp_path_factory.mktemp("home")
    sweep = ["-m", *SMALL, "rounds=1", "seed=1,2", "name=seeds"]
    for args in ([*SMALL, "name=demo"], [*SMALL, "name=direct", "method=direct", "rounds=1"], sweep):
        done = call(home, "run", *args)
        assert done.code == 0, done.err
    for file in home.glob("artifacts/*/manifest.json"):
        file.write_text(json.dumps(at_noon(json.loads(file.read_text()))))
    for minute, file in enumerate(sorted(home.glob("runs/**/run.json"))):
        file.write_text(json.dumps(at_noon(json.loads(file.read_text()), NOON.replace("12:00", f"12:{minute:02}"))))
        ledger = file.with_name("ledger.jsonl")
        rows = [at_noon(json.loads(line)) for line in ledger.read_text().splitlines()]
        ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert call(home, "show", "demo", "--page").code == 0
    return home


def at_noon(row: dict, started: str = NOON) -> dict:
    """A manifest, run.json or line of a ledger without what differs from call to call and machine to machine."""
    fixed = {"seconds": 1.5, "time": NOON, "created": NOON, "started": started, "ended": NOON, "pid": 1, "git": None}
    return {k: fixed.get(k, v) for k, v in row.items()}


def plain(text: str, home: Path) -> str:
    """Text with HOME for the home's path, zeros for keys and hashes (as long as they were), no spaces at line ends."""
    text = re.sub(r"\b[0-9a-f]{10,64}\b", lambda m: "0" * len(m[0]), text.replace(str(home), "HOME"))
    text = re.sub(r"at most .* at this machine's own speeds.*", "at most 0 s, at this machine's own speeds", text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def shown(home: Path, *args: str) -> str:
    done = call(home, *args, columns=100 if "--help" in args else 160)
    assert done.code == 0, done.err
    return plain(done.out, home)


def test_the_help_of_star(home, snapshot):
    assert shown(home, "--help") == snapshot


@pytest.mark.parametrize("command", commands())
def test_the_help_of_a_command(command, home, snapshot):
    assert shown(home, *command.split(), "--help") == snapshot


@pytest.mark.parametrize("kind", ["tasks", "graders", "engines", "trainers", "methods", "models", "verifiers", "runs"])
def test_a_listing(kind, home, snapshot):
    assert shown(home, "ls", kind) == snapshot


@pytest.mark.parametrize(
    "what",
    [
        "demo",
        "demo/round-1",
        "demo/round-1/filter -n 2",
        "demo/round-1/filter --wrong --prompt -n 1",
        "demo/round-1/finetune -n 1",
        "demo/round-2/evaluate -n 1",
        "seeds",
    ],
)
def test_what_show_prints(what, home, snapshot):
    assert shown(home, "show", *what.split()) == snapshot


def test_the_plan_of_a_run_half_of_which_is_there(home, snapshot):
    assert shown(home, "plan", *SMALL, "name=demo", "rounds=3") == snapshot


def test_the_comparison_of_two_runs(home, snapshot):
    assert shown(home, "compare", "demo", "direct", "--budget", "tokens") == snapshot


def test_the_differences_of_two_runs(home, snapshot):
    assert shown(home, "diff", "demo", "direct") == snapshot


def test_the_settings_of_star_run(home, snapshot):
    assert shown(home, "run", "--cfg", "job") == snapshot


def test_the_prediction_of_the_theory(home, snapshot):
    assert shown(home, "theory", "predict", "--rounds", "3") == snapshot


def test_the_page_of_a_run(home, snapshot):
    """Its tags and words; curves are drawn by matplotlib and may change with it."""
    page = (home / "runs" / "demo" / "report.html").read_text()
    page = re.sub(r"<svg.*?</svg>", "<svg/>", re.sub(r"<style>.*?</style>", "<style/>", page, flags=re.S), flags=re.S)
    assert plain(re.sub(r">(?=<)", ">\n", page), home) == snapshot
