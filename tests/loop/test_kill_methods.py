"""Every method, killed with SIGKILL in the middle of its writing and run again, ends with the bytes of an undisturbed
run.
"""

from __future__ import annotations

import random
import signal
import time

import pytest
from conftest import SMALL, call, start
from test_kill import hashes
from test_methods import QUICK

from star_cli.core import registry
from star_cli.store.artifacts import Store

FEWER = {
    "rft": ["samples=10"],
    "rest_em": ["samples=6"],
    "vstar": ["samples=4", "verification.candidates=4", "verification.ks=[1,4]"],
    "expert_iteration": ["samples=3"],
}  # the published numbers take long to be killed in


@pytest.mark.parametrize("method", registry.names("method"))
def test_a_method_that_is_killed_ends_with_the_same_bytes(method, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    args = [
        "run",
        *SMALL,
        "problems=100",
        *QUICK.get(method, []),
        *FEWER.get(method, []),
        f"method={method}",
        "name=demo",
        "runtime.sync_seconds=0.02",
    ]
    counted = f"engine.count_file={tmp_path / 'count'}"
    done = call(whole, *args, counted)
    assert done.code == 0, done.err
    total = (tmp_path / "count").stat().st_size
    (tmp_path / "count").unlink()
    target = random.Random(method).randint(total // 4, 3 * total // 4)
    process = start(killed, *args, counted, "engine.seconds=0.003")
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if (tmp_path / "count").exists() and (tmp_path / "count").stat().st_size >= target:
            break
        time.sleep(0.002)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert hashes(killed) != hashes(whole)
    again = call(killed, *args)
    assert again.code == 0, again.err
    assert hashes(killed) == hashes(whole)
    assert not Store(killed / "artifacts").partials()
