"""What comes from elsewhere runs nothing, what is secret is written nowhere, files are as open as the umask says."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import SMALL, call, environment

from star_cli.backends.engines._vllm_start import start_engine
from star_cli.backends.model_config import NO_CODE, load_config
from star_cli.core.parts import ModelRef
from star_cli.errors import StarError

QUICK = [*SMALL, "rounds=1", "task.train=20", "problems=20", "task.dev=6", "name=demo"]
SECRETS = {
    "HF_TOKEN": "hf_plantedtokenplantedtokenplanted",
    "WANDB_API_KEY": "planted0wandb0key00000000000000000000000",
    "OPENAI_API_KEY": "sk-planted-openai",
    "AWS_SECRET_ACCESS_KEY": "planted/aws/secret",
    "STAR_TEST_PASSWORD": "planted-password",
}


@pytest.fixture
def with_code(tmp_path: Path) -> Path:
    """A model directory that wants its own Python to be run."""
    place = tmp_path / "model"
    place.mkdir()
    names = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.Evil", "AutoTokenizer": ["evil.T", None]}
    (place / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": names}))
    (place / "tokenizer_config.json").write_text(json.dumps({"auto_map": names, "tokenizer_class": "T"}))
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    return place


def test_a_model_that_brings_code_is_refused_and_its_code_is_not_run(with_code, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *a: pytest.fail("somebody was asked whether to run it"))
    with pytest.raises(StarError, match="needs Python code of its own, which star never runs"):
        load_config(ModelRef("key", str(with_code)))
    assert not (tmp_path / "ran").exists()


def test_every_load_of_a_model_says_that_its_code_is_not_run_and_its_weights_are_safetensors():
    assert NO_CODE == {"trust_remote_code": False}
    room = Path(start_engine.__code__.co_filename).parents[1]
    for path in room.rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert "trust_remote_code" not in line or "False" in line or "in str(e)" in line, f"{path}: {line}"
            if "Auto" in line and ".from_pretrained(" in line and "hint" not in line:
                assert "NO_CODE" in line or "SAFE_WEIGHTS" in line, f"{path}: {line.strip()}"
    assert '"load_format": "safetensors"' in (room / "engines/_vllm_start.py").read_text("utf-8")


def planted(home: Path, *more: str) -> list[str]:
    """The files below the home that hold a planted secret after a run with all of them in its environment."""
    values = environment(home) | SECRETS
    line = [sys.executable, "-m", "star_cli.cli.main", "run", *QUICK, *more]
    done = subprocess.run(line, env=values, cwd=home, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    files = {str(p): p.read_bytes() for p in home.rglob("*") if p.is_file()}
    files |= {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    return [name for name, text in files.items() if any(s.encode() in text for s in SECRETS.values())]


def test_no_secret_of_the_environment_is_written_anywhere(home):
    assert planted(home, "tracking=none") == []


@pytest.mark.slow
@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_no_secret_of_the_environment_reaches_what_wandb_would_send(home):
    assert planted(home, "tracking=wandb", "tracking.mode=offline") == []
    assert list(home.rglob("*.wandb")), "wandb wrote nothing"


@pytest.mark.parametrize("name", ["../up", "a/../b", "/abs", "a/b/c", "..", "a\nb", "~root", "-rf", "a\x00b", "a/.."])
def test_no_name_of_a_run_leaves_the_home(home, name):
    done = call(home, "run", *QUICK[:-1], f"name='{name}'")
    assert done.code != 0 and "Traceback" not in done.err
    assert not (home / "runs").exists() and {p.name for p in home.parent.iterdir()} <= {home.name}


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002])
def test_files_are_as_open_as_the_umask_says(home, umask):
    before = os.umask(umask)
    try:
        assert call(home, "run", *QUICK).code == 0
    finally:
        os.umask(before)
    for path in home.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            continue
        expected = (0o777 if path.is_dir() else 0o666) & ~umask
        assert mode == expected, f"{path}: {mode:o} instead of {expected:o}"


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_out_of_reach_is_a_sentence_and_ends_only_a_run_that_asked_for_it(home, monkeypatch):
    import wandb

    def unreachable(**settings):
        raise wandb.errors.CommError("no such host\nand more")

    monkeypatch.setattr(wandb, "init", unreachable)
    for module in ("execute", "trackers.wandb"):
        monkeypatch.setattr(f"star_cli.run.{module}.logged_in", lambda: True)
    asked = call(home, "run", *QUICK, "tracking=wandb")
    assert asked.code == 1 and "wandb cannot be used: no such host" in asked.err and "Traceback" not in asked.err
    unasked = call(home, "run", *QUICK, "tracking=auto")
    assert unasked.code == 0 and "no such host; nothing is reported there" in unasked.out
