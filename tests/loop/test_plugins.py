"""Parts from outside: a plain file, edits of it, and a method with a stage and a record of its own. An installed
package is in test_plugin_docs.py.
"""

from __future__ import annotations

import json

import pytest
from conftest import ROOT, call

from star_cli.core import plugins
from star_cli.run.parts_override import load_parts_of
from star_cli.store.runs import Run
from star_cli.testing import check_resume, separate_registry

PARITY = '''
from star_cli.api import Grader, Problem, Prompt, Task, Verdict, register

@register("task", "parity")
class Parity(Task):
    """{"id": "5", "question": "5 + 5", "answer": "1 0"}"""

    size: int = 60
    grader = {"name": "last_line"}
    max_tokens = 16

    def problems(self, split):
        start = {"train": 0, "dev": 1, "test": 2}[split]
        for n in range(start, self.size, 3):
            yield Problem(id=str(n), question=f"{n} + {n}", answer=str(2 * n))

    def prompt(self, problem, hint=False):
        return Prompt(f"{problem.question}{f' ({problem.answer})' if hint else ''}\\n")


@register("grader", "last_line")
class LastLine(Grader):
    """The last line, word for word."""

    CASES = [("10", "5 + 5\\n10", "MATCH"), ("10", "11", "MISMATCH")]

    def grade(self, problem, rationale):
        answer = (rationale.text.splitlines() or [""])[-1]
        right = answer == problem.answer
        reason = "MATCH" if right else "MISMATCH"
        return Verdict(
            problem_id=problem.id, sample=rationale.sample, correct=right, answer=answer, reason=reason
        )
'''
SMALL = ["task=parity", "model=fake", "rounds=1"]
LMSI = ["method=lmsi", "model=fake", "samples=8", "problems=60", "task.train=60", "task.dev=20"]
EXAMPLE = ROOT / "examples" / "lmsi.py"


@pytest.fixture
def star(home):
    """`star(*args)` in this process, with nothing of a plug-in left from the call before."""

    def run(*args, code=0, at=None):
        with separate_registry():
            result = call(at or home, *args)
        assert code is None or result.code == code, f"exit code {result.code}\n{result.out}\n{result.err}"
        return result

    return run


@pytest.fixture
def parity(home):
    """A plain file with a task and a grader, in the working directory."""
    (home / "my_parts.py").write_text(PARITY)
    return home / "my_parts.py"


def keys(home, name):
    return {(e.round, e.name): e.key for e in Run(home, name).events()}


# ---- a plain file ----------------------------------------------------------------------------------------------------
def test_a_file_named_on_the_command_line_works_everywhere(star, home, parity):
    named = "parts=my_parts.py"
    assert "parity" not in {r["name"] for r in star("ls", "tasks", "--json").json}
    assert "parity" in {r["name"] for r in star("ls", "tasks", named, "--json").json}
    assert star("plan", named, *SMALL, "--json").json["name"] == "star-model=fake-rounds=1-task=parity"
    assert "my_parts.py" in star("run", named, *SMALL, "--cfg", "job").out
    star("run", named, *SMALL, "name=demo")
    (home / "answers.jsonl").write_text('{"id": 1, "gold": "10", "prediction": "5 + 5\\n10"}\n')
    graded = star("grade", "answers.jsonl", named, "grader=last_line")
    assert json.loads(graded.out)["reason"] == "MATCH"
    made = star("filter", "--input", "rationales=demo/round-1/generate", "--json").json
    assert made["hit"] and made["key"] == keys(home, "demo")[1, "filter"], "the run's own parts are known"


def test_a_run_remembers_its_parts_wherever_it_is_resumed_from(star, home, parity, tmp_path):
    star("run", "parts=my_parts.py", *SMALL, "name=demo")
    assert Run(home, "demo").info.config["parts"] == [str(parity)]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    star("resume", "demo", "rounds=2", f"home={home}", at=elsewhere)
    before, after = keys(home, "demo"), keys(home, "demo+rounds=2")
    assert all(after[at] == key for at, key in before.items()) and (2, "finetune") in after
    assert "6 + 6 (12)" in star("show", "demo/round-1/rationalize", "--prompt", "-n", "50", f"--home={home}").out


