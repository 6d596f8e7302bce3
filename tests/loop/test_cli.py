"""The command line as people use it: sentences for mistakes, resume, plan, diff, verify, gc, single stages,
tracking.
"""

from __future__ import annotations

import json
import shutil
import struct
from importlib.util import find_spec

import pytest
from conftest import SMALL, call

from star_cli import __version__
from star_cli.core.records import Rationale, Verdict
from star_cli.store.addresses import find_artifact
from star_cli.store.artifacts import Store
from star_cli.store.maintenance import verify
from star_cli.store.runs import Run

ONE = [*SMALL, "rounds=1"]
OTHER = ["grader=exact", "grader.after='scratch>'"]  # another grader that judges sums right


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run named demo; what tests change, they change in a copy."""
    home = tmp_path_factory.mktemp("made")
    done = call(home, "run", *SMALL, "name=demo")
    assert done.code == 0, done.err
    return home


@pytest.fixture
def copy(made, home):
    shutil.copytree(made, home, dirs_exist_ok=True, symlinks=True)
    return home


def keys(home, name):
    return {(e.round, e.name): e.key for e in Run(home, name).events()}


# ---- bad input ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["run", *ONE, "foo=1"], ["foo", "star run --cfg job"]),
        (
            ["run", *ONE, "sampling.temprature=1"],
            ["Did you mean sampling.temperature?", "sampling has temperature, top_p"],
        ),
        (["run", *ONE, "task=nope"], ["unknown task 'nope'", "addition", "gsm8k"]),
        (["run", *ONE, "--foo"], ["--foo is no flag of this command", "name=value"]),
        (["run", *ONE, "rounds=0"], ["rounds must be >= 1, got 0", "next: for example rounds=3"]),
        (["run", *ONE, "rounds=two"], ["rounds=two: 'two' is not a whole number"]),
        (["run", *ONE, "samples=0"], ["samples must be >= 1, got 0"]),
        (["run", *ONE, "sampling.temperature=-1"], ["sampling.temperature must be >= 0, got -1.0", "0 is greedy"]),
        (["run", *ONE, "problems=-1"], ["problems must be >= 0"]),
        (["run", *ONE, "evaluation.split=tset"], ["unknown split 'tset', expected one of train, dev, test"]),
        (["run", *ONE, "name=../x"], ["cannot be a run's name", "name=demo"]),
        (["run", *ONE, "seed=1,2"], ["--multirun"]),
        (["plan", "-m", *ONE, "seed=1,2"], ["one run, not a sweep"]),
        (["show", "dmo"], ["unknown run 'dmo'", "Did you mean 'demo'?"]),
        (["show", "demo/round-9/filter"], ["unknown stage", "round-1/filter"]),
        (["resume", "nope"], ["unknown run 'nope'", "demo"]),
        (["resume", "demo", "--from", "round-9/filter"], ["round-9/filter", "round-2/filter"]),
        (["resume", "demo", "--from", "filter"], ["--from 'filter' is not a stage"]),
        (["resume", "demo", "--rebuild"], ["--rebuild needs --from"]),
        (["filter", "--input", "demo"], ["names no artifact", "--input rationales="]),
        (["filter", "--input", "foo=demo/round-1/generate"], ["unknown input of star filter 'foo'", "rationales"]),
        (["filter", "--input", "rationales=zzz"], ["neither a run path nor a key"]),
        (["filter", "--input", "rationales=demo"], ["names a run, not one of its stages"]),
        (["filter", "--input", "rationales=demo/round-1/problems"], ["without rationales.jsonl"]),
        (["evaluate", "--input", "model=demo/round-1/filter"], ["is a filter artifact, not a model"]),
        (["finetune", "--input", "start=demo/round-0/pretrain"], ["an --input examples=... is missing"]),
        (
            ["generate", "--input", "model=demo/round-1/finetune", "--input", "model=demo/round-2/finetune"],
            ["takes one"],
        ),
        (["ls", "nope"], ["unknown list 'nope'", "runs", "tasks"]),
        (["diff", "demo", "nope"], ["unknown run 'nope'"]),
        (["verify", "nope"], ["unknown run 'nope'"]),
    ],
)
def test_a_mistake_is_one_sentence_with_the_next_step(made, args, told):
    done = call(made, *args)
    assert done.code == 1 and "Traceback" not in done.err
    assert done.err.startswith("star: ")
    for part in told:
        assert part in done.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["ls", "--foo"], ["--foo"]),
        (["nope"], ["nope"]),
        (["filter"], ["--input"]),
    ],
)
def test_an_unknown_option_or_command_is_told_with_the_usage(star_process, args, told):
    done = star_process(*args, code=2)
    assert all(part in done.err for part in [*told, "sage"]) and "Traceback" not in done.err


# ---- show, ls, doctor, version -------------------------------------------------------------------------------------
def test_the_version_is_printed(star):
    assert star("--version").out == f"star {__version__}\n"


def test_show_json_is_the_documented_format(made):
    told = call(made, "show", "demo", "--json").json
    assert list(told) == ["name", "status", "rounds", "stages"] and told["status"] == "finished"
    assert set(told["rounds"][1]) == {
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
    }
    assert set(told["stages"][0]) == {"round", "stage", "key", "hit", "seconds"}
    assert {(s["round"], s["stage"]): s["key"] for s in told["stages"]} == keys(made, "demo")


def test_runs_and_artifacts_are_listed(made):
    assert [r["name"] for r in call(made, "ls", "runs", "--json").json] == ["demo"]
    listed = call(made, "ls", "artifacts", "--json").json
    assert {r["key"] for r in listed} == set(keys(made, "demo").values())


def test_doctor_names_what_it_found_and_how_to_mend_what_is_missing(made):
    done = call(made, "doctor", "--json")
    rows = {r["name"]: r for r in done.json}
    assert {"python", "torch", "vllm", "gpu", "memory", "disk", "wandb"} <= set(rows)
    assert all(r["state"] in ("ok", "missing", "note") and r["found"] for r in rows.values())
    assert all(r["mend"] for r in rows.values() if r["state"] == "missing")
    assert done.code == int(any(r["state"] == "missing" and r["essential"] for r in rows.values()))


# ---- plan ----------------------------------------------------------------------------------------------------------
def test_a_plan_counts_and_builds_nothing(home):
    told = call(home, "plan", *SMALL, "--json").json
    assert not (home / "artifacts").exists() and not (home / "runs").exists()
    stages = {(s["round"], s["stage"]): s for s in told["stages"]}
    assert stages[1, "generate"]["samples"] == 200 and stages[1, "generate"]["tokens"] == 200 * 192
    assert stages[2, "finetune"]["steps"] == 48
    assert {s["state"] for s in told["stages"]} == {"missing"}


def test_a_plan_knows_every_key_before_anything_is_built(made, home):
    told = call(home, "plan", *SMALL, "--json").json
    assert {(s["round"], s["stage"]): s["key"] for s in told["stages"]} == keys(made, "demo")


def test_a_plan_says_what_is_there(made):
    told = call(made, "plan", *SMALL, "rounds=3", "--json").json
    states = {(s["round"], s["stage"]): s["state"] for s in told["stages"]}
    assert states[2, "evaluate"] == "built" and states[3, "generate"] == "missing"
    missing = sum(s == "missing" for s in states.values())
    assert f"{missing} of {len(states)} stages to build" in call(made, "plan", *SMALL, "rounds=3").out


# ---- resume --------------------------------------------------------------------------------------------------------
def test_resume_without_changes_finds_everything(copy):
    done = call(copy, "resume", "demo")
    assert done.code == 0, done.err
    assert all(e.hit for e in Run(copy, "demo").latest()) and [r.name for r in _runs(copy)] == ["demo"]


def test_resume_with_more_rounds_shares_those_that_are_done(copy):
    assert call(copy, "resume", "demo", "rounds=3", "name=longer").code == 0
    latest = Run(copy, "longer").latest()
    assert all(e.hit == (e.round < 3) for e in latest) and {e.round for e in latest} == {0, 1, 2, 3}


def test_resume_from_a_stage_keeps_all_before_it_whatever_is_set_now(copy):
    old = keys(copy, "demo")
    done = call(copy, "resume", "demo", "--from", "round-2/filter", *OTHER, "name=other")
    assert done.code == 0, done.err
    new = keys(copy, "other")
    order = [(e.round, e.name) for e in Run(copy, "demo").events()]
    before = set(order[: order.index((2, "filter"))])
    assert before == {at for at in order if old[at] == new[at]}, "all before is as it was, all from there on is new"


def test_resume_from_with_another_trainer_trains_only_what_follows(copy):
    done = call(copy, "resume", "demo", "--from", "round-2/finetune", "trainer.gain=0.9")
    assert done.code == 0, done.err
    name = next(r.name for r in _runs(copy) if r.name != "demo")
    assert name == "demo+trainer.gain=0.9"
    old, new = keys(copy, "demo"), keys(copy, name)
    assert {at for at in old if old[at] != new[at]} == {(2, "finetune"), (2, "generate-dev"), (2, "evaluate")}


def test_rebuild_makes_the_stages_again_with_the_same_bytes(copy):
    store = Store(copy / "artifacts")
    before = {k: store.get(k).manifest.files for k in store.keys()}
    done = call(copy, "resume", "demo", "--from", "round-2/finetune", "--rebuild")
    assert done.code == 0, done.err
    built = {(e.round, e.name) for e in Run(copy, "demo").latest() if not e.hit}
    assert built == {(2, "finetune"), (2, "generate-dev"), (2, "evaluate")}
    assert {k: store.get(k).manifest.files for k in store.keys()} == before


def _runs(home):
    from star_cli.store.runs import runs

    return runs(home)


# ---- diff, verify, gc ----------------------------------------------------------------------------------------------
def test_diff_says_which_field_or_input_makes_two_keys_differ(copy):
    assert call(copy, "diff", "demo/round-1/generate", "demo/round-1/generate").out == "the same: no field differs\n"
    assert call(copy, "resume", "demo", "trainer.gain=0.9", "name=strong").code == 0
    rows = call(copy, "diff", "demo/round-1/finetune", "strong/round-1/finetune", "--json").json
    assert rows == [{"where": "finetune.trainer.gain", "a": 0.5, "b": 0.9}]
    rows = call(copy, "diff", "demo/round-2/generate", "strong/round-2/generate", "--json").json
    assert {"where": "generate < model.trainer.gain", "a": 0.5, "b": 0.9} in rows
    rows = call(copy, "diff", "demo", "strong", "--json").json
    assert any(r["where"] == "settings.trainer.gain" for r in rows)
    assert any(r["where"] == "round-2/evaluate" and r["a"] < r["b"] for r in rows)


def test_a_changed_file_is_found_by_verify_and_refused_by_what_reads_it(copy):
    assert call(copy, "verify").code == 0
    path = find_artifact(copy, Store(copy / "artifacts"), "demo/round-1/generate").path / "rationales.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    for args in (["verify"], ["verify", "demo"]):
        done = call(copy, *args)
        assert done.code == 1 and str(path) in done.out and "was changed after it was made" in done.out
    told = call(copy, "verify", "--json").json
    assert [f["file"] for f in told["faults"]] == [str(path)]
    reader = call(copy, "filter", "--input", "rationales=demo/round-1/generate", *OTHER)
    assert reader.code == 1 and "was changed after it was made" in reader.err and "next: remove" in reader.err


def test_gc_removes_only_what_no_run_uses(copy):
    assert call(copy, "gc", "--dry-run", "--json").json["unused"] == []
    made = call(copy, "filter", "--input", "rationales=demo/round-1/generate", *OTHER, "--json").json
    (copy / "artifacts" / ("f" * 32 + ".partial")).mkdir()
    listed = call(copy, "gc", "--dry-run", "--json").json["unused"]
    assert {r["key"] for r in listed} == {made["key"], "f" * 32}
    assert Store(copy / "artifacts").get(made["key"]), "a dry run removes nothing"
    assert set(call(copy, "gc", "--yes", "--json").json["removed"]) == {made["key"], "f" * 32}
    store = Store(copy / "artifacts")
    assert store.get(made["key"]) is None and not store.partials()
    assert verify(copy, "demo")[1] == [] and set(store.keys()) == set(keys(copy, "demo").values())


# ---- one stage by itself -------------------------------------------------------------------------------------------
def test_one_stage_by_itself_is_the_stage_of_the_run(made):
    old = keys(made, "demo")
    for args, at in [
        (
            [
                "generate",
                "--input",
                "model=demo/round-1/finetune",
                "--input",
                "problems=demo/round-2/problems",
                "--round",
                "2",
            ],
            (2, "generate"),
        ),
        (["filter", "--input", "rationales=demo/round-2/generate"], (2, "filter")),
        (
            [
                "finetune",
                "--input",
                "start=demo/round-0/pretrain",
                "--input",
                "examples=demo/round-2/filter",
                "--input",
                "examples=demo/round-2/filter-rationalized",
                "--round",
                "2",
            ],
            (2, "finetune"),
        ),
        (["evaluate", "--input", "model=demo/round-2/finetune", "--round", "2"], (2, "evaluate")),
    ]:
        told = call(made, *args, "--json").json
        assert (told["key"], told["hit"]) == (old[at], True), args


def test_one_stage_with_other_settings_is_built_and_found_the_second_time(copy):
    args = [
        "generate",
        "--input",
        f"model={keys(copy, 'demo')[2, 'finetune'][:12]}",
        "--input",
        "problems=demo/round-2/problems",
        "samples=2",
        "sampling.temperature=1",
        "--json",
    ]
    first, second = call(copy, *args).json, call(copy, *args).json
    assert not first["hit"] and second["hit"] and first["key"] == second["key"]
    assert Store(copy / "artifacts").get(first["key"]).count(Rationale) == 400


def test_evaluate_judges_rationales_that_are_there(copy):
    told = call(copy, "evaluate", "--input", "rationales=demo/round-2/generate", "--json").json
    assert Store(copy / "artifacts").get(told["key"]).count(Verdict) == 200 and 0 < told["metrics"]["accuracy"] < 1


# ---- tracking ------------------------------------------------------------------------------------------------------
def offline_records(path):
    """The records of an offline wandb run: a log of 32 KiB blocks (LevelDB's format) that hold protobuf messages."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        if kind == 0:
            at += left
            continue
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_an_offline_wandb_run_holds_every_stage_and_the_settings(star_process, home):
    star_process("run", *ONE, "name=demo", "tracking=wandb", "tracking.mode=offline")
    files = list((home / "runs" / "demo").rglob("*.wandb"))
    assert len(files) == 1
    logged, settings = {}, set()
    for record in offline_records(files[0]):
        for item in record.history.item:
            logged["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
        settings |= {u.key for u in record.run.config.update}
    shown = call(home, "show", "demo", "--json").json
    assert logged["round"] == 1 and {"finetune/loss_last", "filter/solved", "generate/samples", "evaluate/low"} <= set(
        logged
    )
    assert logged["evaluate/accuracy"] == pytest.approx(shown["rounds"][-1]["accuracy"])
    assert {"task", "trainer", "seed"} <= settings
    assert logged["loss/round-1/finetune"] == pytest.approx(logged["finetune/loss_last"])
    first = (home / "runs/demo/wandb-id").read_text()
    star_process("resume", "demo")
    assert (home / "runs/demo/wandb-id").read_text() == first
    assert all(first.strip() in file.name for file in (home / "runs" / "demo").rglob("*.wandb"))


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_online_without_a_login_is_a_sentence(star, home):
    done = star("run", *ONE, "name=demo", "tracking=wandb", code=1)
    assert "nobody is logged in to wandb" in done.err and "tracking.mode=offline" in done.err
