"""Writes that survive a power cut: what is synced before what, and that a failing disk ends the draft for good."""

import errno
import os
from pathlib import Path

import pytest
from by_hand import committed, event
from conftest import SMALL, call

from star_cli.core.records import Problem
from star_cli.errors import StarError
from star_cli.store import ledger
from star_cli.store.artifacts import Store
from star_cli.store.durable import DiskFailed, process_alive, write_bytes, write_json
from star_cli.store.ledger import Start
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run

KEY = "0123456789abcdef" * 2
GONE = 2**22 + 1  # no process has this number


def problem(name: str) -> Problem:
    return Problem(id=name, question="1 + 1", answer="2")


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home / "artifacts").open()


class Calls(list):
    """What was asked of the operating system, in order: ("fsync", path), ("rename", from, to), ("unlink", path)."""

    def __init__(self, monkeypatch, below: Path) -> None:
        super().__init__()
        self.below = below
        for name in ("fsync", "rename", "replace", "unlink"):
            monkeypatch.setattr(os, name, self.recording(name, getattr(os, name)))

    def recording(self, name, function):
        def recorded(*args, **settings):
            paths = [os.readlink(f"/proc/self/fd/{args[0]}")] if name == "fsync" else [os.fspath(a) for a in args]
            if all(p.startswith(str(self.below)) for p in paths):
                self.append((name, *(str(Path(p).relative_to(self.below)) for p in paths)))
            return function(*args, **settings)

        return recorded


def test_a_commit_syncs_files_then_their_names_then_the_manifest_before_anything_is_removed(store, monkeypatch):
    draft = store.draft(KEY)
    journal = draft.journal(Problem)
    journal.append(problem("a"))
    journal.sync()
    draft.settle(journal, [("a",)])
    (draft.directory("model") / "weights").write_bytes(b"w")
    calls, part = Calls(monkeypatch, store.root), f"{KEY}.partial"
    committed(store, draft, "problems")
    removed = calls.index(("unlink", f"{part}/problems.jsonl.journal"))
    manifest = next(i for i, c in enumerate(calls) if c[0] == "replace" and c[2] == f"{part}/manifest.json")
    for path in (f"{part}/problems.jsonl", f"{part}/model/weights", f"{part}/model"):
        assert calls.index(("fsync", path)) < manifest, f"{path} is synced before the manifest says that it is there"
    assert calls[manifest - 1][0] == "fsync" and calls[manifest - 1][1].startswith(f"{part}/manifest.json.")
    assert ("fsync", part) in calls[manifest:removed], "the manifest's name is safe before the journal's goes"
    renamed = calls.index(("rename", part, KEY))
    assert removed < renamed and ("fsync", ".") in calls[renamed:]


def test_the_first_creation_of_a_draft_and_of_its_journal_is_synced(store, monkeypatch):
    calls = Calls(monkeypatch, store.root)
    store.draft(KEY).journal(Problem).close()
    assert ("fsync", ".") in calls and ("fsync", f"{KEY}.partial") in calls


@pytest.mark.parametrize("write", [lambda p: write_json(p, {"a": 1}), lambda p: write_bytes(p, b"a")])
def test_a_replaced_file_is_synced_with_its_directory(tmp_path, monkeypatch, write):
    calls = Calls(monkeypatch, tmp_path)
    write(tmp_path / "x.json")
    assert [c[0] for c in calls] == ["fsync", "replace", "fsync"] and calls[-1] == ("fsync", ".")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_file_system_that_cannot_sync_directories_is_none_that_fails(tmp_path, monkeypatch):
    failing(monkeypatch, errno.EINVAL, tmp_path.name)
    write_bytes(tmp_path / "x", b"a")
    assert (tmp_path / "x").read_bytes() == b"a"


def test_what_a_run_notes_is_synced_in_its_ledger(home, store, monkeypatch):
    run = Run(home, "demo")
    run.start(Settings(config_key="x"))
    artifact = committed(store, store.draft(KEY), "problems")
    calls = Calls(monkeypatch, home / "runs" / "demo")
    run.record(event(1, "problems", artifact), artifact)
    assert ("fsync", "ledger.jsonl") in calls
    calls.clear()
    run.record(event(1, "problems", artifact, hit=True), artifact)
    assert ("fsync", "ledger.jsonl") in calls, "or a power cut leaves a hole before a line that is kept"


def failing(monkeypatch, error: int, suffix: str) -> list[str]:
    """Make fsync fail on files with this ending; returns the list of the files on which it was asked for."""
    asked, real = [], os.fsync

    def fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.endswith(suffix):
            asked.append(path)
            raise OSError(error, os.strerror(error))
        return real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return asked


