"""What lies before a run is said first: its stages, and how long they take at the speeds this machine measured."""

from __future__ import annotations

import json

import pytest
from conftest import SMALL, call

from star_cli.report.terminal import Terminal, console, foretold, spoken
from star_cli.run.observe import Outlook
from star_cli.run.speeds import FADES, FILE, Speed, Speeds
from star_cli.store.ledger import Event

ONE = [*SMALL, "rounds=1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made")
    return home, call(home, "run", *ONE, "name=first", "runtime.progress=plain").out


def test_a_run_counts_its_stages_from_the_first_one(made):
    _, out = made
    lines = out.splitlines()
    assert lines[0].startswith("13 stages, 0 of them there; how long")
    assert [line.split()[0] for line in lines if "/13 round-" in line] == [f"{n}/13" for n in range(1, 14)]


def test_the_second_run_knows_how_long_it_takes_and_a_plan_what_it_costs(made):
    home, _ = made
    plan = call(home, "plan", *ONE, "seed=1", "problems=100", "--json").json
    times = {f"round-{s['round']}/{s['stage']}": s.get("seconds") for s in plan["stages"]}
    assert times["round-1/generate"] > 0 and times["round-1/finetune"] > 0 and times["round-0/pretrain"] is None
    assert plan["seconds"] == pytest.approx(sum(t for t in times.values() if t), abs=0.01)
    said = call(home, "plan", *ONE, "seed=1", "problems=100", "--price", "3600").out
    assert "at this machine's own speeds (" in said and "samples a second" in said and "at 3600 an hour" in said
    assert "it takes no time" in call(home, "plan", *ONE).out
    other = call(home, "plan", *ONE, "task=tiny_sql", "method=rest_em").out
    assert "how long it takes is not known" in other and "a small one first" in other


def test_a_note_that_is_damaged_is_begun_anew(made):
    home, _ = made
    file = home / "artifacts" / FILE
    assert json.loads(file.read_text())["format"] == "speeds/1"
    file.write_text("{")
    assert call(home, "run", *ONE, "seed=2", "name=again").code == 0
    assert json.loads(file.read_text())["machines"]
    assert call(home, "verify").code == 0


def test_older_measurements_fade():
    speed = Speed()
    for n in (10, 10, 10):
        speed.add(n, 5, 1.0)
    assert speed.n == pytest.approx(10 * (1 + FADES + FADES**2)) and speed.n / speed.seconds == pytest.approx(10)


def test_the_start_of_the_engine_is_no_writing(tmp_path, made):
    from star_cli.core import registry
    from star_cli.stages.problems import Problems

    parts = {kind: registry.get(kind, name)() for kind, name in
             (("task", "addition"), ("model", "fake"), ("engine", "fake"))}  # fmt: skip
    speeds = Speeds(tmp_path, parts)
    stage = Problems(task=parts["task"], split="dev", limit=0, draw=0, seed=0, round=0)
    event = Event(time="", round=0, name="problems", stage="problems", key="ab" * 16, hit=False, seconds=9.0,
                  parts={"engine start": 8.0})  # fmt: skip
    speeds.note(stage, event)
    again = Speeds(tmp_path, parts)
    assert again.engine_start() == 8.0 and again.seconds(stage, {}) == 1.0


def test_what_is_foretold_is_honest_about_what_is_not_known():
    places = ["round-0/a", "round-1/b", "round-1/c"]
    assert foretold(Outlook(places, {})) == "3 stages, 3 of them there"
    assert foretold(Outlook(places, {"round-1/c": 200.0})) == (
        "3 stages, 2 of them there; at most 3 min at this machine's own speeds"
    )
    assert "has not measured yet" in foretold(Outlook(places, {"round-1/c": 0.0}, unknown=True))
    assert "3 stages and more that depend on what is found" in foretold(Outlook(places, {}, open_end=True))
    assert (spoken(40.2), spoken(700), spoken(12600)) == ("40 s", "12 min", "3.5 h")


def test_the_rest_of_the_run_stands_behind_the_rest_of_the_stage(capsys, monkeypatch):
    import star_cli.report.terminal as terminal

    monkeypatch.setattr(terminal, "INTERVAL", -1.0)
    shown = Terminal("plain", console())
    shown.planned(Outlook(["round-1/a", "round-1/b"], {"round-1/a": 5.0, "round-1/b": 1000.0}))
    shown.stage_started(1, "a", "")
    meter = shown.meter("a", 10)
    meter.step()
    assert "1/2 round-1/a: 1/10, eta 0 s, run 17 min" in capsys.readouterr().out
