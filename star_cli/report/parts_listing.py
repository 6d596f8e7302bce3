"""What there is: runs, artifacts, and the parts that can be chosen."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from star_cli.core import registry
from star_cli.errors import StarError, unknown
from star_cli.store.artifacts import Store
from star_cli.store.ledger import runs


def run_rows(home: Path, store: Store) -> list[dict[str, Any]]:
    """A row a run: name, status, sweep, what was overridden, rounds done, first and last accuracy."""
    rows: list[dict[str, Any]] = []
    for run in runs(home):
        try:
            info = run.info
        except StarError as e:
            rows.append({"name": run.name, "status": "broken", "message": e.what})
            continue
        scores = {e.round: e.metrics.get("accuracy") for e in run.events() if e.stage == e.name == "evaluate"}
        last = max(scores, default=None)
        rows.append(
            {
                "name": run.name,
                "status": _status(info),
                "sweep": info.get("sweep"),
                "overrides": info.get("arm") if info.get("sweep") else info.get("overrides"),
                "rounds": last,
                "base": scores.get(0),
                "accuracy": None if last is None else scores[last],
                "started": info.get("started"),
            }
        )
    return rows


def _status(info: dict[str, Any]) -> str:
    status, pid = str(info.get("status")), info.get("pid")
    if status == "running" and pid and not Path(f"/proc/{pid}").exists() and Path("/proc").exists():
        return "killed"
    return status


def sweeps_of(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows grouped for people: single runs in one table, each sweep in its own."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        tables.setdefault(row.get("sweep") or "", []).append({k: v for k, v in row.items() if k != "sweep"})
    return [(f"sweep {name}" if name else "runs", some) for name, some in tables.items()]


def artifact_rows(store: Store) -> list[dict[str, Any]]:
    """A row an artifact: key, stage, seconds it took, when."""
    found = (store.get(k) for k in store.keys())
    return [
        {
            "key": a.key,
            "stage": a.stage,
            "rows": {n: f["rows"] for n, f in a.manifest["files"].items() if "rows" in f},
            "seconds": a.manifest["seconds"],
            "created": a.manifest["created"],
        }
        for a in found
        if a
    ]


def part_rows(what: str) -> list[dict[str, Any]]:
    """A row a registered part: name, first line of its documentation, settings with defaults."""
    kind = what.removesuffix("s")
    if kind not in registry.KINDS:
        raise unknown("list", what, ["runs", "artifacts", *(k + "s" for k in registry.KINDS)])
    rows = []
    for name in registry.names(kind):
        part = registry.get(kind, name)
        rows.append(
            {"name": name, "what": what_is(part), "settings": {f.name: _default(f) for f in dataclasses.fields(part)}}
        )
    return rows


def what_is(part: Any) -> str:
    """What a part or its class is: the first line of its module, without its name."""
    name, module = registry.name_of(part), sys.modules[(part if isinstance(part, type) else type(part)).__module__]
    return ((module.__doc__ or "").strip().splitlines() or [""])[0].removeprefix(f"{name}: ")


def _default(f: Any) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default if isinstance(f.default, (str, int, float, bool, type(None))) else str(f.default)
    if f.default_factory is not dataclasses.MISSING:
        made = f.default_factory()
        return made if isinstance(made, (list, dict)) else str(made)
    return "(required)"
