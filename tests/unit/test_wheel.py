"""star where it is not this environment's editable install: the built wheel in an empty venv, and a plain checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, SMALL


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--quiet", "--outdir", str(dist), str(ROOT))
    (built,) = dist.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package_and_conf_beside_them(wheel):
    package = {p.relative_to(ROOT).as_posix() for p in (ROOT / "star_cli").rglob("*") if p.is_file()}
    conf = {f"star_cli/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "conf").rglob("*") if p.is_file()}
    with zipfile.ZipFile(wheel) as z:
        inside = {name for name in z.namelist() if ".dist-info/" not in name}
    assert inside == {f for f in package | conf if "__pycache__" not in f}


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment_without_torch(wheel, tmp_path):
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not in this environment (make install puts it there)")
    venv = tmp_path / "venv"
    run(str(uv), "venv", "--quiet", str(venv), "--python", sys.executable)
    python = str(venv / "bin" / "python")
    locked = str(ROOT / "requirements-cpu.lock")
    run(str(uv), "pip", "install", "--quiet", "--python", python, "--constraints", locked, f"{wheel}[grade]")
    present = run(str(uv), "pip", "list", "--python", python)
    assert "math-verify" in present and not any(f"\n{name} " in present for name in ("torch", "transformers", "vllm"))

    def star(*args: str, code: int = 0) -> str:
        return run(str(venv / "bin" / "star"), *args, cwd=tmp_path, code=code)

    (tmp_path / "answers.jsonl").write_text(
        '{"id": 1, "gold": "\\\\sqrt{2}", "prediction": "$\\\\boxed{\\\\sqrt{2}}$"}\n'
    )
    assert "max_digits: 3" in star("run", "--cfg", "job")
    assert "addition" in star("ls", "tasks") and "vllm" in star("ls", "engines")
    assert '"reason": "MATCH"' in star("grade", "answers.jsonl", "grader=math")
    star("run", *SMALL, "name=demo")
    star("run", *SMALL, "name=other", "method=direct", "rounds=1")
    for args in (["show", "demo", "--page"], ["ls"], ["verify"], ["plan"], ["diff", "demo", "other"], ["--help"]):
        star(*args)
    star("compare", "demo", "other")
    star("theory", "predict", "--rounds", "2")
    assert "pip install 'star-cli[train]'" in star("doctor", code=1)
    assert "star-cli[train,vllm-" in star("run", code=1)


def test_a_checkout_works_from_any_directory_without_being_installed(tmp_path):
    """Its copy is run without `site`, so that no editable install is seen; the dependencies are on the path by hand."""
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in ("star_cli", "conf"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere.mkdir()
    env = {"PYTHONPATH": os.pathsep.join((str(checkout), sysconfig.get_path("purelib"))), "COLUMNS": "120"}

    def star(*args: str) -> str:
        return run(sys.executable, "-S", "-m", "star_cli", *args, cwd=elsewhere, env=env)

    assert str(checkout / "star_cli") in run(
        sys.executable, "-S", "-c", "import star_cli; print(star_cli.__file__)", cwd=elsewhere, env=env
    )
    assert "max_digits: 3" in star("run", "--cfg", "job")
    assert f"file://{checkout / 'conf'}" in star("run", "--info", "searchpath")
    star("run", *SMALL, "name=demo")
    assert "demo" in star("ls")


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None, code: int = 0) -> str:
    """Standard output (and error, where it is meant to fail) of a command that neither STAR_HOME nor this PYTHONPATH
    reaches.
    """
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "STAR_HOME")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**kept, **(env or {})}, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")
