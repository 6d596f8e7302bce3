"""Why two keys differ: field by field, through the inputs, down to the first cause; for a plug-in down to its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from star_cli.store.addresses import find_artifact, parse_path
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.runs import Run

Row = dict[str, Any]


def differences(home: Path, a: str, b: str) -> list[Row]:
    """Rows {"where", "a", "b"}: of two artifacts their settings and inputs, of two runs settings, keys and accuracy."""
    store = open_store(home)
    if all(parse_path(x)[1] is None for x in (a, b)) and any((home / "runs" / x).exists() for x in (a, b)):
        return list(_runs(Run(home, a), Run(home, b)))
    return list(_artifacts(store, find_artifact(home, store, a), find_artifact(home, store, b), ""))


def _artifacts(store: Store, a: Artifact, b: Artifact, where: str, seen: frozenset[str] = frozenset()) -> Iterator[Row]:
    if a.key == b.key:
        return
    label = f"{where or a.stage}"
    yield from _code(a, b, label)
    yield from _fields(_versions_only(a.tag), _versions_only(b.tag), label)
    left, right = a.manifest.inputs, b.manifest.inputs
    for role in sorted({*left, *right}):
        if left.get(role) == right.get(role):
            continue
        one, other = (store.get(side[role]) if role in side else None for side in (left, right))
        if one and other and role not in seen:
            rows = list(_artifacts(store, one, other, f"{label} < {role}", seen | {role}))
            yield from rows or [{"where": f"{label} < {role}", "a": one.key[:12], "b": other.key[:12]}]
        else:
            yield {
                "where": f"{label} < {role}",
                "a": left.get(role, "(none)")[:12],
                "b": right.get(role, "(none)")[:12],
            }


def _code(a: Artifact, b: Artifact, where: str) -> Iterator[Row]:
    """What was edited in the plug-ins that made two artifacts: the file, and the function or class in it."""
    seen: set[tuple[str, str]] = set()
    left, right = (x.manifest.sources or {} for x in (a, b))
    for part in sorted({*left, *right}):
        for file in sorted({*left.get(part, {}), *right.get(part, {})}):
            one, other = (side.get(part, {}).get(file, {}) for side in (left, right))
            for name in sorted({*one, *other}):
                if one.get(name) != other.get(name) and (file, name) not in seen:
                    seen.add((file, name))
                    yield {"where": f"{where}: {file}, {name}", "a": one.get(name), "b": other.get(name)}


def _versions_only(tag: Any) -> Any:
    """A tag without the hashes of code in its parts' versions: ``_code`` says what differs there."""
    if isinstance(tag, dict):
        return {k: v.partition("+")[0] if k == "_" else _versions_only(v) for k, v in tag.items()}
    return [_versions_only(v) for v in tag] if isinstance(tag, list) else tag


def _fields(a: Any, b: Any, where: str) -> Iterator[Row]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted({*a, *b}):
            yield from _fields(a.get(name), b.get(name), f"{where}.{name}" if name != "_" else where)
    elif a != b:
        yield {"where": where, "a": a, "b": b}


def _runs(a: Run, b: Run) -> Iterator[Row]:
    settings = [{k: v for k, v in r.info.config.items() if k not in ("name", "home", "runtime")} for r in (a, b)]
    yield from _fields(settings[0], settings[1], "settings")
    events = [{(e.round, e.name): e for e in r.events()} for r in (a, b)]
    yield from _code_of_runs(a, b, [(events[0][at].key, events[1][at].key) for at in events[0] if at in events[1]])
    for at in sorted({*events[0], *events[1]}):
        one, other = (e.get(at) for e in events)
        where = f"round-{at[0]}/{at[1]}"
        if one is None or other is None:
            yield {"where": where, "a": one and one.key[:12], "b": other and other.key[:12]}
        elif one.key != other.key:
            yield {
                "where": where,
                "a": one.metrics.get("accuracy", one.key[:12]),
                "b": other.metrics.get("accuracy", other.key[:12]),
            }


def _code_of_runs(a: Run, b: Run, pairs: list[tuple[str, str]]) -> Iterator[Row]:
    """What was edited in the plug-ins between two runs, each edit once; what is no longer in a store is passed over."""
    seen: list[Row] = []
    for one, other in pairs:
        left, right = (open_store(run.home).get(key) for run, key in ((a, one), (b, other)))
        for row in _code(left, right, "code") if one != other and left and right else ():
            if row not in seen:
                seen.append(row)
                yield row