def test_a_run_is_resumed_with_parts_that_moved(star, home, parity):
    star("run", "parts=my_parts.py", *SMALL, "name=demo")
    (home / "new").mkdir()
    parity.rename(home / "new" / "my_parts.py")
    gone = star("resume", "demo", code=1)
    assert f"star: parts={parity}: there is no such file" in gone.err and "Traceback" not in gone.err
    star("resume", "demo", "parts=new/my_parts.py")
    assert all(e.hit for e in Run(home, "demo").latest())


@pytest.mark.parametrize("place", ["working directory", "home"])
def test_star_parts_py_needs_no_naming(star, home, tmp_path, place):
    away = tmp_path / "away"
    away.mkdir()
    folder, options = (home, []) if place == "working directory" else (away, [f"home={home}"])
    (home / "star_parts.py").write_text(PARITY)
    assert "parity" in {r["name"] for r in star("ls", "tasks", "--json", at=home).json}
    star("run", *SMALL, *options, "name=demo", at=folder)
    assert Run(home, "demo").info.config["parts"] == [str(home / "star_parts.py")]
    star("plan", *SMALL, *options, at=folder)
    (home / "star_parts.py").rename(away / "star_parts.py")
    star("resume", "demo", f"parts={away / 'star_parts.py'}", f"home={home}", at=home)


def test_several_files_and_odd_paths_are_read(star, home, parity):
    (home / "more parts").mkdir()
    (home / "more parts" / "o'clock.txt").write_text("")
    (home / "more parts" / "other_parts.py").write_text(PARITY.replace("parity", "other").replace("last_line", "end"))
    named = 'parts=[my_parts.py,"more parts/other_parts.py"]'
    assert {"parity", "other"} <= {r["name"] for r in star("ls", "tasks", named, "--json").json}
    star("run", named, "task=other", *SMALL[1:], "name=demo")
    star("resume", "demo")
    assert len(Run(home, "demo").info.config["parts"]) == 2


