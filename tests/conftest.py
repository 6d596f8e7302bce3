"""Shared by all tests: a home of their own, and `star` in a process of its own or, for speed, in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SMALL = ["model=fake", "rounds=2", "task.train=100", "problems=200", "task.dev=20"]
ROOT = Path(__file__).parent.parent
for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERMINAL_WIDTH"):
    os.environ.pop(name, None)  # how wide and colourful the terminal outside is has no say in what tests read


# With several workers (make test) a file stays in one of them, for its fixtures are dear; these files share a single
# worker, for they would disturb each other.
ONE_BY_ONE = {
    "test_engines.py": "starts vLLM",
    "test_vlm.py": "starts vLLM",
    "test_real.py": "starts vLLM",
    "test_graded.py": "starts vLLM",
    "test_early.py": "measures time",
    "test_kill.py": "measures time, starts vLLM",
    "test_pool.py": "measures time and compares one worker with two",
    "test_sandbox.py": "measures time",
    "test_trainers.py": "trains with all cores",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tell pytest-xdist (--dist loadgroup) which tests belong into one worker, before it looks at the marks."""
    if item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group("one-by-one" if item.path.name in ONE_BY_ONE else item.path.stem))


@dataclass
class Result:
    """What one call of `star` left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(home: Path) -> dict[str, str]:
    """An environment in which nobody is logged in anywhere and every process sees this checkout."""
    coloured = ("FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "NO_COLOR")
    other = ("WANDB_", "STAR_", "HYDRA_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(other) and k not in coloured}
    path = os.pathsep.join(p for p in (str(ROOT), kept.get("PYTHONPATH")) if p)
    return {**kept, "STAR_HOME": str(home), "NETRC": str(home / "no-netrc"), "PYTHONPATH": path, "COLUMNS": "160"}


def start(home: Path, *args: str) -> subprocess.Popen[str]:
    """`star` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "star_cli.cli.main", *args],
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_control_c,
    )


def heeds_control_c() -> None:
    """Take SIGINT as at a terminal, also where these tests were started in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def call(home: Path, *args: str, columns: int = 160) -> Result:
    """`star` in this process: the same entry point, half a second faster."""
    from star_cli.backends.engines.fake import FakeSession
    from star_cli.cli.main import main

    FakeSession.died = False
    out, err = io.StringIO(), io.StringIO()
    old_argv, old_environment, old_place = sys.argv, dict(os.environ), os.getcwd()
    code = 0
    try:
        sys.argv = ["star", *args]
        os.environ.clear()
        os.environ.update(environment(home) | {"COLUMNS": str(columns)})
        os.chdir(home)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    finally:
        sys.argv = old_argv
        os.environ.clear()
        os.environ.update(old_environment)
        os.chdir(old_place)
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def star(home: Path) -> Callable[..., Result]:
    """`star(*args)` in this process, on a fresh home; ``code=`` says how it must end (None: whatever)."""

    def run(*args: str, code: int | None = 0, at: Path | None = None) -> Result:
        result = call(at or home, *args)
        assert code is None or result.code == code, f"exit code {result.code}\n{result.out}\n{result.err}"
        return result

    return run


@pytest.fixture
def star_process(home: Path) -> Iterator[Callable[..., Result]]:
    """`star(*args)` in a process of its own, on a fresh home."""

    def run(*args: str, code: int | None = 0, at: Path | None = None) -> Result:
        process = start(at or home, *args)
        out, err = process.communicate(timeout=120)
        assert code is None or process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return Result(process.returncode, out, err)

    yield run


@pytest.fixture(autouse=True)
def drafts_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the drafts that a test leaves open, as the Builder does: an unclosed file is an error here."""
    from star_cli.store.artifacts import Store

    drafts: list[Any] = []
    make = Store.draft

    def draft(store: Store, key: str) -> Any:
        drafts.append(make(store, key))
        return drafts[-1]

    monkeypatch.setattr(Store, "draft", draft)
    yield
    for d in drafts:
        d.close()
