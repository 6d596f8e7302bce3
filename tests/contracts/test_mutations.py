"""Damaged files: thousands of mutations of what star writes, each a sentence that names the file, or without effect.

Every mutation changes one file of a home with two finished runs: a flipped bit, a cut, a doubled or exchanged piece,
other bytes, other versions, deep and huge content, directories, loops. Then the commands that list and check are run:

- no command may end in a traceback;
- what is damaged is told by `star verify`, and by every command whose output differs because of it;
- no other file may change.

What cannot be told is a value that was replaced by another valid one in a place of which no second copy exists (a
metric in a manifest, the seed in run.json): such mutations are counted as *values* and must only not crash.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, call

from star_cli.errors import StarError
from star_cli.store.artifacts import _verified, open_store

COMMANDS = [
    ["ls", "runs"],
    ["ls", "artifacts"],
    ["show", "demo"],
    ["show", "demo/round-2"],
    ["show", "demo/round-1/filter", "--wrong"],
    ["compare", "demo", "other"],
    ["diff", "demo", "other"],
    ["gc", "--dry-run"],
]
OPTIONAL = {"built", "mkl", "sources", "schemas"}
FREE = {"metrics", "tag", "config", "versions", "parts", "pins"}  # whose content is not checked by a type
RUN = ["run", *SMALL, "task.train=60", "problems=60"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Two finished runs, which share what was made before their first training."""
    home = tmp_path_factory.mktemp("mutated")
    for args in (["name=demo"], ["name=other", "trainer.gain=0.9"]):
        done = call(home, *RUN, *args)
        assert done.code == 0, done.err
    return home


@pytest.fixture(scope="module")
def outputs(home) -> dict[str, str]:
    """What every command prints of the undamaged home."""
    return {" ".join(command): printed(home, command)[1] for command in [*COMMANDS, ["verify"]]}


def printed(home: Path, command: list[str]) -> tuple[int, str]:
    """(exit code, everything printed); an exception that no sentence was made of fails the test."""
    _verified.clear()  # every command of a user is a process of its own
    done = call(home, *command)
    assert "Traceback" not in done.out + done.err
    return done.code, done.out + done.err


# ---- mutations
Change = Callable[[bytes, random.Random], bytes]


def flip(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def overwrite(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.randint(1, 16)) + content[at + rng.randint(0, 16) :]


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def piece(content: bytes, rng: random.Random) -> tuple[int, int]:
    at = rng.randrange(len(content))
    return at, min(len(content), at + rng.randint(1, 200))


def duplicate(content: bytes, rng: random.Random) -> bytes:
    start, end = piece(content, rng)
    return content[:end] + content[start:end] + content[end:]


def drop(content: bytes, rng: random.Random) -> bytes:
    start, end = piece(content, rng)
    return content[:start] + content[end:]


def a_line_twice(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines, rng.choice(lines)])


