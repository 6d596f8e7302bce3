"""MKL on AMD processors: all kernels, proved by the speed of a matrix product against the same without, in one run."""

import os
import subprocess
import sys

import pytest

from star_cli.backends import mkl

PRODUCT = """
import sys, time
from star_cli.backends.mkl import use_all_kernels
state = use_all_kernels()
import torch
torch.set_num_threads(1)
a, b = torch.randn(1024, 256), torch.randn(256, 256)
best = 1e9
for _ in range(30):
    start = time.process_time()
    for _ in range(20):
        a @ b
    best = min(best, time.process_time() - start)
print(state, "|", best)
"""


def product(**environment):
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
        timeout=300,
    )
    state, _, seconds = done.stdout.strip().rpartition(" | ")
    return state.strip(), float(seconds)


@pytest.mark.skipif(not mkl._held_back(), reason="MKL holds back on AMD processors alone")
def test_matrix_products_are_faster_with_all_kernels():
    pytest.importorskip("torch")
    fast, slow = product(), product(STAR_MKL="off")
    assert fast[0] == mkl.FAST and slow[0] == "slow kernels: STAR_MKL=off"
    assert slow[1] > 1.3 * fast[1]


def test_a_machine_without_a_compiler_stays_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(mkl, "_held_back", lambda: True)
    monkeypatch.setattr(mkl.shutil, "which", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("STAR_MKL", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "no C compiler" in mkl.use_all_kernels.__wrapped__()


def test_a_broken_compiler_stops_nothing(monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'fatal: no' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(mkl, "_held_back", lambda: True)
    monkeypatch.setattr(mkl.shutil, "which", lambda name: str(compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STAR_MKL", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "fatal: no" in mkl.use_all_kernels.__wrapped__()


def test_other_processors_are_left_alone(monkeypatch):
    monkeypatch.setattr(mkl, "_held_back", lambda: False)
    assert mkl.use_all_kernels.__wrapped__() == ""
