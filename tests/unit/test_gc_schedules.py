"""`star gc` beside runs: whatever it is interleaved with, it takes nothing that a run uses."""

from __future__ import annotations

from conftest import SMALL, call

from star_cli.store.maintenance import collect, unused, verify
from star_cli.store.runs import Run


def test_nothing_is_taken_between_the_commit_of_an_artifact_and_its_line_in_the_ledger(home, monkeypatch):
    record, removed = Run.record, []

    def after_gc(run, event, artifact):
        removed.extend(collect(home, unused(home)))
        record(run, event, artifact)

    monkeypatch.setattr(Run, "record", after_gc)
    assert call(home, "run", *SMALL, "name=demo").code == 0
    assert removed == [] and verify(home, "demo")[1] == []


def test_nothing_is_taken_between_finding_an_artifact_and_its_line_in_the_ledger(home, monkeypatch):
    assert call(home, "run", *SMALL, "name=first").code == 0
    keys = {e.key for e in Run(home, "first").events()}
    (home / "runs" / "first" / "ledger.jsonl").unlink()
    for link in Run(home, "first").links():
        link.unlink()
    (home / "runs" / "first" / "run.json").unlink()
    record, kept = Run.record, []

    def after_gc(run, event, artifact):
        collect(home, unused(home))  # takes what this run has not come to yet, and no run uses
        kept.append(artifact.path.exists())
        record(run, event, artifact)

    monkeypatch.setattr(Run, "record", after_gc)
    assert call(home, "run", *SMALL, "name=second").code == 0
    assert all(kept) and verify(home, "second")[1] == [] and keys == {e.key for e in Run(home, "second").events()}


def test_what_came_into_use_after_gc_looked_is_left_alone(home):
    assert call(home, "run", *SMALL, "name=first").code == 0
    run = home / "runs" / "first"
    aside = home / "aside"
    run.rename(aside)  # now nobody uses what it made
    found = unused(home)
    assert found.rows
    aside.rename(run)  # another run begins to use all of it while gc asks "remove them?"
    assert collect(home, found) == [] and verify(home, "first")[1] == []
