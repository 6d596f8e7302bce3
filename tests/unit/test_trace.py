"""`star trace`: where the time of a run went."""

from __future__ import annotations

import json
import time

import pytest
from conftest import SMALL, call

from star_cli.analysis.trace import trace_of
from star_cli.errors import StarError
from star_cli.store.runs import Run


def test_the_parts_add_up_to_the_time_of_the_run(home):
    started = time.time()
    assert call(home, "run", *SMALL, "name=demo", "engine.seconds=0.002").code == 0
    took = time.time() - started
    trace = trace_of(home, "demo")
    assert sum(trace.parts.values()) == pytest.approx(trace.wall, rel=0.02) and trace.wall <= took * 1.02
    written = sum(e.metrics["samples"] for e in Run(home, "demo").events() if e.stage == "generate")
    assert trace.parts["writing"] >= 0.002 * written / 64  # so long the fake engine slept at the very least
    assert trace.built == len(Run(home, "demo").events()) and not trace.found


def test_what_was_found_is_counted_with_what_it_saved(home):
    for name in ("first", "second"):
        assert call(home, "run", *SMALL, f"name={name}").code == 0
    trace = trace_of(home, "second")
    assert not trace.built and trace.found == len(Run(home, "second").events())
    artifacts = [
        json.loads((home / "artifacts" / e.key / "manifest.json").read_text()) for e in Run(home, "second").events()
    ]
    assert trace.saved == pytest.approx(sum(m["seconds"] for m in artifacts))


def test_a_file_for_perfetto_has_every_stage(home, star, tmp_path):
    star("run", *SMALL, "name=demo", at=home)
    star("trace", "demo", "--perfetto", str(tmp_path / "trace.json"), at=home)
    rows = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [r["name"] for r in rows if r["tid"] == 1] == [e.place for e in Run(home, "demo").events()]
    assert all(r["ph"] == "X" and r["dur"] >= 0 and r["ts"] > 1e15 for r in rows)


def test_an_unknown_run_is_a_sentence(home):
    with pytest.raises(StarError, match="nosuch"):
        trace_of(home, "nosuch")
