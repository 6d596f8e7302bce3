"""progress.json: what a run is doing now, for other processes; nothing depends on it."""

from __future__ import annotations

import json

from conftest import SMALL, call

from star_cli.run import progress
from star_cli.run.observe import Several, Silent
from star_cli.run.progress import FILE, ProgressFile, read_progress
from star_cli.store.runs import Run


def test_it_counts_what_the_meters_count(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", -1.0)  # every step is written
    observer = Several(Silent(), ProgressFile(tmp_path))
    assert read_progress(tmp_path) is None
    observer.stage_started(2, "generate", "ab" * 16)
    assert read_progress(tmp_path).name == "generate" and read_progress(tmp_path).remaining is None
    meter = observer.meter("generate", 100)
    meter.step(tokens=7)
    meter.step(4, tokens=30, right=1, loss=0.5)
    meter.close()
    now = read_progress(tmp_path)
    assert (now.round, now.done, now.total, now.tokens, now.judged, now.right, now.loss) == (2, 5, 100, 37, 4, 1, 0.5)
    now.started, now.updated = 100.0, 110.0
    assert now.remaining == 95 * 10 / 5
    observer.stage_started(2, "filter", "cd" * 16)
    assert read_progress(tmp_path).done == 0
    observer.finish("failed")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_stops_no_run(tmp_path, monkeypatch):
    observer = ProgressFile(tmp_path / "no such folder")
    observer.stage_started(1, "generate", "ab" * 16)
    observer.finish("finished")
    (tmp_path / FILE).write_text('{"round": 1, "na')
    assert read_progress(tmp_path) is None


def test_a_run_writes_it_and_takes_it_away(home, monkeypatch):
    seen = []
    write = ProgressFile._write

    def noted(self):
        write(self)
        seen.append(json.loads(self.path.read_text()))

    monkeypatch.setattr(ProgressFile, "_write", noted)
    assert call(home, "run", *SMALL, "rounds=1", "name=demo").code == 0
    assert [(p["round"], p["name"]) for p in seen if p["done"] == 0][-1] == (1, "evaluate")
    assert {p["key"] for p in seen} >= {e.key for e in Run(home, "demo").events()}
    assert not (home / "runs" / "demo" / FILE).exists()
