"""A user's own experiment files: whatever is wrong with one is a sentence that names it, quickly."""

from __future__ import annotations

import re

import pytest
from conftest import call

from star_cli.errors import StarError
from star_cli.run.compose import launch

HEAD = "# @package _global_\n"
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Compose with experiments of one's own, given as {name: text}; the sentence with which that is refused."""
    monkeypatch.setenv("STAR_HOME", str(tmp_path))
    (tmp_path / "conf/experiment").mkdir(parents=True)

    def refused(files, *args, chosen="mine"):
        for name, text in files.items():
            content = text if isinstance(text, bytes) else (HEAD + text).encode()
            (tmp_path / f"conf/experiment/{name}.yaml").write_bytes(content)
        with pytest.raises(StarError) as e:
            launch(["model=fake", "--config-dir", str(tmp_path / "conf"), f"experiment={chosen}", *args], lambda c: c)
        return str(e.value)

    return refused


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB, "values when its aliases (*name) are written out"),
        ("a: &a\n  b: *a\n", "nested too deeply or holds itself"),
        ("name: " + "[" * 5000 + "]" * 5000 + "\n", "nested too deeply or holds itself"),
        ("name: !!python/object/apply:os.system ['echo hi']\n", "it holds a Python object"),
        (HEAD.encode() + "name: é\n".encode("latin1"), "is not UTF-8 text: byte 0xe9 at 26"),
        (HEAD.encode() + b"name: \x00\n", "cannot be read"),
        ("name: [1\nrounds: 3\n", "(line 3)"),
        ("seed: 1\nseed: 2\n", "found duplicate key seed (line 3)"),
        ("\tname: x\n", "(line 2)"),
        ("- a\n- b\n", "holds a list, expected settings"),
        ("defaults:\n  - mine\n", "builds on itself: mine -> mine"),
        (b"seed: 1\n", "the first line of an experiment is: # @package _global_"),
        (b"", "the first line of an experiment is: # @package _global_"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(own, text, sentence):
    told = own({"mine": text})
    assert "experiment/mine.yaml" in told and sentence in told and "next: " in told or "expected settings" in told


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trainer:\n  gian: 1\n", "unknown setting trainer.gian in experiment/mine. Did you mean trainer.gain?"),
        ("foo: 1\n", "unknown setting foo in experiment/mine"),
        ("samplng:\n  temperature: 1\n", "unknown setting samplng in experiment/mine. Did you mean sampling?"),
        ("defaults:\n  - override /task: zipp\n", "unknown task 'zipp'. Did you mean 'zip'?"),
        ("defaults:\n  - base\n", "unknown experiment 'base'"),
        ("sampling:\n  temperature: hot\n", "experiment/mine"),
        ("name: ${nothing}\n", "name: Interpolation key 'nothing' not found"),
        ("hydra:\n  mode: MULTIRUN\n", "a sweep is asked for with -m"),
        ("methods:\n  rtf: {samples: 3}\n", "unknown method 'rtf'. Did you mean 'rft'?"),
        ("methods:\n  rft: {sample: 3}\n", "methods.rft.sample=3: this method has no sample"),
    ],
)
def test_a_wrong_setting_in_a_file_is_a_sentence(own, text, sentence):
    assert sentence in own({"mine": text})


def test_files_that_build_on_each_other_in_a_circle_are_named(own):
    told = own({"mine": "defaults:\n  - other\n", "other": "defaults:\n  - mine\n"})
    assert "builds on itself: mine -> other -> mine" in told


def test_a_broken_file_below_the_chosen_one_is_named(own):
    assert "experiment/low.yaml" in own({"mine": "defaults:\n  - low\n", "low": BOMB})


def test_a_file_that_a_shipped_one_hides_is_refused(own):
    assert "is never read: star ships a file of this name" in own({"shootout": "seed: 1\n"}, chosen="shootout")


def test_a_file_that_is_not_chosen_harms_nobody(tmp_path, home):
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/bomb.yaml").write_text(HEAD + BOMB)
    (tmp_path / "conf/experiment/good.yaml").write_text(HEAD + "seed: 7\n")
    done = call(home, "run", "--cfg", "job", "model=fake", "--config-dir", str(tmp_path / "conf"), "experiment=good")
    assert done.code == 0 and re.search(r"^seed: 7\b", done.out, re.M)