def test_an_io_error_ends_the_draft_and_fsync_is_never_tried_again(store, monkeypatch):
    draft = store.draft(KEY)
    journal = draft.journal(Problem)
    journal.append(problem("a"))
    asked = failing(monkeypatch, errno.EIO, ".journal")
    with pytest.raises(DiskFailed, match="the disk failed while .*journal was written"):
        journal.sync()
    for again in (journal.sync, journal.sync, lambda: committed(store, draft, "problems")):
        with pytest.raises(DiskFailed, match="could not be written, so nothing more is written to it"):
            again()
    assert len(asked) == 1 and store.get(KEY) is None


def test_an_io_error_of_a_file_at_the_commit_leaves_no_artifact(store, monkeypatch):
    draft = store.draft(KEY)
    draft.write(Problem, [problem("a")])
    failing(monkeypatch, errno.EIO, "problems.jsonl")
    with pytest.raises(DiskFailed):
        committed(store, draft, "problems")
    assert store.get(KEY) is None and not (draft.path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("error", "words"), [(errno.EIO, "the disk failed while"), (errno.ENOSPC, "the disk is full while writing")]
)
@pytest.mark.parametrize("suffix", [".journal", "problems.jsonl", "manifest.json.{pid}.new", ".partial"])
def test_a_run_whose_disk_fails_once_is_a_sentence_and_goes_on_afterwards(home, monkeypatch, error, words, suffix):
    args = ["run", *SMALL, "rounds=1", "name=demo"]
    with monkeypatch.context() as m:
        asked = failing(m, error, suffix.format(pid=os.getpid()))
        done = call(home, *args)
        assert asked and done.code == 1 and words in done.err and "Traceback" not in done.err
    again = call(home, *args)
    assert again.code == 0, again.err
    assert call(home, "verify").code == 0


# ---- what a kill leaves behind
def test_leftovers_of_processes_that_are_gone_are_removed_at_the_next_start(home):
    run = Run(home, "demo")
    run.start(Settings(config_key="x"))
    (run.path / "round-2").mkdir()
    left = [run.path / f"run.json.{GONE}.new", run.path / "round-2" / f"health.{GONE}.new"]
    left[0].write_text("{")
    left[1].symlink_to("../../../artifacts/x")
    other = run.path / f"run.json.{os.getppid()}.new"  # a process that lives may still be writing it
    other.write_text("{")
    run.start(Settings(config_key="x"))
    assert not any(os.path.lexists(path) for path in left) and other.exists()
    assert process_alive(os.getppid()) and not process_alive(GONE)


def test_leftovers_in_a_draft_are_removed_when_it_is_opened_again(store):
    path = store.draft(KEY).path
    (path / f"manifest.json.{GONE}.new").write_text("{")
    assert not list(store.draft(KEY).path.iterdir())


# ---- the ledger after a crash
def started(home: Path) -> Run:
    run = Run(home, "demo")
    run.start(Settings(config_key="x"))
    return run


def test_a_torn_line_of_a_ledger_is_passed_over_and_cut_off_before_the_next_one(home):
    run = started(home)
    whole = run.ledger.read_bytes()
    run.ledger.write_bytes(whole + b'{"event": "stage", "time": "2026')
    assert run.events() == [] and ledger.faults(run.ledger) == []
    ledger.append(run.ledger, Start(time="t"))
    assert run.ledger.read_bytes() == whole + b'{"event": "start", "time": "t"}\n'


def test_garbage_at_the_end_of_a_ledger_is_said_and_cut_off_at_the_next_start(home, store):
    run = started(home)
    artifact = committed(store, store.draft(KEY), "problems")
    run.record(event(1, "problems", artifact), artifact)
    run.ledger.write_bytes(run.ledger.read_bytes() + b"\0" * 4096 + b"\n" + b"\0" * 10)
    with pytest.raises(StarError, match=r"ledger.jsonl:3: not a line of a ledger"):
        run.events()
    (sentence,) = run.start(Settings(config_key="x"))
    assert "1 line(s) at the end of" in sentence and "were cut off" in sentence
    assert [e.key for e in run.events()] == [KEY]


def test_a_ledger_that_is_damaged_in_the_middle_is_kept_aside_and_a_new_one_begins(home, store):
    run = started(home)
    artifact = committed(store, store.draft(KEY), "problems")
    run.record(event(1, "problems", artifact), artifact)
    damaged = run.ledger.read_bytes().replace(b'"event": "start"', b'"event": "stxrt"')
    run.ledger.write_bytes(damaged)
    (sentence,) = run.start(Settings(config_key="x"))
    assert "ledger.jsonl:1" in sentence and "kept as ledger.1.jsonl" in sentence
    assert (run.path / "ledger.1.jsonl").read_bytes() == damaged and run.events() == []