def test_a_sweep_knows_the_parts(star, home, parity):
    star("run", "-m", "parts=my_parts.py", *SMALL, "seed=1,2", "name=both")
    runs = {r["name"]: r for r in star("ls", "runs", "--json").json}
    assert set(runs) == {"both/seed=1", "both/seed=2"} and all(r["status"] == "finished" for r in runs.values())
    star("resume", "both/seed=1")


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_the_workers_of_a_launcher_know_the_parts(star_process, home, parity, launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    (home / "lab").mkdir()
    parity.rename(home / "lab" / "my_parts.py")
    star_process("run", "-m", f"hydra/launcher={launcher}", "parts=lab/my_parts.py", *SMALL, "seed=1,2", "name=both")
    runs = {r["name"]: r["status"] for r in star_process("ls", "runs", "--json").json}
    assert runs == {"both/seed=1": "finished", "both/seed=2": "finished"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\nwrong = = 2\n", "my_parts.py:2: SyntaxError: invalid syntax"),
        (PARITY.replace('"parity"', '"gsm8k"'), "the task 'gsm8k' is registered twice: by star_cli.tasks.gsm8k.GSM8K"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(star, parity, text, told):
    parity.write_text(text)
    for command in (["run", *SMALL], ["plan", *SMALL], ["ls", "tasks"]):
        done = star(*command, "parts=my_parts.py", code=1)
        assert told in done.err and "\n  next: " in done.err and "Traceback" not in done.err


def test_a_grader_that_raises_is_a_grader_error_and_no_traceback(star, parity):
    parity.write_text(PARITY.replace("right = answer", "right = 1 / 0 == answer"))
    done = star("run", "parts=my_parts.py", *SMALL, "name=demo", code=1)
    assert "ZeroDivisionError: division by zero" in done.err and "Traceback" not in done.err


def test_parts_in_a_settings_file_are_refused(star, home, parity):
    (home / "own" / "experiment").mkdir(parents=True)
    (home / "own" / "experiment" / "mine.yaml").write_text("# @package _global_\nparts: [my_parts.py]\n")
    done = star("run", "--config-dir", "own", "experiment=mine", "model=fake", code=1)
    assert "parts=my_parts.py stands in a file of settings" in done.err and "command line" in done.err


# ---- edits -----------------------------------------------------------------------------------------------------------
def test_an_edited_grader_judges_anew_and_nothing_is_generated_again(star, home, parity):
    star("run", "parts=my_parts.py", *SMALL, "name=before")
    parity.write_text(
        PARITY.replace("right = answer == problem.answer", 'right = answer.replace(" ", "") == problem.answer')
    )
    star("run", "parts=my_parts.py", *SMALL, "name=after")
    before, after = keys(home, "before"), keys(home, "after")
    assert before[1, "generate"] == after[1, "generate"] and before[1, "filter"] != after[1, "filter"]
    solved = [Run(home, n).events() for n in ("before", "after")]
    counts = [next(e.metrics["solved"] for e in events if e.name == "filter") for events in solved]
    assert counts[0] < counts[1]
    for one, other in (("before", "after"), ("before/round-1/filter", "after/round-1/filter")):
        rows = star("diff", one, other, "--json").json
        assert any(r["where"].endswith(": my_parts.py, LastLine.grade") for r in rows), rows


def test_an_edited_prompt_is_asked_anew(star, home, parity):
    star("run", "parts=my_parts.py", *SMALL, "name=before")
    parity.write_text(PARITY.replace('Prompt(f"', 'Prompt(f"Add: '))
    star("run", "parts=my_parts.py", *SMALL, "name=after")
    assert keys(home, "before")[1, "generate"] != keys(home, "after")[1, "generate"]


# ---- a method with a stage and a record of its own, in one file ------------------------------------------------------
def test_the_example_is_listed_planned_swept_and_shown(star, home):
    named = f"parts={EXAMPLE}"
    [row] = [r for r in star("ls", "methods", named, "--json").json if r["name"] == "lmsi"]
    assert "Huang et al. 2022" in row["what"] and row["settings"] == {"rounds": 1, "samples": 32}
    plan = star("plan", named, *LMSI, "--json").json
    assert "majority" in {s["stage"] for s in plan["stages"]}
    star("run", "-m", named, *LMSI, "seed=1,2", "name=pair")
    shown = star("show", "pair/seed=1", "--json").json
    assert shown["status"] == "finished" and len(shown["rounds"]) == 2
    assert "majority" in star("show", "pair/seed=1").out and "seed=2" in star("show", "pair").out
    votes = star("show", "pair/seed=1/round-1/majority", "--json").json["rows"]["votes.jsonl"]
    assert votes[0].keys() == {"problem_id", "answer", "votes", "n", "correct"}
    assert star("verify", "--json").json["faults"] == []
    with separate_registry():  # without the file the rows are shown as they are written, and that is said
        moved = Run(home, "pair/seed=1").path / "run.json"
        moved.write_text(moved.read_text().replace(str(EXAMPLE), str(home / "gone.py")))
        shown = call(home, "show", "pair/seed=1/round-1/majority", "--json")
        load_parts_of(Run(home, "pair/seed=1"))
        assert plugins.places() == [], "what could not be loaded is not looked for again"
        assert call(home, "show", "pair/seed=1").code == 0
    assert shown.json["rows"]["votes.jsonl"] == votes and "gone.py: there is no such file" in shown.err


def test_the_example_keeps_what_most_samples_reach_right_or_wrong(star, home):
    star("run", f"parts={EXAMPLE}", *LMSI, "name=demo")
    rows = {
        name: [json.loads(x) for x in (Run(home, "demo").path / "round-1" / "majority" / name).read_text().splitlines()]
        for name in ("votes.jsonl", "verdicts.jsonl", "examples.jsonl")
    }
    answers = {(v["problem_id"], v["sample"]): v["answer"] for v in rows["verdicts.jsonl"]}
    for vote in rows["votes.jsonl"]:
        own = [answers[at] for at in answers if at[0] == vote["problem_id"]]
        assert vote["votes"] == own.count(vote["answer"]) == max(map(own.count, own)) and vote["n"] == len(own)
        kept = {e["sample"] for e in rows["examples.jsonl"] if e["problem_id"] == vote["problem_id"]}
        assert kept == {n for (p, n), a in answers.items() if p == vote["problem_id"] and a == vote["answer"]}
    assert {v["correct"] for v in rows["votes.jsonl"]} == {True, False}, "wrong majorities are learned, too"


def test_the_example_is_killed_and_resumed_to_the_byte(tmp_path):
    with separate_registry():
        check_resume(tmp_path, f"parts={EXAMPLE}", "method=lmsi", "rounds=1", "samples=8", "problems=60", at=0.4)