def a_line_less(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


def insert(*pieces: bytes) -> Change:
    def change(content: bytes, rng: random.Random) -> bytes:
        at = rng.randrange(len(content) + 1)
        return content[:at] + rng.choice(pieces) + content[at:]

    return change


def replace(*pairs: tuple[bytes, bytes]) -> Change:
    def change(content: bytes, rng: random.Random) -> bytes:
        present = [pair for pair in pairs if pair[0] in content]
        return content.replace(*rng.choice(present), 1) if present else content

    return change


CHANGES: dict[str, Change] = {
    "flip": flip,
    "overwrite": overwrite,
    "truncate": truncate,
    "duplicate": duplicate,
    "drop": drop,
    "a line twice": a_line_twice,
    "a line less": a_line_less,
    "swap lines": swap_lines,
    "empty": lambda content, rng: b"",
    "zero pages": lambda content, rng: content + b"\0" * 4096,
    "a newline": lambda content, rng: content + b"\n",
    "not UTF-8": insert(b"\xff\xfe", b"\xc3", b"\xed\xa0\x80"),
    "huge line": lambda content, rng: content + b"x" * 3_000_000 + b"\n",
    "deep": insert(b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900),
    "numbers": replace((b": 0", b": NaN"), (b": 1", b": -1"), (b": 2", b": 1e999"), (b": 1", b": 1" + b"0" * 5000)),
    "types": replace((b'": "', b'": 7, "x": "'), (b": {", b": [{"), (b": false", b': "no"'), (b": null", b": {}")),
    "version": replace((b'/1"', b'/2"'), (b'"artifact/1"', b'"artifact"'), (b'"event"', b'"evnt"')),
    "text": replace(
        (b'"name": "', b'"name": "../'), (b'"key": "', b'"key": "\\u0000'), (b'"stage": "', b'"stage": "\\ud800')
    ),
}


def a_directory(path: Path) -> None:
    path.mkdir()


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def a_long_link(path: Path) -> None:
    path.symlink_to("x" * 4000)


def a_sparse_file(path: Path) -> None:
    with open(path, "wb") as f:
        f.truncate(1 << 40)


def nothing(path: Path) -> None:
    pass


PLACES = {f.__name__: f for f in (a_directory, a_loop, a_link_to_nothing, a_long_link, a_sparse_file, nothing)}


@dataclass(frozen=True)
class Mutation:
    """One damage: ``kind`` of file, ``path`` below the home, what was done to it."""

    kind: str
    path: Path
    change: str
    before: bytes | None
    after: bytes | None  # None: no regular file stands there any more

    @property
    def verdict(self) -> str:
        """same, value or damaged: whether a reader can know of it."""
        if self.kind == "link":
            return "same"  # links are for people: no command reads one
        if self.kind == "manifest" and self.change == "nothing":
            return "value"  # without its manifest an artifact does not exist
        if self.after is None:
            return "damaged"
        if self.after == self.before:
            return "same"
        if self.kind in ("records", "other"):
            return "damaged"
        assert self.before is not None
        return (
            json_verdict(self.before, self.after) if self.kind != "ledger" else ledger_verdict(self.before, self.after)
        )


def json_verdict(before: bytes, after: bytes) -> str:
    """Of a JSON file: same content, other values in the same places, or damaged."""
    try:
        old, new = json.loads(before), json.loads(after, parse_constant=no_constant, object_pairs_hook=no_twins)
    except Twins:
        return "value"  # which of two equal names counts is the reader's choice
    except (ValueError, RecursionError):
        return "damaged"
    return "same" if old == new else "value" if same_shape(old, new) else "damaged"


def ledger_verdict(before: bytes, after: bytes) -> str:
    """Of a ledger; a last line without a newline was torn by a crash, and is none."""
    verdicts, old = {"same"}, before.split(b"\n")[:-1]
    new = after.split(b"\n")[:-1]
    for i, line in enumerate(new):
        if line in old:  # a whole event, maybe at another place
            verdicts.add("same" if old[min(i, len(old) - 1)] == line else "value")
        else:
            verdicts.add(json_verdict(old[min(i, len(old) - 1)], line))
    if len(new) != len(old):
        verdicts.add("value")
    return next(v for v in ("damaged", "value", "same") if v in verdicts)


class Twins(Exception):
    """An object has the same name twice."""


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Twins
    return dict(pairs)


def no_constant(name: str) -> None:
    raise ValueError(name)


def same_shape(old: Any, new: Any, free: bool = False) -> bool:
    """Whether two JSON values have the same fields of the same types; what is free may hold anything."""
    if isinstance(old, dict) and isinstance(new, dict):
        shared = old.keys() & new.keys()
        same_fields = (old.keys() ^ new.keys()) <= OPTIONAL
        return free or (same_fields and all(same_shape(old[k], new[k], k in FREE) for k in shared))
    if isinstance(old, list) and isinstance(new, list):
        return True
    number = (int, float)
    alike = (
        isinstance(old, number) and isinstance(new, number) and not isinstance(old, bool) and not isinstance(new, bool)
    )
    return free or alike or type(old) is type(new) or old is None or new is None


def targets(home: Path) -> dict[str, list[Path]]:
    """The files of a home by kind."""
    artifacts = [p for p in sorted((home / "artifacts").glob("[!.]*/*")) if p.is_file()]
    return {
        "manifest": [p for p in artifacts if p.name == "manifest.json"],
        "records": [p for p in artifacts if p.suffix == ".jsonl"],
        "other": [p for p in artifacts if p.suffix != ".jsonl" and p.name != "manifest.json"],
        "ledger": sorted((home / "runs").glob("*/ledger.jsonl")),
        "run.json": sorted((home / "runs").glob("*/run.json")),
        "link": sorted(p for p in (home / "runs").glob("*/round-*/*") if p.is_symlink()),
    }


@contextmanager
def mutated(home: Path, rng: random.Random) -> Iterator[Mutation]:
    """One mutation, and everything as it was afterwards."""
    files = targets(home)
    kind = rng.choice([*files, "manifest", "ledger", "run.json"])
    path = rng.choice(files[kind])
    link = os.readlink(path) if path.is_symlink() else None
    content = None if link else path.read_bytes()
    status = os.lstat(path)
    if link is None and rng.random() < 0.8:
        change = rng.choice(list(CHANGES))
        after = CHANGES[change](content, rng)
        path.write_bytes(after)
    else:
        change, after = rng.choice(list(PLACES)), None
        path.unlink()
        PLACES[change](path)
    if after is not None or change == "a_sparse_file":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # nothing else gives the damage away
    try:
        yield Mutation(kind, path, change, content, after)
    finally:
        if os.path.isdir(path) and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if link is not None:
            path.symlink_to(link)
        else:
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def tree(home: Path, but: Path) -> dict[str, str]:
    """The hash of every file of a home but one."""
    found = {}
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder, name)
            if path != but and ".locks" not in path.parts:
                content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
                found[str(path)] = hashlib.sha256(content).hexdigest()
    return found


