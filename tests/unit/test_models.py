"""Base models: a tokenizer that writes any text, equal arguments giving equal bytes, and weights known by content."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.backends.models import hf
from star_cli.backends.models.hf import HuggingFace
from star_cli.backends.models.tiny import Tiny
from star_cli.errors import StarError

TEXTS = ["17+25= 7+5=12 carry 1; 42", "3 4 + 9 9 :", "the cat sat on the mat, ab cd ef gh", "ab cd ef gh 1234 56"] * 3
SMALL = {"layers": 1, "width": 32, "heads": 1, "context": 512}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("tiny") / "model"
    Tiny(**SMALL).initialise(iter(TEXTS), out, 0)
    return out


@pytest.fixture(scope="module")
def tokenizer(made):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(made)


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def digests(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


# ---- tiny: the tokenizer -------------------------------------------------------------------------------------------
ODD = [
    "",
    " ",
    "  two  spaces ",
    "\t\n\r\n",
    "\x00\x07\x1b\x7f",
    "naïve café é",
    "🤖👩‍👩‍👧🏽",
    "\u200b\u202e\ufeff",
    "١٢٣ ４５",
    "don't , . ! ?",
    "<eos>",
    "a <pad> b<eos>",
    "中文 русский עברית",
    "\U0010ffff",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_come_back_exactly(tokenizer, text):
    round_trip(tokenizer, text)


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_any_text_comes_back_exactly(tokenizer, text):
    round_trip(tokenizer, text)


def round_trip(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode([*ids, tokenizer.eos_token_id], skip_special_tokens=True) == text
    assert not {tokenizer.eos_token_id, tokenizer.pad_token_id} & set(ids)


@settings(max_examples=50, deadline=None)
@given(number=st.integers(0, 10**9), word=st.sampled_from(["", " ", "x", " x"]))
def test_a_digit_shares_no_token_with_another(tokenizer, number, word):
    pieces = [tokenizer.decode([i]) for i in tokenizer(f"{word}{number}")["input_ids"]]
    digits = [p for p in pieces if any(c.isdigit() for c in p)]
    assert [p.strip() for p in digits] == list(str(number))


def test_words_of_the_lessons_become_tokens(tokenizer):
    assert len(tokenizer(" carry")["input_ids"]) == 1
    assert len(tokenizer) <= 320 and tokenizer.eos_token_id != tokenizer.pad_token_id


def test_equal_arguments_give_equal_bytes_here_and_elsewhere(made, tmp_path):
    Tiny(**SMALL).initialise(iter(TEXTS), tmp_path / "again", 0)
    assert digests(tmp_path / "again") == digests(made)
    code = (
        f"from pathlib import Path; from star_cli.backends.models.tiny import make_tokenizer; "
        f"make_tokenizer({TEXTS!r}, 320, 512, split_special_tokens=True).save_pretrained({str(tmp_path / 'other')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert digests(tmp_path / "other").items() <= digests(made).items()
    Tiny(**SMALL).initialise(iter(TEXTS), tmp_path / "seeded", 1)
    assert digests(tmp_path / "seeded")["model.safetensors"] != digests(made)["model.safetensors"]


def test_a_tiny_model_can_be_loaded_and_stops_at_its_own_end(made):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(made)
    assert (model.config.eos_token_id, model.generation_config.eos_token_id, model.config.pad_token_id) == (0, 0, 1)
    assert not model.config.tie_word_embeddings
    for path in made.iterdir():
        assert str(made.parent).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"width": 48}, "model.width=48"),
        ({"vocab": 100}, "model.vocab must be >= 258"),
        ({"layers": 0}, "model.layers must be >= 1"),
        ({"dtype": "fp32"}, "model.dtype must be one of"),
        ({"chat": True}, "no chat template"),
    ],
)
def test_settings_without_sense_are_named(given, says):
    with pytest.raises(StarError, match=says):
        Tiny(**given).check()


# ---- hf: a directory -----------------------------------------------------------------------------------------------
def test_a_directory_is_known_by_its_content_and_not_by_its_place(made, copy):
    (copy / "README.md").write_text("where it came from")
    (copy / "canary.json").write_text("[]")
    here, there = HuggingFace(path=str(made)).resolve(), HuggingFace(path=str(copy)).resolve()
    assert here["content"] == there["content"]
    assert here["path"] == str(made) and here["revision"] is None


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "generation_config.json"])
def test_a_changed_file_is_another_model(made, copy, name):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:-9] + b" " + data[-9:] if name.endswith("json") else data[:-1] + b"\x01")
    assert HuggingFace(path=str(copy)).resolve()["content"] != HuggingFace(path=str(made)).resolve()["content"]


def test_a_relative_path_and_a_link_mean_the_same_directory(made, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(made)
    monkeypatch.chdir(tmp_path)
    assert HuggingFace(path="link").resolve()["path"] == str(made)


def remove(name):
    return lambda d: (d / name).unlink()


def cut(d):
    data = (d / "model.safetensors").read_bytes()
    (d / "model.safetensors").write_bytes(data[:-100])


def grown(d):
    with open(d / "model.safetensors", "ab") as f:
        f.write(b"more")


def with_a_gap(d):
    """As long as it promises, and yet four bytes belong to no tensor."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}).encode()
    (d / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))


