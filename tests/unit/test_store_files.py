"""The files of the store as types: bytes as they were before there were types, and one sentence for every damage."""

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from star_cli.errors import StarError
from star_cli.store import ledger
from star_cli.store.ledger import Event, Start
from star_cli.store.manifest import read_manifest, write_manifest
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run

MADE = Path(__file__).parent.parent / "data" / "store"  # written by star before these files had types
KEY = json.loads((MADE / "manifest.json").read_bytes())["key"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an artifact with a manifest of before."""
    (tmp_path / KEY).mkdir()
    shutil.copy(MADE / "manifest.json", tmp_path / KEY)
    return tmp_path / KEY


@pytest.fixture
def run(home: Path) -> Run:
    """A run with a run.json and a ledger of before."""
    run = Run(home, "demo")
    run.path.mkdir(parents=True)
    for name in ("run.json", "ledger.jsonl"):
        shutil.copy(MADE / name, run.path)
    return run


# ---- the bytes
def test_a_manifest_is_written_with_the_bytes_it_always_had(folder):
    manifest = read_manifest(folder)
    (folder / "manifest.json").unlink()
    write_manifest(folder, manifest)
    assert (folder / "manifest.json").read_bytes() == (MADE / "manifest.json").read_bytes()


def test_run_json_is_written_with_the_bytes_it_always_had(run):
    run.update(built=run.info.built)
    assert (run.path / "run.json").read_bytes() == (MADE / "run.json").read_bytes()


def test_a_run_that_is_started_and_ends_has_the_fields_in_the_order_they_always_had(run, home):
    info = run.info
    settings = Settings(**{name: getattr(info, name) for name in Settings.__struct_fields__})
    shutil.rmtree(run.path)
    assert run.start(settings) == []
    run.update(built=info.built)
    run.finish("finished")
    written, before = (json.loads((place / "run.json").read_bytes()) for place in (run.path, MADE))
    assert list(written) == list(before)
    same = set(before) - {"pid", "started", "ended"}
    assert {name: written[name] for name in same} == {name: before[name] for name in same}


def test_a_ledger_is_written_with_the_bytes_it_always_had(run, tmp_path):
    lines = list(ledger.read(run.ledger))
    assert isinstance(lines[0], Start) and all(isinstance(line, Event) for line in lines[1:])
    for line in lines:
        ledger.append(tmp_path / "again.jsonl", line)
    assert (tmp_path / "again.jsonl").read_bytes() == (MADE / "ledger.jsonl").read_bytes()


# ---- what is wrong with a file
def change(path: Path, **fields):
    """Change fields of a JSON file; a field that is UNSET goes."""
    content = {**json.loads(path.read_bytes()), **fields}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not msgspec.UNSET}))


WRONG_MANIFESTS = {
    "another version": ({"format": "artifact/2"}, "has the format 'artifact/2', and this version of star reads"),
    "another artifact's": ({"key": "0" * 32}, "is the manifest of another artifact, 000"),
    "another stage": ({"stage": "filter"}, "its stage is 'filter', and its tag is that of 'stage/finetune/1'"),
    "no key": ({"key": "../../etc"}, "is not an artifact's manifest: Expected `str` matching regex"),
    "an input that is no key": ({"inputs": {"start": "x"}}, r"at `\$\.inputs"),
    "a missing field": ({"metrics": msgspec.UNSET}, "missing required field `metrics`"),
    "an unknown field": ({"metrix": {}}, "unknown field `metrix`"),
    "a wrong type": ({"seconds": "long"}, r"Expected `float`, got `str` - at `\$.seconds`"),
    "a negative number": ({"seconds": -1}, "Expected `float` >= 0"),
    "a way out": ({"files": {"../x": {"sha256": "0" * 64, "bytes": 1}}}, "'../x' cannot be the name of a file"),
    "a root": ({"files": {"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}}, "cannot be the name of a file"),
    "a hash that is none": ({"files": {"x": {"sha256": "0", "bytes": 1}}}, "matching regex"),
    "rows of no schema": ({"files": {"x": {"sha256": "0" * 64, "bytes": 1, "rows": 3}}}, "both rows and schema"),
}


@pytest.mark.parametrize(("fields", "words"), WRONG_MANIFESTS.values(), ids=WRONG_MANIFESTS)
def test_a_manifest_that_cannot_be_trusted_is_a_sentence_that_names_it(folder, fields, words):
    change(folder / "manifest.json", **fields)
    with pytest.raises(StarError, match=words) as caught:
        read_manifest(folder)
    assert str(folder / "manifest.json") in caught.value.what


def bad_content() -> dict[str, bytes]:
    """Contents that are no JSON object at all."""
    return {
        "empty": b"",
        "torn": b'{"format": "artifact/1", "key"',
        "not UTF-8": b'{"format": "\xff\xfe"}',
        "a list": b"[]",
        "a number": b"1",
        "not a number": b'{"seconds": NaN}',
        "deep": b"[" * 200_000,
        "zero pages": b"\0" * 4096,
        "two values": b"{}{}",
    }


@pytest.mark.parametrize("content", bad_content().values(), ids=bad_content())
@pytest.mark.parametrize("name", ["manifest.json", "run.json"])
def test_content_that_is_no_json_object_is_a_sentence_that_names_the_file(folder, run, name, content):
    path = folder / name if name == "manifest.json" else run.path / name
    path.write_bytes(content)
    with pytest.raises(StarError) as caught:
        read_manifest(folder) if name == "manifest.json" else run.info
    assert str(path) in caught.value.what and "\n" not in caught.value.what and caught.value.hint


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_huge_file(path: Path) -> None:
    with open(path, "wb") as f:
        f.truncate(1 << 40)


PLACES = {
    "a directory": (Path.mkdir, "is a directory, not a file"),
    "a loop of links": (a_loop, "Too many levels of symbolic links"),
    "a pipe": (os.mkfifo, "is a pipe, not a file"),
    "a huge file": (a_huge_file, "1,099,511,627,776 bytes, more than"),
}


@pytest.mark.parametrize(("make", "words"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("name", ["manifest.json", "run.json", "ledger.jsonl"])
def test_what_stands_in_the_place_of_a_file_is_a_sentence(folder, run, name, make, words):
    path = folder / name if name == "manifest.json" else run.path / name
    path.unlink()
    make(path)
    with pytest.raises(StarError, match=words) as caught:
        {"manifest.json": lambda: read_manifest(folder), "run.json": lambda: run.info, "ledger.jsonl": run.events}[
            name
        ]()
    assert str(path) in caught.value.what


WRONG_LINES = {
    "an unknown event": b'{"event": "stagf", "time": "t"}',
    "a missing field": b'{"event": "stage", "time": "t"}',
    "no object": b"[1, 2]",
    "an empty line": b"",
    "not UTF-8": b'{"event": "start", "time": "\xff"}',
    "deep": b"[" * 100_000,
    "a round below zero": b'{"event":"stage","time":"t","round":-1,"name":"x","stage":"x","key":"%b","hit":true,'
    b'"seconds":1,"metrics":{}}' % (b"0" * 32),
    "a name that leaves the run": b'{"event":"stage","time":"t","round":1,"name":"../x","stage":"x","key":"%b",'
    b'"hit":true,"seconds":1,"metrics":{}}' % (b"0" * 32),
}


@pytest.mark.parametrize("line", WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_line_of_a_ledger_that_cannot_be_read_is_a_sentence_with_file_and_line(run, line):
    lines = run.ledger.read_bytes().split(b"\n")
    run.ledger.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]))
    with pytest.raises(StarError, match=r"ledger.jsonl:4: not a line of a ledger") as caught:
        run.events()
    assert caught.value.hint.startswith("remove line 4")
    assert [number for number, _ in ledger.faults(run.ledger)] == [4]


def test_metrics_that_are_missing_or_no_numbers_are_a_sentence_that_names_the_manifest(folder):
    from star_cli.store.artifacts import Artifact

    metrics = Artifact(KEY, folder, read_manifest(folder)).metrics
    assert metrics["steps"] == 48 and metrics.number("loss_first") == 0.6 and metrics.get("nothing") is None
    for wrong in (lambda: metrics["threshold"], lambda: metrics.number("start_weights")):
        with pytest.raises(StarError, match=f"{KEY}/manifest.json"):
            wrong()


def test_types_are_the_facts_that_others_read(folder):
    manifest = read_manifest(folder)
    assert manifest.inputs["start"] and manifest.files["examples.jsonl"].rows == 198
    assert msgspec.to_builtins(manifest.files["model/canary.json"]).keys() == {"sha256", "bytes"}