def tells(output: str, mutation: Mutation, home: Path) -> bool:
    """Whether what was printed names the damaged file, or its artifact or run."""
    return str(mutation.path) in output or mutation.path.relative_to(home).parts[1][:12] in output.replace(
        "demo/", "demo "
    )


def check(home: Path, outputs: dict[str, str], rng: random.Random, counts: Counter[str]) -> None:
    with mutated(home, rng) as mutation:
        about = f"{mutation.change} of {mutation.path.relative_to(home)}"
        others = tree(home, mutation.path)
        verdict = mutation.verdict
        code, verified = printed(home, ["verify"])
        if verdict == "same":
            assert (code, verified) == (0, outputs["verify"]), f"{about}: nothing is damaged\n{verified}"
        if verdict == "damaged":
            assert code == 1 and str(mutation.path) in verified, f"{about}: verify does not tell\n{verified}"
        for command in rng.sample(COMMANDS, 2):
            _, output = printed(home, command)
            differs = output != outputs[" ".join(command)]
            if verdict == "same":
                assert not differs, f"{about}: star {' '.join(command)}\n{output}"
            if verdict == "damaged" and differs:
                assert tells(output, mutation, home), f"{about}: star {' '.join(command)} says nothing\n{output}"
        assert tree(home, mutation.path) == others, f"{about}: another file was changed"
        counts[f"{mutation.kind}, {verdict}"] += 1
    counts["all"] += 1


@pytest.mark.parametrize("seed", range(10))
def test_five_hundred_mutations(home, outputs, seed):
    counts: Counter[str] = Counter()
    for n in range(50):
        check(home, outputs, random.Random(1000 * seed + n), counts)
    print(dict(sorted(counts.items())))
    assert counts["all"] == 50 and printed(home, ["verify"]) == (0, outputs["verify"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 60))
def test_five_thousand_mutations(home, outputs, seed):
    counts: Counter[str] = Counter()
    for n in range(100):
        check(home, outputs, random.Random(1000 * seed + n), counts)
    print(dict(sorted(counts.items())))
    assert counts["all"] == 100 and printed(home, ["verify"]) == (0, outputs["verify"])


# ---- resuming
CUT = [*RUN, "name=cut"]


@pytest.fixture(scope="module")
def cut(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A run that ended in the middle of its first samples, and the hashes of all artifacts of a whole one."""
    whole, cut = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    assert call(whole, *CUT).code == 0
    done = call(cut, *CUT, "engine.die_after=25", "engine.die_always=true")
    assert done.code == 1 and list((cut / "artifacts").glob("*.partial/*.journal"))
    return cut, hashes(whole)


def hashes(home: Path) -> dict[str, str]:
    """The sha256 of every file of every readable artifact, by key and name."""
    found: dict[str, str] = {}
    store = open_store(home)
    for key in store.keys():
        try:
            artifact = store.get(key)
        except StarError:
            continue
        if artifact is not None:
            found |= {f"{key}/{name}": entry.sha256 for name, entry in artifact.manifest.files.items()}
    return found


def damage(path: Path, rng: random.Random) -> str:
    """Damage one file for good; returns what was done."""
    change = rng.choice(list(CHANGES))
    content = path.read_bytes()
    path.write_bytes(CHANGES[change](content, rng) if content else b"\0")
    return f"{change} of {path.name}"


def check_resume(cut: tuple[Path, dict[str, str]], place: Path, rng: random.Random) -> None:
    """Damage a file of an interrupted run and start it again: the same artifacts in the end, or a sentence."""
    home, whole = cut
    shutil.copytree(home, place, symlinks=True)
    kind = rng.choice(["journal", "journal", "manifest", "ledger", "run.json", "records"])
    files = {**targets(place), "journal": sorted(place.glob("artifacts/*.partial/*.journal"))}
    path = rng.choice(files[kind])
    before = hashes(place)
    about = damage(path, rng)
    _verified.clear()
    done = call(place, *CUT)
    assert "Traceback" not in done.err, f"{about}\n{done.err}"
    if done.code:
        assert kind in ("manifest", "records") and path.parent.name in done.err, f"{about}\n{done.err}"
        shutil.rmtree(path.parent)  # as the sentence says
        done = call(place, *CUT)
    assert done.code == 0, f"{about}\n{done.err}"
    after = hashes(place)
    assert {name: after[name] for name in whole} == whole, f"{about}: other artifacts than of an undisturbed run"
    if kind not in ("manifest", "records"):
        assert before.items() <= after.items(), f"{about}: a finished artifact was lost"
    shutil.rmtree(place)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_run_that_is_started_again_ends_like_an_undisturbed_one(cut, tmp_path, seed):
    for n in range(5):
        check_resume(cut, tmp_path / str(n), random.Random(f"resume {seed} {n}"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 44))
def test_hundreds_of_damaged_runs_end_like_an_undisturbed_one(cut, tmp_path, seed):
    for n in range(10):
        check_resume(cut, tmp_path / str(n), random.Random(f"resume {seed} {n}"))
