"""star evaluate --suite: lm-evaluation-harness measures a model directory on data that lies here."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "contracts"))
PLACES = [parent / "shared" / "data" / "gsm8k" for parent in ROOT.parents]
GSM8K = next((place for place in PLACES if place.is_dir()), None)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm-eval is not installed")
@pytest.mark.skipif(GSM8K is None, reason="../shared/data/gsm8k is not here")
def test_a_model_directory_is_measured_on_gsm8k(star_process, home: Path):
    from architectures import make

    make("Qwen3", home / "model", max_position_embeddings=4096)
    line = ["evaluate", "--suite", "gsm8k", "--suite-data", str(GSM8K), "--limit", "2", "--json"]
    result = json.loads(star_process(*line, "--input", "model=model").out)
    assert result["suite"] == "gsm8k" and result["samples"] == 2
    assert result["metrics"]["exact_match,strict-match"] == result["metrics"]["exact_match,flexible-extract"] == 0.0
    wrong = star_process("evaluate", "--suite", "gsm9k", "--input", "model=model", code=1)
    assert "lm-evaluation-harness has no task 'gsm9k'" in wrong.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--input", "rationales=x"], "--suite takes one --input model=..."),
        (["--input", "model=x", "--limit", "0"], "--limit must be >= 1"),
        (["--input", "model=x", "trainer.lr=1"], "trainer.lr=1 has no effect with --suite"),
        (["--input", "model=nothing"], "nothing"),
    ],
)
def test_what_a_suite_cannot_take_is_a_sentence(star, args, says):
    result = star("evaluate", "--suite", "gsm8k", *args, code=1)
    assert says in result.err and "Traceback" not in result.err


def test_settings_of_a_suite_need_one(star):
    assert "have no effect without --suite" in star("evaluate", "--input", "model=x", "--limit", "3", code=1).err
