"""Upkeep of a store: verify every hash, find and remove what no run uses."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.store import ledger
from star_cli.store.artifacts import KEY, VERDICT_CACHE, Store, open_store
from star_cli.store.ledger import Event
from star_cli.store.manifest import MANIFEST, address_fault
from star_cli.store.runs import Run, runs


def verify(home: Path, name: str | None) -> tuple[int, list[dict[str, str]]]:
    """Check the artifacts of a run (with all they were made from), or of the whole store and the files of all runs.

    Returns how many artifacts were checked, and the faults: [{"key", "file", "fault"}]; the key is "" for a run's file.
    """
    store = open_store(home)
    if name:
        run = Run(home, name)
        keys, faults = closure(store, [e.key for e in run.require().events()]), []
    else:
        keys, faults = set(store.keys()), [fault for run in runs(home) for fault in _run_faults(run)]
    for key in sorted(keys):
        faults += _artifact_faults(store, key)
    return len(keys), faults


def _run_faults(run: Run) -> list[dict[str, str]]:
    faults = []
    try:
        run.require()
    except StarError as e:
        faults.append({"key": "", "file": str(run.path / "run.json"), "fault": e.what})
    lines = [sentence for _, sentence in ledger.faults(run.ledger)]
    if not lines and (lost := run.lost()):
        lines = [f"the ledger has lost {', '.join(lost)}, to which links lead; star resume {run.name} notes them again"]
    return faults + [{"key": "", "file": str(run.ledger), "fault": sentence} for sentence in lines]


def _artifact_faults(store: Store, key: str) -> list[dict[str, str]]:
    path = store.root / key
    try:
        artifact = store.get(key)
    except StarError as e:
        return [{"key": key, "file": str(path / MANIFEST), "fault": e.what}]
    if artifact is None:
        return [{"key": key, "file": str(path), "fault": "this artifact is missing"}]
    changed = address_fault(artifact.manifest)
    if changed:
        return [{"key": key, "file": str(path / MANIFEST), "fault": changed}]
    checked = ((name, artifact.fault(name, force=True)) for name in artifact.manifest.files)
    return [{"key": key, "file": str(path / name), "fault": fault} for name, fault in checked if fault]


def closure(store: Store, keys: Iterable[str]) -> set[str]:
    """The keys and those of everything they were made from, as far as manifests can be read."""
    seen: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        try:
            artifact = store.get(key)
        except StarError:
            continue
        waiting += artifact.manifest.inputs.values() if artifact else ()
    return seen


Ledgers = frozenset[tuple[str, int, int]]  # (path, bytes, nanoseconds of its last change) of every ledger


@dataclass
class Unused:
    """What ``star gc`` may remove: ``rows`` of {"key", "stage", "path", "bytes"}; ``seen`` is how the ledgers stood.

    ``doubts`` are sentences about files that cannot be read. While there are any it is not known what the runs use, and
    no finished artifact is among the rows.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    seen: Ledgers = field(default_factory=frozenset)


def unused(home: Path) -> Unused:
    """What no run's ledger or link leads to, drafts that nobody is building, and early verdicts."""
    store, result = open_store(home), Unused(seen=_ledgers(home))
    used: set[str] = set()
    for run in runs(home):
        keys, doubts = _keys_of(run)
        used |= keys
        result.doubts += doubts
    used = closure(store, used)
    broken = {key: sentence for key in store.keys() if (sentence := _broken(store, key))}
    result.doubts += [sentence for key, sentence in broken.items() if key in used]
    for key in store.keys() if not result.doubts else ():
        artifact = None if key in broken or key in used else store.get(key)
        if artifact:
            result.rows.append(_row(key, artifact.stage, artifact.path))
        elif key in broken:
            result.rows.append(_row(key, "damaged", store.root / key))
    for draft in store.partials():
        result.rows.append(_row(draft.name.removesuffix(".partial"), "unfinished", draft))
    if (store.root / VERDICT_CACHE).exists():
        result.rows.append(_row(VERDICT_CACHE, "early verdicts", store.root / VERDICT_CACHE))
    return result


def _broken(store: Store, key: str) -> str | None:
    """What is wrong with the manifest of an artifact, which says what it was made of."""
    try:
        store.get(key)
    except StarError as e:
        return e.what
    return None


def _keys_of(run: Run) -> tuple[set[str], list[str]]:
    """(the keys that a run's ledgers, old ones too, and its links lead to; what of them cannot be read)."""
    keys, doubts = set(), []
    for path in run.ledgers():
        faults = ledger.faults(path)
        doubts += [sentence for _, sentence in faults]
        if not faults:
            keys |= {line.key for line in ledger.read(path) if isinstance(line, Event)}
    for link in run.links():
        target = os.path.basename(os.readlink(link))
        if KEY.fullmatch(target):
            keys.add(target)
    return keys, doubts


def _row(key: str, stage: str, path: Path) -> dict[str, Any]:
    return {"key": key, "stage": stage, "path": str(path), "bytes": _size(path)}


def _size(path: Path) -> int:
    """The bytes of all files below a folder; links are not followed."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # removed meanwhile
                continue
    return total


def _ledgers(home: Path) -> Ledgers:
    """How the ledgers of all runs stand."""
    return frozenset(_standing(path) for run in runs(home) for path in run.ledgers())


def _standing(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:  # gone, or a link to nothing
        return str(path), -1, 0
    return str(path), status.st_size, status.st_mtime_ns


def collect(home: Path, found: Unused) -> list[str]:
    """Remove what ``unused`` found, except what is being built or has come into use since; returns the keys removed.

    A run holds the lock of a key until its ledger names the key. So what no ledger names while this holds the lock is
    in nobody's use.
    """
    store, seen = open_store(home).open(), found.seen
    still = {(row["key"], row["stage"]) for row in found.rows}
    removed = []
    for row in found.rows:
        with open(store.root / ".locks" / row["key"], "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # somebody is building it, or about to use it
            if _ledgers(home) != seen:
                again = unused(home)
                seen, still = again.seen, {(r["key"], r["stage"]) for r in again.rows}
            if (row["key"], row["stage"]) in still and _remove(Path(row["path"])):
                removed.append(row["key"])
    return removed


def _remove(path: Path) -> bool:
    """Remove a folder, or the file or link that stands in its place; whether it is gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not os.path.lexists(path)
