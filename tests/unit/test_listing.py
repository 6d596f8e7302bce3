"""star ls at every width, the home named in two ways, -h as --help: what all commands share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import SMALL, call
from test_snapshots import commands

from star_cli.cli.app import app
from star_cli.core.described import settings_of
from star_cli.run.root import SECTIONS

LONG = "a-run-with-a-name-that-is-as-long-as-names-of-runs-without-a-name-of-their-own-are"
ONE = [*SMALL, "rounds=1", "task.train=40", "problems=40"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Two runs, one with a long name, and a sweep."""
    home = tmp_path_factory.mktemp("home")
    for args in ([*ONE, "name=demo"], [*ONE, f"name={LONG}"], ["-m", *ONE, "seed=1,2", "name=seeds"]):
        done = call(home, "run", *args)
        assert done.code == 0, done.err
    return home


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_runs_are_a_line_each_at_every_width(home, width):
    lines = call(home, "ls", "runs", columns=width).out.splitlines()
    assert max(len(line) for line in lines) <= width
    rows = [line.split() for line in lines if "finished" in line]
    assert len(rows) == 4 and all(row[1] == "finished" and row[2] == "1" for row in rows)
    assert [row[0] for row in rows] == [row[0] for row in sorted(rows, key=lambda row: row[0].startswith("seed="))]
    assert LONG[:4] in "".join(lines) and (width < 160 or LONG in "".join(lines))
    assert ("overrides" in lines[1]) == (width >= 100) and ("started" in lines[1]) == (width >= 80)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_artifacts_are_a_line_each(home, width):
    lines = call(home, "ls", "artifacts", columns=width).out.splitlines()
    count = len([p for p in (home / "artifacts").iterdir() if len(p.name) == 32])
    assert len(lines) == count + 1 and max(len(line) for line in lines) <= width


def test_what_cannot_be_read_is_told_beside_the_others(home, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(home, place, symlinks=True)
    (place / "runs" / "demo" / "run.json").write_text("{")
    manifest = next(place.glob("artifacts/[!.]*/manifest.json"))
    manifest.write_text("[]")
    runs, artifacts = call(place, "ls", "runs"), call(place, "ls", "artifacts")
    assert runs.code == artifacts.code == 0
    assert "demo" in runs.out and "broken" in runs.out and str(place / "runs/demo/run.json") in runs.err
    assert LONG in runs.out and str(manifest) in artifacts.err
    rows = {row["name"]: row for row in call(place, "ls", "runs", "--json").json}
    assert rows["demo"]["status"] == "broken" and "run.json" in rows["demo"]["message"]
    assert rows[LONG]["status"] == "finished"


def test_a_run_that_was_renamed_says_what_it_was_made_as(home, tmp_path):
    shutil.copytree(home, tmp_path / "copy", symlinks=True)
    (tmp_path / "copy" / "runs" / "demo").rename(tmp_path / "copy" / "runs" / "better")
    assert "better (made as demo)" in call(tmp_path / "copy", "ls", "runs").out


def test_runs_are_filtered_by_any_setting_and_sorted(home):
    def names(*args):
        return [row["name"] for row in call(home, "ls", "runs", "--json", *args).json]

    assert names("seed=2") == ["seeds/seed=2"] and names("name=se*", "status=finished", "task=addition") == [
        "seeds/seed=1",
        "seeds/seed=2",
    ]
    assert names("method=rft") == [] and "no such runs" in call(home, "ls", "runs", "method=rft").out
    assert names("--sort", "name") == sorted(names())
    best = call(home, "ls", "runs", "--json", "--sort", "accuracy").json
    assert [r["accuracy"] for r in best] == sorted((r["accuracy"] for r in best), reverse=True)
    assert best[0]["low"] < best[0]["accuracy"] < best[0]["high"] and best[0]["method"] == "star"
    assert "config" not in best[0]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["ls", "runs", "colour=red"], "no run has a colour to filter by"),
        (["ls", "runs", "demo"], "star ls runs cannot use 'demo'"),
        (["ls", "tasks", "jsonl"], "star explain task.jsonl says more"),
        (["ls", "runs", "--sort", "beauty"], "unknown order 'beauty'"),
        (["ls", "tasks", "--sort", "name"], "--sort has no effect on tasks"),
        (["explain", "samplng"], "Did you mean sampling?"),
        (["explain", "trainer.lrr"], "no trainer is called lrr"),
        (["explain", "sampling.topk"], "Did you mean sampling.top_k?"),
    ],
)
def test_what_cannot_be_listed_or_explained_is_a_sentence(home, args, sentence):
    done = call(home, *args)
    assert done.code == 1 and sentence in done.err and "Traceback" not in done.err


def test_experiments_are_listed_with_what_they_are(home):
    rows = {row["name"]: row["what"] for row in call(home, "ls", "experiments", "--json").json}
    assert rows["shootout"].startswith("All methods on sums") and "paper/star_gsm8k" in rows and all(rows.values())


