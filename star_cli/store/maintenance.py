"""Upkeep of a store: verify every hash, find and remove what no run uses."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.store.artifacts import FOLDER, Artifact, Store, open_store
from star_cli.store.ledger import Run, runs


def verify(home: Path, name: str | None) -> tuple[int, list[dict[str, str]]]:
    """Check the artifacts of a run (with all they were made from), or of the whole store: (how many, faults)."""
    store = open_store(home)
    keys = closure(store, [e.key for e in _known(home, name).events()]) if name else store.keys()
    faults: list[dict[str, str]] = []
    for key in sorted(keys):
        try:
            artifact = store.get(key)
        except StarError as e:
            faults.append({"key": key, "file": str(store.root / key), "fault": e.what})
            continue
        if artifact is None:
            faults.append({"key": key, "file": str(store.root / key), "fault": "this artifact is missing"})
            continue
        faults += [
            {"key": key, "file": str(artifact.path / f), "fault": fault}
            for f in artifact.manifest["files"]
            if (fault := artifact.fault(f, force=True))
        ]
    return len(keys), faults


def _known(home: Path, name: str) -> Run:
    run = Run(home, name)
    run.info  # noqa: B018  (raises for an unknown run)
    return run


def closure(store: Store, keys: list[str]) -> set[str]:
    """The keys and those of everything they were made from."""
    seen: set[str] = set()
    todo = list(keys)
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        try:
            artifact = store.get(key)
        except StarError:
            continue
        todo += artifact.manifest["inputs"].values() if artifact else ()
    return seen


def unused(home: Path) -> list[dict[str, Any]]:
    """What no run's ledger leads to, and drafts that nobody is building: [{"key", "stage", "path", "bytes"}]."""
    store = open_store(home)
    used: set[str] = set()
    for run in runs(home):
        for ledger in run.path.glob("ledger*.jsonl"):
            used |= _keys(ledger)
    used = closure(store, sorted(used))
    found = [_row(a) for k in store.keys() if k not in used and (a := store.get(k))]
    for draft in store.partials():
        key = draft.name.removesuffix(".partial")
        found.append({"key": key, "stage": "unfinished", "path": str(draft), "bytes": _size(draft)})
    cache = store.root / FOLDER
    if cache.exists():
        found.append({"key": FOLDER, "stage": "early verdicts", "path": str(cache), "bytes": _size(cache)})
    return found


def _row(artifact: Artifact) -> dict[str, Any]:
    return {"key": artifact.key, "stage": artifact.stage, "path": str(artifact.path), "bytes": _size(artifact.path)}


def _keys(ledger: Path) -> set[str]:
    keys = set()
    for line in ledger.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # torn by a crash
        if isinstance(event, dict) and "key" in event:
            keys.add(str(event["key"]))
    return keys


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def collect(home: Path, rows: list[dict[str, Any]]) -> list[str]:
    """Remove what ``unused`` found, except what is being built right now; returns the keys removed."""
    store = open_store(home).open()
    removed = []
    for row in rows:
        with open(store.root / ".locks" / row["key"], "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # somebody is building it
            shutil.rmtree(row["path"], ignore_errors=True)
            removed.append(row["key"])
    return removed
