"""The command line of `star run`: flags in any order, texts that need quotes, typos at every depth, with + and ++."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import call
from hypothesis import given
from hypothesis import strategies as st

from star_cli.errors import StarError
from star_cli.run.compose import launch
from star_cli.run.overrides import arm_name, by_key, home_in, parsed, quoted, settled, value_of


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_HOME", str(tmp_path))


def composed(*args):
    return launch(["model=fake", *args], lambda c: c)


def refused(*args):
    """The sentence with which arguments are refused; it never holds Hydra's advice to add the key."""
    with pytest.raises(StarError) as e:
        composed(*args)
    assert "To append" not in str(e.value) and "hydra.cc" not in str(e.value)
    return str(e.value)


# ---- what is not there -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("seeed=1", "Did you mean seed?"),
        ("samplng.temperature=1", "Did you mean sampling.temperature?"),
        ("method.rationalise=false", "Did you mean method.rationalize?"),
        ("temperature=1", "sampling.temperature or evaluation.temperature or verification.temperature"),
        ("filter.nothing.like.this=1", "filter has limit"),
        ("pilot={problms: 3}", "Did you mean pilot.problems?"),
        ("grader.loose=true", "grader=numeric grader.loose"),
        ("model.path=/x", "model=hf model.path"),
    ],
)
def test_an_unknown_setting_is_refused_with_what_was_meant(override, meant):
    assert meant in refused(override)


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_a_prefix_does_not_make_an_unknown_setting_known(prefix):
    assert "unknown setting trainer.gian. Did you mean trainer.gain?" in refused(f"{prefix}trainer.gian=1")


@pytest.mark.parametrize("override", ["+foo=1", "++foo.bar=1", "+foo={bar: 1}", "+trainer={foo: 1}"])
def test_a_made_up_key_is_refused(override):
    assert "unknown setting" in refused(override) and "foo" in refused(override)


def test_several_typos_at_once_still_name_the_first_and_its_neighbours():
    assert "Did you mean trainer.lr?" in refused("trainer.lrr=1", "samplng.top_k=3", "task.tain=3")


def test_a_free_dictionary_takes_new_entries_with_a_plus():
    x = composed("+pretraining.lessons.3=5", "+pretraining.first={clean: 8}", "pretraining.first_steps=2").experiment
    assert x.pretraining.lessons == {"3": 5} and x.pretraining.first == {"clean": 8}
    assert "+pretraining.lessons.4=VALUE" in refused("pretraining.lessons.4=5")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("task=adition", "unknown task 'adition'. Did you mean 'addition'?"),
        ("experiment=shotout", "unknown experiment 'shotout'. Did you mean 'shootout'?"),
        ("hydra/launcher=rq", "pip install hydra-rq-launcher"),
        ("sampling.temperature=hot", "sampling.temperature=hot: 'hot' is not a number"),
        ("seed=", "'' is not a whole number"),
        ("rounds=1.5", "'1.5' is not a whole number"),
        ("forecast=perhaps", "'perhaps' is not true or false"),
        ("sampling=1", "set one: sampling.NAME=VALUE"),
        ("seed=1,2", "give --multirun (-m)"),
        ("+task=gsm8k", "task is chosen once, without a +"),
        ("++task=gsm8k", "task is chosen once, without a +"),
        ("task=null", "task=null chooses no task"),
        ("~trainer.lr", "a setting cannot be taken away"),
        ("~sampling", "a setting cannot be taken away"),
        ("~trainer", "trainer is not set"),
        ("~nothing", "there is no such setting to take away"),
        ("hydra.swep.dir=x", "star run --cfg hydra"),
        ("hydra.mode=MULTIRUN", "a sweep is asked for with -m"),
        ("optimize=3", "optimize must name a metric"),
        ("trainer.lr='1", "cannot be read"),
        ("rounds=2 method.rounds=4", "rounds=2 has no effect beside method.rounds=4"),
        ("rounds", "without spaces: rounds=VALUE"),
        ("gsm8k", "without spaces: task=gsm8k"),
        ("rounds =3", "no spaces around the equals sign: rounds=3"),
        ("--rounds 3", "a setting is written name=value: rounds=3"),
        ("--rounds=3", "a setting is written name=value: rounds=3"),
        ("--config-path conf", "--config-dir DIR adds a folder of your own"),
        ("--config-name x", "--config-dir DIR adds a folder of your own"),
        ("--config-dir /nowhere", "--config-dir /nowhere is no folder"),
        ("--cfg jobs", "invalid choice: 'jobs'"),
        ("-m seed=1,2", "leave -m out"),
        ("-h", "star run --help"),
        ("--version", "star --version"),
    ],
)
def test_a_mistake_is_one_sentence(override, sentence):
    assert sentence in refused(*override.split(" "))


