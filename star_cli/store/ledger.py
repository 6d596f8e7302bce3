"""The address book for people: ``runs/<name>/`` with the ledger of what was done and links to the artifacts."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.core.keys import key
from star_cli.errors import StarError, unknown
from star_cli.store.artifacts import Artifact, Store, full_disk, write_json

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,=+-]*(/[A-Za-z0-9][A-Za-z0-9._,=+-]*)?")


@dataclass(frozen=True)
class Event:
    """One line of a ledger: a stage that was built or found."""

    round: int
    name: str
    stage: str
    key: str
    hit: bool
    seconds: float
    metrics: dict[str, Any]


class Run:
    """One run's folder. ``run.json`` says what it is, ``ledger.jsonl`` what was done, in order."""

    def __init__(self, home: Path, name: str) -> None:
        if not SAFE.fullmatch(name) or ".." in name:
            raise StarError(
                f"name={name!r} cannot be a run's name",
                hint="use letters, digits and . _ , = + - (and one / for a sweep), for example name=demo",
            )
        self.home, self.name = home, name
        self.path = home / "runs" / name
        self._since = 0

    @property
    def info(self) -> dict[str, Any]:
        """What ``run.json`` holds."""
        try:
            found: dict[str, Any] = json.loads((self.path / "run.json").read_bytes())
            return found
        except FileNotFoundError:
            raise unknown(
                "run", self.name, [r.name for r in runs(self.home)], hint="star ls runs shows them all"
            ) from None
        except ValueError as e:
            raise StarError(f"{self.path / 'run.json'} is not valid JSON: {e}", hint="start the run again") from e

    def start(self, info: dict[str, Any]) -> bool:
        """Open the run; True when it was there before. Other settings under one name begin a new ledger, and keep the
        old.
        """
        with full_disk(str(self.path)):
            self.path.mkdir(parents=True, exist_ok=True)
            known = (self.path / "run.json").exists()
            if known:
                try:
                    old = self.info
                except StarError:
                    old = {}
                if old.get("config_key") != info["config_key"]:
                    self._archive()
                elif not info["sweep"]:  # an arm that is resumed by itself stays in its sweep
                    info = {**info, "sweep": old.get("sweep"), "arm": old.get("arm")}
            self.update(**{**info, "status": "running", "pid": os.getpid(), "started": _now()}, fresh=True)
            self._append({"event": "start", "time": _now()})
        return known

    def _archive(self) -> None:
        number = 1
        while (self.path / f"ledger.{number}.jsonl").exists():
            number += 1
        for name in ("ledger", "run"):
            suffix = "jsonl" if name == "ledger" else "json"
            source = self.path / f"{name}.{suffix}"
            if source.exists():
                source.rename(self.path / f"{name}.{number}.{suffix}")
        for link in self.path.glob("round-*/*"):
            if link.is_symlink():
                link.unlink()

    def update(self, *, fresh: bool = False, **fields: Any) -> None:
        """Change fields of ``run.json``."""
        old = {} if fresh or not (self.path / "run.json").exists() else self.info
        with full_disk(str(self.path)):
            write_json(self.path / "run.json", {"format": "run/1", "name": self.name, **old, **fields})

    def finish(self, status: str, message: str | None = None) -> None:
        """Note how the run ended: finished, failed or interrupted."""
        self.update(status=status, message=message, ended=_now())

    def record(self, event: Event, artifact: Artifact) -> None:
        """Append a stage to the ledger and link its artifact under round-N/name."""
        self._append(
            {
                "event": "stage",
                "time": _now(),
                "round": event.round,
                "name": event.name,
                "stage": event.stage,
                "key": event.key,
                "hit": event.hit,
                "seconds": round(event.seconds, 3),
                "metrics": event.metrics,
            }
        )
        link = self.path / f"round-{event.round}" / event.name
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(artifact.path, link.parent)
        if link.is_symlink() and os.readlink(link) == target:
            return
        fresh = link.with_name(f".{link.name}.{os.getpid()}")  # another process may be linking the same stage
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        os.replace(fresh, link)

    def _append(self, line: dict[str, Any]) -> None:
        path = self.path / "ledger.jsonl"
        with full_disk(str(path)), open(path, "ab+") as f:
            if f.tell():
                f.seek(-1, os.SEEK_END)
                if f.read(1) != b"\n":
                    f.write(b"\n")  # a line torn by a crash stays where it is, readers pass over it
            f.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            f.flush()

    def events(self) -> list[Event]:
        """The stages of the run, each name of a round once with its last record, in order of rounds as first done.

        ``seconds`` and ``hit`` are those of the time it was built, when this run built it.
        """
        merged: dict[tuple[int, str], Event] = {}
        for line in self._lines():
            if line.get("event") != "stage":
                continue
            event = Event(
                line["round"],
                line["name"],
                line["stage"],
                line["key"],
                line["hit"],
                line["seconds"],
                line.get("metrics", {}),
            )
            old = merged.get((event.round, event.name))
            if old and old.key == event.key and not old.hit:
                continue
            merged[event.round, event.name] = event
        return list(merged.values())

    def latest(self) -> list[Event]:
        """The stages since the run was last started."""
        return [
            Event(x["round"], x["name"], x["stage"], x["key"], x["hit"], x["seconds"], x.get("metrics", {}))
            for x in self._lines(since_start=True)
            if x.get("event") == "stage"
        ]

    def _lines(self, since_start: bool = False) -> Iterator[dict[str, Any]]:
        path = self.path / "ledger.jsonl"
        if not path.exists():
            return
        lines: list[dict[str, Any]] = []
        for raw in path.read_bytes().splitlines():
            try:
                line = json.loads(raw)
            except ValueError:
                continue  # torn by a crash
            if since_start and line.get("event") == "start":
                lines = []
            lines.append(line)
        yield from lines

    def artifact(self, store: Store, round: int, name: str) -> Artifact:
        """The artifact of one stage of the run."""
        events = self.events()
        for event in events:
            if (event.round, event.name) == (round, name):
                found = store.get(event.key)
                if found is None:
                    raise StarError(
                        f"the artifact {event.key} of {self.name}/round-{round}/{name} is no longer in the store",
                        hint=f"star resume {self.name} builds it again",
                    )
                return found
        have = [f"round-{e.round}/{e.name}" for e in events]
        raise unknown(f"stage of run {self.name}", f"round-{round}/{name}", have)


