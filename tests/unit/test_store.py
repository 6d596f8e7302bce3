"""The store: a manifest is the proof, a changed file is refused, a full disk is a sentence, a lock makes two one."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from by_hand import committed
from conftest import SMALL, call, environment, start

from star_cli.core.records import Problem, Verdict, encode
from star_cli.errors import StarError
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.durable import writing
from star_cli.store.maintenance import collect, unused, verify

KEY = "0123456789abcdef" * 2


def problem(name: str) -> Problem:
    return Problem(id=name, question="1 + 1", answer="2")


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home / "artifacts").open()


def made(store: Store, key: str = KEY) -> Artifact:
    with store.lock(key):
        draft = store.draft(key)
        draft.write(Problem, [problem("a"), problem("b")])
        return committed(store, draft, "problems", metrics={"problems": 2})


def test_a_committed_draft_is_found_and_read_and_leaves_no_partial(store):
    artifact = made(store)
    assert store.get(KEY).key == artifact.key and store.keys() == [KEY] and store.partials() == []
    assert [p.id for p in artifact.read(Problem)] == ["a", "b"]
    assert artifact.count(Problem) == 2 and artifact.count(Verdict) == 0
    assert artifact.manifest.files["problems.jsonl"].schema == "problem/1"


def test_a_directory_without_a_manifest_does_not_exist_and_is_built_over(store):
    (store.root / KEY).mkdir()
    (store.root / KEY / "problems.jsonl").write_text("half")
    assert store.get(KEY) is None and store.keys() == []
    assert [p.id for p in made(store).read(Problem)] == ["a", "b"]


def test_what_is_asked_of_an_artifact_without_it_names_what_it_holds(store):
    with pytest.raises(StarError, match=r"holds no verdict/2 records \(problems.jsonl\)"):
        made(store).read(Verdict)


def test_verdicts_of_an_older_version_are_read_and_those_of_a_newer_one_refused(store, monkeypatch):
    old = Verdict(problem_id="a", sample=0, correct=True, answer="1", reason="MATCH")
    for schema, key in (("verdict/1", KEY), ("verdict/99", KEY[::-1])):
        with store.lock(key), monkeypatch.context() as patch:
            patch.setattr(Verdict, "schema", schema)
            draft = store.draft(key)
            draft.write(Verdict, [old])
            committed(store, draft, "filter")
    assert list(store.get(KEY).read(Verdict)) == [old] and old.answer_class is None
    with pytest.raises(StarError, match="holds verdict/99 records, and this version of star reads verdict/2"):
        list(store.get(KEY[::-1]).read(Verdict))


def test_a_repeated_identity_is_refused_when_written(store):
    with pytest.raises(StarError, match="would be written twice"):
        store.draft(KEY).write(Problem, [problem("a"), problem("a")])


@pytest.mark.parametrize(
    "change",
    [lambda b: b.replace(b"1 + 1", b"1 + 2"), lambda b: b[:-5], lambda b: b + b"\n"],
    ids=["same length", "shorter", "longer"],
)
def test_a_changed_file_is_refused_by_readers_and_told_by_verify(store, home, change):
    artifact = made(store)
    assert verify(home, None) == (1, [])
    path = artifact.path / "problems.jsonl"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StarError, match="was changed after it was made"):
        list(artifact.read(Problem))
    checked, faults = verify(home, None)
    assert checked == 1 and [f["file"] for f in faults] == [str(path)]


def test_a_removed_file_is_refused(store, home):
    artifact = made(store)
    (artifact.path / "problems.jsonl").unlink()
    with pytest.raises(StarError, match="this file is missing"):
        artifact.read(Problem)
    assert verify(home, None)[1][0]["fault"].startswith("this file is missing; ")


def test_a_broken_manifest_is_a_sentence(store, home):
    artifact = made(store)
    (artifact.path / "manifest.json").write_text("{")
    with pytest.raises(StarError, match="manifest.json is not valid JSON"):
        store.get(KEY)
    assert len(verify(home, None)[1]) == 1


@pytest.mark.parametrize(
    ("prefix", "told"),
    [("xyz", "neither a run path nor a key"), ("", "neither"), ("ffff", "no artifact has a key"), ("0", "2 artifacts")],
)
def test_a_prefix_that_names_no_single_artifact_is_a_sentence(store, prefix, told):
    made(store)
    made(store, "0" * 32)
    with pytest.raises(StarError, match=told):
        store.find(prefix)
    assert store.find("0123").key == KEY


def test_a_journal_cuts_off_a_torn_line_and_keeps_what_was_whole(store):
    journal = store.draft(KEY).journal(Problem)
    for name in "abc":
        journal.append(problem(name))
    journal.sync()
    journal.close()
    with open(journal.path, "ab") as f:
        f.write(encode(problem("d"))[:-9])
    draft = store.draft(KEY)
    again = draft.journal(Problem)
    assert again.torn == 1 and [i for (i,) in again.offsets] == ["a", "b", "c"]
    again.append(problem("d"))
    assert draft.settle(again, [("d",), ("a",)]) == 2
    assert [p.id for p in committed(store, draft, "problems", metrics={"problems": 2}).read(Problem)] == ["d", "a"]


def journal_of(store, *names: str) -> Path:
    """The journal of a draft that was killed after these problems were synced."""
    journal = store.draft(KEY).journal(Problem)
    for name in names:
        journal.append(problem(name))
    journal.sync()
    journal.close()
    return journal.path


GARBAGE = {
    "zero pages": b"\0" * 8192,
    "zeros and a newline": b"\0\0\0\n",
    "zeros, newline, zeros": b"\0" * 100 + b"\n" + b"\0" * 100,
    "old pages": b'{"id": "from another file"}\n\xff\xfe\n\n',
    "a line without its checksum": encode(Problem(id="x", question="?", answer="1")),
    "deep nesting": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("tail", GARBAGE.values(), ids=GARBAGE)
def test_garbage_at_the_end_of_a_journal_is_cut_off_and_counted(store, tail):
    path = journal_of(store, "a", "b")
    good = path.read_bytes()
    path.write_bytes(good + tail)
    draft = store.draft(KEY)
    journal = draft.journal(Problem)
    assert journal.torn >= 1 and list(journal.offsets) == [("a",), ("b",)]
    journal.append(problem("c"))
    journal.sync()
    assert draft.settle(journal, [("c",), ("a",)]) == 2
    draft.close()
    assert path.read_bytes().startswith(good) and path.read_bytes().count(b"\n") == 3


def test_a_damaged_line_in_the_middle_of_a_journal_is_written_again_and_the_others_are_kept(store):
    path = journal_of(store, "a", "b", "c")
    path.write_bytes(path.read_bytes().replace(b'"id":"b","question":"1 + 1"', b'"id":"b","question":"1 + 9"'))
    journal = store.draft(KEY).journal(Problem)
    journal.close()
    assert journal.torn == 1 and list(journal.offsets) == [("a",), ("c",)]


def test_a_journal_that_is_no_file_is_a_sentence(store):
    (store.draft(KEY).path / "problems.jsonl.journal").mkdir()
    with pytest.raises(StarError, match="problems.jsonl.journal cannot be used: Is a directory"):
        store.draft(KEY).journal(Problem)


def test_leftovers_of_a_killed_attempt_do_not_enter_the_manifest(store):
    path = store.draft(KEY).path
    (path / "manifest.json.77.new").write_text("{")
    (path / "problems.jsonl.journal").write_bytes(encode(problem("x")))
    (path / "scratch").mkdir()
    (path / "scratch" / "checkpoint").write_text("x")
    artifact = made(store)
    assert list(artifact.manifest.files) == ["problems.jsonl"]
    assert sorted(p.name for p in artifact.path.iterdir()) == ["manifest.json", "problems.jsonl"]


def test_a_kill_between_manifest_and_rename_costs_nothing(store, monkeypatch):
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        made(store)
    monkeypatch.undo()
    assert store.get(KEY) is None and store.partials()
    with store.lock(KEY):
        assert [p.id for p in store.recover(KEY).read(Problem)] == ["a", "b"]
        assert store.recover(KEY) is None
    assert store.keys() == [KEY] and not store.partials()


def test_samples_outlive_a_kill_before_the_manifest(store, monkeypatch):
    """Until the manifest stands, the journal is what a restart needs: it must not be gone before."""
    import star_cli.store.drafts as module

    draft = store.draft(KEY)
    journal = draft.journal(Problem)
    journal.append(problem("a"))
    journal.sync()
    draft.settle(journal, [("a",)])
    monkeypatch.setattr(module, "write_manifest", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        committed(store, draft, "problems", metrics={"problems": 2})
    draft.close()
    again = store.draft(KEY)
    assert list(again.journal(Problem).offsets) == [("a",)]
    again.close()


def test_a_lock_is_held_by_one_and_the_other_is_told_once(store):
    told, order = [], []
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with store.lock(KEY, lambda: told.append("waiting")):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.lock(KEY):
        inside.set()
        while not told:
            time.sleep(0.01)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"] and told == ["waiting"]


def test_what_is_being_built_is_not_collected(store, home):
    store.draft(KEY)
    found = unused(home)
    assert [r["key"] for r in found.rows] == [KEY]
    with store.lock(KEY):
        assert collect(home, found) == [] and store.partials()
    assert collect(home, found) == [KEY] and not store.partials()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_a_sentence_without_root(tmp_path):
    (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(StarError, match="cannot be written"):
        Store(tmp_path / "home" / "artifacts").open()


def test_a_store_under_a_file_is_a_sentence(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StarError, match="cannot be written.*"):
        Store(tmp_path / "home" / "artifacts").open()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_dev_full_is_a_sentence():
    with pytest.raises(StarError, match="the disk is full while writing the page"):
        with writing("the page"), open("/dev/full", "w") as f:
            f.write("x")
            f.flush()


LIMITED = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from star_cli.cli.main import main
main()
"""


