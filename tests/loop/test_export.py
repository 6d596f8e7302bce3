"""star export: a round's model and data, read by programs that know nothing of star, and put on a hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from conftest import call
from fake_hub import FakeHub

TINY = [
    "engine=transformers", "method=direct", "task.max_digits=1", "+pretraining.lessons.1=64", "pretraining.steps=8",
    "rounds=1", "schedule.start=2", "problems=12", "task.dev=4", "sampling.max_tokens=16", "name=tiny",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a finished run of a tiny Llama."""
    place = tmp_path_factory.mktemp("home")
    result = call(place, "run", *TINY)
    assert result.code == 0, result.err
    return place


def plain(code: str, *args: str) -> str:
    """What a program that does not import star prints."""
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


LOAD = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
ids = model.generate(**tokenizer(sys.argv[2], return_tensors="pt"), max_new_tokens=8, do_sample=False)
assert "star_cli" not in sys.modules
print(repr(tokenizer.decode(ids[0])))
"""


def test_the_model_is_a_plain_directory_that_transformers_loads(made, tmp_path):
    out = tmp_path / "out"
    result = call(made, "export", "tiny", "--model", str(out), "--json")
    assert result.code == 0, result.err
    assert result.json["round"] == 1 and result.json["model"] == str(out)
    names = {p.name for p in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not {"canary.json", "manifest.json"} & names and len(names) == result.json["files"] + 1
    assert "Input" in plain(LOAD, str(out), "Input:\n1 + 2\n")
    again = call(made, "export", "tiny/round-1", "--model", str(out))
    assert again.code == 1 and "is not empty" in again.err


def test_the_card_says_how_it_was_made(made, tmp_path):
    call(made, "export", "tiny/round-1", "--model", str(tmp_path / "sums"))
    head, body = (tmp_path / "sums" / "README.md").read_text().removeprefix("---\n").split("\n---\n", 1)
    header = yaml.safe_load(head)
    assert header["library_name"] == "transformers" and "license" not in header
    (result,) = header["model-index"][0]["results"]
    row = json.loads(call(made, "show", "tiny", "--json").out)["rounds"][1]
    assert result["metrics"][0]["value"] == round(100 * row["accuracy"], 2)
    assert "## Licence" in body and "star run engine=transformers" in body and "pretrain `" in body
    assert f"| {100 * row['accuracy']:.1f} [" in body and str(made) not in body


def test_the_training_set_is_read_by_datasets(made, tmp_path):
    result = call(made, "export", "tiny", "--data", str(tmp_path / "data"), "--json")
    assert result.code == 0, result.err
    code = (
        "import sys, datasets; d = datasets.load_dataset(sys.argv[1], split='train', cache_dir=sys.argv[2]); "
        "print(len(d), *d.column_names)"
    )
    rows, *columns = plain(code, str(tmp_path / "data"), str(tmp_path / "cache")).split()
    assert int(rows) == result.json["rows"] > 0
    assert columns == ["prompt", "completion", "problem_id", "origin", "round", "images"]
    assert "load_dataset" in (tmp_path / "data" / "README.md").read_text()


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_hub_gets_the_same_files(made, monkeypatch, kind):
    hub = FakeHub()
    try:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_none")
        data = kind == "dataset"
        result = call(made, "export", "tiny", "--data" if data else "--model", "hub:ada/sums", "--private")
        assert result.code == 0, result.err
        assert hub.repos == {"ada/sums": {"visibility": "private", "type": kind}}
        expected = {"README.md", "data/train.parquet"} if data else {"README.md", "config.json", "model.safetensors"}
        assert expected <= set(hub.files["ada/sums"])
        assert not list((made / "artifacts").glob("*.export"))
        hub.refuse = True
        refused = call(made, "export", "tiny", "--model", "hub:ada/sums")
        assert refused.code == 1 and "hub:ada/sums cannot be written" in refused.err and "Traceback" not in refused.err
    finally:
        hub.close()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["tiny"], "give one of --table FILE and --model DIR, or --data DIR"),
        (["tiny/round-7", "--model", "out"], "tiny/round-7 holds no model"),
        (["tiny/round-1/answers", "--model", "out"], "holds no model"),
        (["nothing", "--model", "out"], "nothing"),
        (["tiny", "--model", "hub:sums"], "names no place on the hub"),
        (["tiny", "--model", "out", "--private"], "--private has no effect on a directory"),
        (["tiny", "--table", "x.csv", "--data", "x"], "give one of --table FILE"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(made, args, says):
    result = call(made, "export", *args)
    assert result.code == 1 and says in result.err and "Traceback" not in result.err
    assert not (made / "out").exists() and not (made / "out.partial").exists()


VLLM = """
import sys
from vllm import LLM, SamplingParams
llm = LLM(sys.argv[1], max_model_len=128, enforce_eager=True)
print("WRITTEN", repr(llm.generate(["Input:\\n1 + 2\\n"], SamplingParams(max_tokens=4))[0].outputs[0].text))
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_plain_vllm_loads_the_model(made, tmp_path):
    assert call(made, "export", "tiny", "--model", str(tmp_path / "out")).code == 0
    code = tmp_path / "load.py"
    code.write_text("if __name__ == '__main__':\n" + "\n".join("    " + line for line in VLLM.strip().splitlines()))
    small = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    line = [sys.executable, code, str(tmp_path / "out")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, env=small)
    assert done.returncode == 0 and "WRITTEN" in done.stdout, done.stderr[-2000:]