def runs(home: Path) -> list[Run]:
    """All runs of a home, oldest first."""
    root = home / "runs"
    paths = [p.parent for pattern in ("*/run.json", "*/*/run.json") for p in root.glob(pattern)]
    return sorted(
        (Run(home, p.relative_to(root).as_posix()) for p in paths), key=lambda r: (r.path / "run.json").stat().st_mtime
    )


def parse_path(text: str) -> tuple[str, int | None, str | None]:
    """``demo/round-2/filter`` -> ("demo", 2, "filter"); round and stage may be missing."""
    match = re.fullmatch(r"(.+?)(?:/round-(\d+)(?:/([^/]+))?)?/?", text)
    if match is None:
        raise StarError(f"{text!r} is not a run path", hint="name it like demo/round-2/generate")
    name, number, stage = match.groups()
    return name, None if number is None else int(number), stage


def find_artifact(home: Path, store: Store, text: str) -> Artifact:
    """The artifact a person means: a run path such as ``demo/round-2/generate``, or a key or its beginning."""
    name, number, stage = parse_path(text)
    if number is not None and stage:
        return Run(home, name).artifact(store, number, stage)
    if number is not None or (home / "runs" / name).exists():
        raise StarError(f"{text!r} names a run, not one of its stages", hint=f"for example {name}/round-1/generate")
    return store.find(text)


def default_name(experiment: str | None, overrides: list[str]) -> str:
    """A run's name made of experiment and overrides: the same command gives the same name."""
    told = [o.lstrip("+~") for o in overrides if o.lstrip("+~").split("=")[0].split(".")[0] not in QUIET]
    parts = [experiment or "star", *sorted(re.sub(r"[^A-Za-z0-9._,=+-]+", "_", o) for o in told)]
    name = "-".join(p.strip("._-") for p in parts)
    return name if len(name) <= 80 else f"{name[:66]}-{key(sorted(told))[:12]}"


QUIET = {"name", "home", "runtime", "tracking", "hydra", "experiment", "forecast", "pilot", "optimize"}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def arms_below(home: Path, name: str) -> list[Run]:
    """The runs of a sweep, by name."""
    return sorted((r for r in runs(home) if r.name.startswith(f"{name}/")), key=lambda r: r.name)
