"""star show: every form of it, through the command line, on a run and a sweep of fakes."""

import json
import time

import pytest
from typer.testing import CliRunner

from star_cli.cli import show  # noqa: F401  (registers the command)
from star_cli.cli.app import app
from star_cli.report.display import terminal_display
from star_cli.run.sweeps import run_all
from star_cli.store.runs import Run

SMALL = ["model=fake", "rounds=2", "task.train=60", "task.dev=20", "problems=60"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    run_all([*SMALL, "name=demo", f"home={place}"], display=terminal_display())
    run_all(["-m", *SMALL, "seed=1,2", "name=pair", f"home={place}"], display=terminal_display())
    return place


@pytest.fixture
def star(home, monkeypatch):
    monkeypatch.setenv("STAR_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "140")

    def call(*args, ok=True):
        result = CliRunner().invoke(app, ["show", *args])
        assert (result.exception is None) == ok, result.output
        return result.stdout if ok else str(result.exception)

    return call


def test_the_json_of_a_run_is_the_stable_format(star, home):
    told = json.loads(star("demo", "--json"))
    assert list(told) == ["name", "status", "rounds", "stages"]
    assert told["name"] == "demo" and told["status"] == "finished"
    for row in told["rounds"]:
        assert list(row) == [
            "round",
            "accuracy",
            "low",
            "high",
            "n",
            "solved",
            "rationalized",
            "tokens",
            "seconds",
            "health",
        ]
    for stage in told["stages"]:
        assert list(stage) == ["round", "stage", "key", "hit", "seconds"]
    assert [r["round"] for r in told["rounds"]] == [0, 1, 2]
    assert told["rounds"][0]["solved"] is None and 0 < told["rounds"][1]["solved"] < 1
    assert [s["stage"] for s in told["stages"]] == [e.name for e in Run(home, "demo").events()]
    assert {"pretrain", "generate-dev", "filter-rationalized"} <= {s["stage"] for s in told["stages"]}


def test_a_run_is_shown_with_table_curve_and_places(star, home):
    text = star("demo")
    for part in (
        "demo: finished, accuracy",
        "[95 % interval]",
        "solved",
        "●",
        str(home / "runs/demo/curve.png"),
        "report.html",
        "star show demo/round-2/evaluate --wrong",
    ):
        assert part in text


def test_home_is_an_option_too(star, home, monkeypatch):
    monkeypatch.delenv("STAR_HOME")
    assert json.loads(star("demo", "--home", str(home), "--json"))["name"] == "demo"


def test_a_round_lists_its_stages(star, home):
    text = star("demo/round-2")
    for event in Run(home, "demo").events():
        assert (event.key[:12] in text) == (event.round == 2)
        assert event.round != 2 or f"demo/round-2/{event.name} " in text
    told = json.loads(star("demo/round-2", "--json"))
    assert told["round"] == 2 and told["stages"][0]["metrics"] == {"problems": 60}


@pytest.mark.parametrize(
    "stage",
    [
        "round-1/generate",
        "round-1/filter",
        "round-1/rationalize",
        "round-0/evaluate",
        "round-1/filter-rationalized",
        "round-0/generate-dev",
    ],
)
def test_a_stage_with_rationales_shows_samples(star, stage):
    text = star(f"demo/{stage}", "-n", "2")
    assert text.count("question") == 2 and text.count("wrote") == 2 and text.count("expected") == 2
    told = json.loads(star(f"demo/{stage}", "--json", "--n", "3"))
    assert len(told["samples"]) == 3 and told["total"] == told["matching"] >= 3
    for sample in told["samples"]:
        assert sample["reason"] in ("MATCH", "MISMATCH") and sample["correct"] == (sample["reason"] == "MATCH")
        assert sample["hinted"] == ("rationalize" in stage)


@pytest.mark.parametrize("stage", ["round-1/problems", "round-1/finetune", "round-0/pretrain", "round-0/problems-dev"])
def test_other_stages_show_facts_and_first_rows(star, stage):
    text = star(f"demo/{stage}", "--n", "2")
    assert "settings" in text and "numbers" in text and ".jsonl, the first 2 of" in text
    told = json.loads(star(f"demo/{stage}", "--n", "2", "--json"))
    assert all(len(rows) == 2 for rows in told["rows"].values()) and told["key"] in told["path"]


def test_wrong_shows_only_wrong_ones(star):
    told = json.loads(star("demo/round-1/filter", "--wrong", "--n", "1000", "--json"))
    assert 0 < told["matching"] == len(told["samples"]) < told["total"] == 60
    assert {s["reason"] for s in told["samples"]} == {"MISMATCH"}
    assert "MATCH" not in star("demo/round-1/filter", "--wrong").replace("MISMATCH", "")


def test_rationales_are_found_by_problem_reason_text_and_group(star):
    where = "demo/round-1/filter"

    def shown(*args):
        return json.loads(star(where, "--json", "-n", "1000", *args))["samples"]

    everything = shown()
    one = everything[3]["problem_id"]
    assert {s["problem_id"] for s in shown("--problem", one)} == {one}
    assert shown("--right") == [s for s in everything if s["correct"]]
    assert shown("--reason", "mismatch") == [s for s in everything if s["reason"] == "MISMATCH"] != []
    assert shown("--text", "SCRATCH", "--wrong") == [s for s in everything if not s["correct"]]
    threes = shown("--group", "digits=3")
    assert threes and threes == [s for s in everything if s["problem_id"].startswith("3:")]
    assert "of problem nope" in star(where, "--problem", "nope")


def test_kept_wrong_shows_right_answers_with_wrong_steps(star):
    told = json.loads(star("demo/round-1/generate", "--kept-wrong", "--json"))
    assert told["samples"] and all(s["correct"] and s["wrong_steps"] > 0 for s in told["samples"])
    assert "right rationales with a wrong step" in star("demo/round-1/generate", "--kept-wrong")


def test_hinted_points_to_where_hints_are(star):
    text = star("demo/round-1/filter", "--hinted")
    assert "0 of 0 hinted rationales" in text and "filter-rationalized" in text
    assert json.loads(star("demo/round-1/filter-rationalized", "--hinted", "--json"))["matching"] > 0


@pytest.mark.parametrize("stage", ["filter", "filter-rationalized", "evaluate"])
def test_prompt_is_proved_to_be_what_the_model_saw(star, stage):
    told = json.loads(star(f"demo/round-1/{stage}", "--prompt", "--json"))
    for sample in told["samples"]:
        hint = sample["gold"] if stage == "filter-rationalized" else ""
        assert sample["prompt"] == f"Input:\n{sample['question']}\nTarget:{' ' + hint if hint else ''}\n"
        assert sample["prompt_proved"]
    assert "not what the model saw" not in star(f"demo/round-1/{stage}", "--prompt")


def test_a_key_is_an_address_too(star, home):
    found = next(e for e in Run(home, "demo").events() if (e.round, e.name) == (1, "generate"))
    told = json.loads(star(found.key[:12], "--json", "--wrong"))
    assert told["key"] == found.key and told["verdicts"]


def test_the_same_samples_every_time(star):
    assert star("demo/round-1/filter") == star("demo/round-1/filter")


def test_a_sweep_is_one_table(star):
    text = star("pair")
    assert "seed=1" in text and "seed=2" in text and "last accuracy %" in text and "pair: 2 runs" in text
    told = json.loads(star("pair", "--json"))
    assert [a["arm"] for a in told["arms"]] == [["seed=1"], ["seed=2"]]
    assert all(a["accuracy"] > a["base_accuracy"] and a["round"] == 2 for a in told["arms"])
    assert json.loads(star("pair/seed=1", "--json"))["name"] == "pair/seed=1"


def test_page_writes_the_page_anew(star, home):
    page = home / "runs" / "demo" / "report.html"
    page.unlink()
    star("demo", "--page")
    assert page.stat().st_size > 10_000
    sweep = home / "runs" / "pair" / "report.html"
    assert sweep.exists(), "the end of the sweep wrote it"
    sweep.unlink()
    star("pair", "--page")
    text = sweep.read_text()
    assert (
        'href="seed=1/report.html"' in text and "<svg" in text and "At equal budgets" in text and "<script" not in text
    )


@pytest.mark.parametrize(
    "args, words",
    [
        (["demoo"], "unknown run 'demoo'. Did you mean 'demo'?"),
        (["demo/round-9"], "run demo has no round 9; it has 0, 1, 2"),
        (["nobody/round-1"], "unknown run 'nobody'"),
        (["demo/round-2/filtr"], "Did you mean 'round-2/filter'?"),
        (["abcdef012345"], "no artifact has a key that begins with 'abcdef012345'"),
        (["demo", "--wrong"], "--wrong has no effect on demo"),
        (["demo/round-1", "--hinted"], "name a stage: star show demo/round-1/filter"),
        (["demo/round-1/finetune", "--prompt"], "a finetune artifact holds none"),
        (["demo/round-1/filter", "--wrong", "--kept-wrong"], "exclude each other"),
        (["demo/round-1/filter", "--right", "--wrong"], "exclude each other"),
        (["demo", "--group", "digits=3"], "--group has no effect on demo"),
        (["demo/round-1/filter", "--page"], "--page writes the page of a run or a sweep"),
        (["../etc"], "cannot be a run's name"),
    ],
)
def test_what_is_wrong_is_a_sentence(star, args, words):
    assert words in star(*args, ok=False)


def test_a_diff_tells_what_became_of_each_problem(star, home):
    from star_cli.core.records import Verdict
    from star_cli.store.artifacts import open_store

    store, run = open_store(home), Run(home, "demo")
    right = [{v.problem_id for v in run.artifact(store, n, "evaluate").read(Verdict) if v.correct} for n in (0, 2)]
    told = json.loads(star("demo", "--diff", "round-0", "2", "--json"))
    assert set(told["newly_solved"]) == right[1] - right[0] and set(told["forgotten"]) == right[0] - right[1]
    assert set(told["still_right"]) == right[0] & right[1] and told["before"] == "round-0/evaluate"
    text = star("demo", "--diff", "round-0", "round-2", "-n", "2")
    assert text.count("\n\nnewly solved  ") == 2 and text.count("round-2/evaluate  right MATCH") >= 2
    assert json.loads(star("demo", "--diff", "round-1/filter", "round-2/filter", "--json"))["newly_solved"]


@pytest.mark.parametrize(
    "args, sentence",
    [
        (["demo", "--diff", "round-0", "round-9"], "round 9 of demo was not evaluated"),
        (["demo", "--diff", "round-0/pretrain", "round-1"], "judged nothing"),
        (["demo", "--diff", "evaluate", "round-1"], "neither a round nor a stage"),
        (["demo", "--diff", "round-0", "round-1/filter"], "asked no problem in common"),
        (["demo", "--diff", "round-0", "round-1", "--wrong"], "--wrong has no effect with --diff"),
        (["demoo", "--diff", "round-0", "round-1"], "unknown run 'demoo'"),
        (["demo/round-1", "--diff", "round-0", "round-1"], "name the run alone: star show demo"),
    ],
)
def test_a_diff_of_what_cannot_be_compared_is_a_sentence(star, args, sentence):
    assert sentence in star(*args, ok=False)


def test_following_a_run_that_has_ended_prints_its_stages_and_how_it_stands(star):
    text = star("demo", "--follow")
    assert "evaluate" in text and text.rstrip().endswith("demo: finished")
    assert "--wrong has no effect with --follow" in star("demo", "--follow", "--wrong", ok=False)
    assert "unknown run 'demoo'" in star("demoo", "--follow", ok=False)


def test_a_run_in_progress_is_followed_until_it_ends(tmp_path):
    from conftest import start

    slow = [*SMALL, "rounds=1", "engine.seconds=0.04", "name=slow"]
    running = start(tmp_path, "run", *slow)
    try:
        while not (tmp_path / "runs" / "slow" / "run.json").exists():
            time.sleep(0.05)
        following = start(tmp_path, "show", "slow", "--follow")
        out, err = following.communicate(timeout=120)
    finally:
        assert running.wait(timeout=120) == 0
        running.communicate()
    assert following.returncode == 0, err
    assert "round-1/generate: " in out and "left" in out and "<scratch>" in out
    assert out.rstrip().endswith("slow: finished")