def test_no_room_for_a_file_ends_the_stage_with_a_sentence_and_loses_nothing_finished(star, home):
    """RLIMIT_FSIZE refuses a write in the middle of a file, as a full disk does; it needs no rights."""
    star("run", *SMALL, "rounds=1", "name=demo")
    store = Store(home / "artifacts")
    before = store.keys()
    limited = subprocess.run(
        [sys.executable, "-c", LIMITED, "20000", "run", *SMALL, "name=demo"],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert limited.returncode == 1 and "Traceback" not in limited.stderr, limited.stderr
    assert "the disk is full while writing" in limited.stderr and "star gc" in limited.stderr
    assert set(before) <= set(store.keys()) and verify(home, None)[1] == []
    told = star("run", *SMALL, "name=demo").out
    assert "demo: finished" in told


def small_disk(place: Path, size: str) -> bool:
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True)
    return done.returncode == 0


def test_a_writing_ends_the_run_with_a_sentence_and_loses_nothing_finished(star, tmp_path):
    place = tmp_path / "small"
    if not small_disk(place, "3m"):
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        star("run", *SMALL, "rounds=1", "name=demo", at=place)
        keys = Store(place / "artifacts").keys()
        filler = place / "filler"
        with pytest.raises(OSError), open(filler, "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
        result = star("run", *SMALL, "name=demo2", at=place, code=1)
        assert "the disk is full" in result.err and "Traceback" not in result.err
        assert set(keys) <= set(Store(place / "artifacts").keys())
        filler.unlink()
        assert verify(place, None)[1] == []
        assert "demo: finished" in star("run", *SMALL, "name=demo", at=place).out
    finally:
        subprocess.run(["umount", str(place)], check=False)
        shutil.rmtree(place, ignore_errors=True)


def test_two_runs_at_once_one_builds_and_the_other_waits_and_finds(home):
    count = home / "count"
    args = ["run", *SMALL, "rounds=1", f"engine.count_file={count}", "name=demo"]
    first = call(home, "plan", *args[1:], "--json").json["stages"][0]["key"]
    with Store(home / "artifacts").lock(first):  # both have to wait here, so that both go on at one moment
        both = [start(home, *args), start(home, *args)]
        for process in both:
            assert any("is being built by another process; waiting for it" in line for line in process.stdout)
    told = [p.communicate(timeout=120) for p in both]
    assert [p.returncode for p in both] == [0, 0], told
    metrics = [json.loads(m.read_bytes())["metrics"] for m in (home / "artifacts").glob("*/manifest.json")]
    assert count.stat().st_size == sum(m.get("samples", 0) for m in metrics), "a sample was generated twice"
    assert verify(home, "demo")[1] == []