def test_no_mistake_is_a_traceback(home):
    for word in ("+foo=1", "task=null", "~sampling", "rounds", "--version", "trainer.lrr=1"):
        done = call(home, "run", "model=fake", word)
        assert done.code == 1 and done.err.startswith("star: ") and "Traceback" not in done.err, done.err


# ---- flags and quotes ------------------------------------------------------------------------------------------------
def test_flags_stand_anywhere():
    arguments = parsed(["model=fake", "-m", "seed=1,2", "--config-dir", "/x", "--home", "/tmp/a b", "rounds=1"])
    assert arguments.sweep and arguments.config_dir == "/x"
    assert arguments.overrides == ["model=fake", "seed=1,2", "rounds=1", "home='/tmp/a b'"]
    assert arguments.for_hydra()[:2] == ["--multirun", "--config-dir=/x"]


@pytest.mark.parametrize(
    "text",
    [
        "Question: {question}\nAnswer:",
        "It's {question}",
        'Say "{question}"',
        "{question}",
        "Q: {question} [a, b]",
        "\\frac{1}{2} {question}",
        "Frage: {question} – écrire",
        "{question}\\",
        "# {question}",
    ],
)
def test_a_text_from_the_shell_arrives_as_it_was_typed(text, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "1+1", "answer": "2"}\n')
    x = composed("task=jsonl", f"task.path={tmp_path}/a.jsonl", f"task.template={text}").experiment
    assert x.task.template == text


def test_a_typed_line_break_reaches_the_template(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "1+1", "answer": "2"}\n')
    x = composed(
        "task=jsonl", f"task.path={tmp_path}/a.jsonl", r"task.template=Question: {question}\nAnswer:"
    ).experiment
    assert x.task.template == "Question: {question}\nAnswer:"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_any_text_in_quotes_is_read_back_as_it_was(text):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_override(f"a={quoted(text)}").value() == text


def test_a_text_of_many_backslashes_is_read_at_once():
    assert parsed(["a=" + "\\:" * 5000 + "{"]).overrides[0].startswith("a='")


def test_lists_calls_and_interpolations_are_left_as_they_are():
    for word in ("a=[1,2]", "a={b: 1}", "a=choice(1,2)", "a=interval(0,1)", "a=${b}", "a='x y'", "a=1,2", "a=", "~a"):
        assert parsed([word]).overrides == [word]


def test_the_last_value_of_a_setting_is_found():
    assert value_of(["home=a", "home='b c'", "homes=d"], "home") == "b c"
    assert value_of(["rounds=1"], "home") is None


def test_the_home_is_named_in_either_way(tmp_path):
    assert home_in(["seed=1", "--home", "/a"]) == home_in(["--home=/a"]) == home_in(["home='/a'"]) == Path("/a")
    assert home_in(["demo", "seed=1"]) == tmp_path


def test_arms_are_named_by_what_differs():
    assert arm_name(["trainer.lr=0.001", "seed=2"]) == "seed=2-trainer.lr=0.001"
    assert arm_name(["experiment=a"]) == "experiment=a"
    assert len(arm_name([f"task.x{i}={i}" for i in range(40)])) <= 80


def test_a_relative_path_is_written_down_from_the_root(tmp_path, monkeypatch):
    (tmp_path / "my.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    assert settled("task.path=my.jsonl") == f"task.path='{tmp_path}/my.jsonl'"
    for word in ("task.path=other.jsonl", "task.path=/a/b", "seed=1", "task.question=my.jsonl", "task.path="):
        assert settled(word) == word


@pytest.mark.parametrize(
    "typed, read",
    [
        ("a.b={1:100,2/hinted:3}", ["++a.b.1=100", "++a.b={2/hinted:3}"]),
        ('+a.b={"1": 100, "2/hinted": 3}', ["++a.b.1=100", "++a.b={2/hinted:3}"]),
        ("a.b={x:1,y:2}", ["a.b={x:1,y:2}"]),  # Hydra reads that itself
        ("a.b={}", ["a.b={}"]),
        ("a.b={1:{x:2}}", ["a.b={1:{x:2}}"]),
        ("task.template=Q: {question}", ["task.template=Q: {question}"]),
        ("a=1", ["a=1"]),
    ],
)
def test_a_dictionary_with_numbers_as_keys_is_set_key_by_key(typed: str, read: list[str]) -> None:
    assert by_key(typed) == read
