"""The built wheel installs into an empty environment and `star run --cfg job` works there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_wheel_brings_its_configuration(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not in this environment (make install puts it there)")
    dist, venv = tmp_path / "dist", tmp_path / "venv"
    _run(sys.executable, "-m", "build", "--wheel", "--quiet", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    _run(str(uv), "venv", "--quiet", str(venv), "--python", sys.executable)
    light = ["typer==0.29.2", "hydra-core==1.3.8", "rich==15.0.0", "msgspec==0.22.0", "numpy==2.3.5"]
    python = str(venv / "bin" / "python")
    _run(str(uv), "pip", "install", "--quiet", "--python", python, *light)
    _run(str(uv), "pip", "install", "--quiet", "--python", python, "--no-deps", str(wheel))
    star = str(venv / "bin" / "star")
    shown = _run(star, "run", "--cfg", "job", cwd=tmp_path)
    assert "max_digits: 3" in shown and "rounds: 3" in shown
    assert "fake" in _run(star, "ls", "engines", cwd=tmp_path)
    names = {p.name for p in (venv / "lib").rglob("star_cli/conf/experiment/*.yaml")}
    assert names == {p.name for p in (ROOT / "conf" / "experiment").glob("*.yaml")}


def _run(*command: str, cwd: Path | None = None) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "STAR_HOME")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