def shard(d):
    (d / "model.safetensors").rename(d / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (d / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def pickle(d):
    (d / "model.safetensors").rename(d / "pytorch_model.bin")


def adapter(d):
    (d / "config.json").rename(d / "adapter_config.json")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remove("tokenizer.json"), "has no tokenizer"),
        (remove("config.json"), "has no config.json"),
        (remove("model.safetensors"), r"has no weights \(model.safetensors\)"),
        (cut, r"model.safetensors is truncated: \d+ bytes of \d+"),
        (lambda d: (d / "model.safetensors").write_bytes(b"hello, this is not it"), "header is broken"),
        (grown, r"model.safetensors is damaged: it has \d+ bytes where its header promises \d+"),
        (with_a_gap, "header is broken"),
        (lambda d: (d / "model.safetensors").write_bytes(b""), "header is broken"),
        (lambda d: (d / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda d: (d / "config.json").write_text("{}"), "names no model_type"),
        (shard, "model-00002-of-00002.safetensors, which is not there"),
        (pickle, r"pickled \(pytorch_model.bin\)"),
        (adapter, "holds a LoRA adapter"),
    ],
    ids=range(13),
)
def test_a_damaged_directory_is_named_with_what_is_wrong(copy, damage, says):
    damage(copy)
    with pytest.raises(StarError, match=says) as caught:
        HuggingFace(path=str(copy)).resolve()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "model.path is not given"),
        ({"path": "/no/such/model"}, "no model directory /no/such/model"),
        ({"path": "./nothing"}, "no model directory"),
        ({"path": __file__}, "is a file"),
        ({"path": "a/b", "dtype": "half"}, "model.dtype must be one of"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(given, says):
    with pytest.raises(StarError, match=says):
        HuggingFace(**given).resolve()


def test_a_revision_of_a_directory_is_refused(made):
    with pytest.raises(StarError, match="model.revision=main has no effect"):
        HuggingFace(path=str(made), revision="main").resolve()


# ---- hf: the hub ---------------------------------------------------------------------------------------------------
COMMIT = "060db6499f32faf8b98477b0a26969ef7d8b9987"


def test_a_commit_needs_no_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.model_info", lambda *a, **k: pytest.fail("asked the hub"))
    found = HuggingFace(path="owner/name", revision=COMMIT).resolve()
    assert found == {"path": "owner/name", "revision": COMMIT, "content": f"hub:owner/name@{COMMIT}"}


def test_a_branch_becomes_the_commit_it_stands_for(monkeypatch):
    class Info:
        sha = COMMIT

    monkeypatch.setattr("huggingface_hub.model_info", lambda *a, **k: Info)
    for revision in (None, "main"):
        assert HuggingFace(path="owner/name", revision=revision).resolve()["revision"] == COMMIT


def unreachable(*_, **__):
    raise ConnectionError("Name or service not known")


def test_without_a_network_the_cached_commit_is_taken(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.model_info", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots" / COMMIT).mkdir(parents=True)
    (repo / "snapshots" / COMMIT / "config.json").write_text("{}")
    assert hf.commit_of("owner/name", None) == COMMIT
    with pytest.raises(StarError, match="owner/name at revision other is not in the local cache"):
        hf.commit_of("owner/name", "other")


def test_without_a_network_and_a_cache_the_next_step_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.model_info", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StarError, match="the hub cannot be reached") as caught:
        HuggingFace(path="owner/name").resolve()
    assert "model.path=DIR" in str(caught.value.hint) and "hf download owner/name" in str(caught.value.hint)