def test_a_part_a_section_and_a_setting_are_explained_from_their_docstrings(home):
    task = call(home, "explain", "task.jsonl").out
    assert '{"question": "What is 2 + 2?", "answer": "4"}' in task and "task.groups_by=" in task
    assert call(home, "explain", "task=jsonl").out == call(home, "explain", "jsonl").out == task
    settings = {s["name"]: s for s in call(home, "explain", "sampling", "--json").json["settings"]}
    assert settings["sampling.temperature"]["what"].startswith("0 is greedy")
    lr = call(home, "explain", "trainer.lr").out
    assert "trainer.lr=1e-05" in lr and "learning rate of AdamW" in lr and "a setting of trainer=fake, sft" in lr
    assert "the whole split" in call(home, "explain", "problems").out


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_setting_of_a_section_says_what_it_means(section):
    silent = [s.name for s in settings_of(SECTIONS[section]) if not s.what]
    assert silent == []


# ---- the home
LOOKING = {
    "ls": ["runs"],
    "explain": ["method.star"],
    "show": ["demo"],
    "compare": ["demo", LONG],
    "diff": ["demo", LONG],
    "verify": ["demo"],
    "gc": ["--dry-run"],
    "plan": [*ONE, "name=demo"],
    "resume": ["demo"],
    "run": [*ONE, "name=demo"],
    "filter": ["--input", "rationales=demo/round-1/generate"],
    "regrade": ["demo/round-1/generate", "grader=exact"],
    "agree": ["demo/round-1/generate", "exact", "exact"],
    "forecast": ["demo", "pilot.problems=5"],
}


@pytest.mark.parametrize(
    "form", [["--home", "{}"], ["--home={}"], ["home={}"]], ids=["--home DIR", "--home=DIR", "home="]
)
@pytest.mark.parametrize("command", LOOKING)
def test_the_home_is_named_in_both_ways_everywhere(home, tmp_path, monkeypatch, command, form):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = [word.format(home) for word in form]
    done = call(elsewhere, command, *LOOKING[command], *words)
    assert done.code == 0, done.err
    assert not list(elsewhere.iterdir()), f"star {command} worked in another home"


def test_a_home_whose_path_needs_quotes_is_the_same_in_both_ways(tmp_path):
    place = tmp_path / "my home, mine=1"
    for words in (["--home", str(place)], ["--home", str(place)]):
        assert call(tmp_path, "run", *ONE, "name=demo", *words).code == 0
    assert call(tmp_path, "resume", "demo", "--home", str(place)).code == 0
    assert [p.name for p in (place / "runs").iterdir()] == ["demo"]


def test_two_homes_are_a_sentence(tmp_path):
    done = call(tmp_path, "run", *ONE, "--home", "a", "home=b")
    assert done.code == 1 and "the home is given twice: --home a and home=b" in done.err


@pytest.mark.parametrize("command", ["", *commands()])
def test_h_is_help(tmp_path, command):
    words = command.split()
    short, long = call(tmp_path, *words, "-h"), call(tmp_path, *words, "--help")
    assert short.code == long.code == 0 and short.out == long.out and "Usage: star" in short.out


def test_every_command_that_knows_a_home_takes_it_as_an_option():
    for command in app.registered_commands:
        names = command.callback.__annotations__
        assert "home" in names or command.callback.__name__ in ("doctor", "grade", "init", "schema"), (
            command.callback.__name__
        )


def test_tables_in_a_pipe_keep_their_first_columns(monkeypatch, capsys):
    from star_cli.report.columns import WIDE, width_of
    from star_cli.report.terminal import console

    monkeypatch.delenv("COLUMNS", raising=False)
    out = console()
    assert out.width == width_of(out) == WIDE


def test_the_plot_of_a_theory_keeps_its_axis(home):
    out = call(home, "theory", "predict", "--steps", "3", "--states", "64", "--delta", "0.2", "--rounds", "4").out
    assert all(f"{y}┤" in out for y in ("0.25", "0.50", "0.75", "1.00")) and "  o kept but wrong" in out


def test_a_very_long_table_says_the_same_as_a_short_one(monkeypatch):
    import io

    from rich.console import Console

    from star_cli.report import columns

    table = [
        columns.Column("key", ["a1", "b22", "漢字"], left=True),
        columns.Column("seconds", ["1", "200", ""]),
        columns.Column("made", ["now", "then", "…"], left=True),
    ]
    printed = []
    for longest in (1000, 2):
        monkeypatch.setattr(columns, "LONG", longest)
        out = Console(file=io.StringIO(), width=80)
        columns.print_table(table, out)
        printed.append([line.rstrip() for line in out.file.getvalue().splitlines()])
    assert printed[0] == printed[1] and len(printed[0]) == 4
