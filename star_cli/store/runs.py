"""The address book for people: ``runs/<name>/`` with its settings, its ledger, and links to the artifacts.

runs/demo/run.json                  what was asked for, and how it ended
runs/demo/ledger.jsonl              what was done (ledger.py)
runs/demo/round-2/filter            -> ../../../artifacts/<key>
runs/shootout/seed=1/...            an arm of a sweep
"""

from __future__ import annotations

import fnmatch
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from star_cli.errors import StarError, unknown
from star_cli.store import ledger
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.durable import TEMPORARY, make_directory, remove_leftovers, write_json, write_link, writing
from star_cli.store.json_files import read_struct
from star_cli.store.ledger import Event, Start, now
from star_cli.store.run_info import FORMAT, RunInfo, Settings
from star_cli.store.run_names import UNNAMED, can_be_named, check_name

RUN_JSON = "run.json"
LEDGER = "ledger.jsonl"


class Run:
    """One run's folder. ``run.json`` says what it is, ``ledger.jsonl`` what was done, in order."""

    def __init__(self, home: Path, name: str) -> None:
        check_name(name)
        self.home, self.name = home, name
        self.path = home / "runs" / name
        self.ledger = self.path / LEDGER

    def exists(self) -> bool:
        """Whether it was ever started, in whatever state its files are."""
        return os.path.lexists(self.path / RUN_JSON) or os.path.lexists(self.ledger)

    @property
    def info(self) -> RunInfo:
        """What ``run.json`` holds; a StarError where there is no such run, or where its file cannot be read."""
        path = self.path / RUN_JSON
        hint = f"start the run again: its artifacts are found, and {path} is set aside"
        try:
            return read_struct(path, RunInfo, "the run.json of a run", hint=hint, format=FORMAT)
        except FileNotFoundError:
            if os.path.lexists(self.ledger):
                raise StarError(f"{path} is missing", hint=hint) from None
            names = [r.name for r in runs(self.home)]
        arms = sorted(name for name in names if name.startswith(f"{self.name}/"))
        if arms:
            raise StarError(f"{self.name} is a sweep of {len(arms)} runs, not one run", hint=f"name one: {arms[0]}")
        raise unknown("run", self.name, names, hint="star ls runs shows them all")

    # ---- writing
    # ------------------------------------------------------------------------------------------------------
    def require(self) -> Run:
        """The run itself. Raises StarError for one that is unknown, or whose run.json cannot be read."""
        self.info  # noqa: B018  (raises)
        return self

    def start(self, settings: Settings) -> list[str]:
        """Open the run; returns sentences about what a crash had left, mended now, and about a name that is reused.

        Other settings under one name begin a new run: the old one moves to a name of its own, as a whole. A damaged
        run.json or ledger is kept beside the new one. Raises StarError where the old one is still running.
        """
        moved: list[str] = []
        with writing(str(self.path)):
            make_directory(self.path)
            self._remove_leftovers()
            try:
                before = self.info if self.exists() else None
            except StarError:  # damaged, or a ledger without its run.json
                before = None
                self._set_aside()
            if before and before.config_key != settings.config_key:
                moved = [self._make_way(before, settings)]
            elif before and not settings.sweep:  # an arm that is resumed by itself stays in its sweep
                settings = msgspec.structs.replace(settings, sweep=before.sweep, arm=before.arm)
            mended = moved + self._mend_ledger()
            self._write(
                RunInfo(
                    format=FORMAT,
                    name=self.name,
                    **msgspec.structs.asdict(settings),
                    status="running",
                    pid=os.getpid(),
                    started=now(),
                )
            )
            ledger.append(self.ledger, Start(time=now(), began=round(time.time(), 3)))
        return mended

    def _make_way(self, before: RunInfo, settings: Settings) -> str:
        """Move the run that has this name and other settings to a free name; returns the sentence that says so."""
        if before.state == "running" and before.pid != os.getpid():
            raise StarError(
                f"the run {self.name} is under way with other settings (process {before.pid})",
                hint="give this one another name: name=NAME",
            )
        sweep, slash, arm = self.name.partition("/")
        number = 1
        while os.path.lexists((kept := Run(self.home, f"{sweep}.{number}{slash}{arm}")).path):
            number += 1
        make_directory(kept.path)
        entries = [path for path in named(self.path, "*") if not os.path.lexists(path / RUN_JSON)]  # no arms of a sweep
        for entry in sorted(entries, key=lambda path: path.name == RUN_JSON):
            entry.rename(kept.path / entry.name)
        changes = differing(before.config, settings.config)
        more = f" and {len(changes) - 4} more" if len(changes) > 4 else ""
        return (
            f"{self.name} was another run until now ({', '.join(changes[:4])}{more}); that one is kept as {kept.name}: "
            f"star show {kept.name}"
        )

    def _mend_ledger(self) -> list[str]:
        """Cut off what a power cut left at the end of the ledger; set one aside that is damaged elsewhere."""
        try:
            cut = ledger.repair(self.ledger)
        except StarError:
            cut = 0
        mended = [f"{cut} line(s) at the end of {self.ledger} could not be read and were cut off"] if cut else []
        damaged = ledger.faults(self.ledger)
        if damaged:
            kept = self._set_aside(LEDGER)
            mended.append(f"{damaged[0][1]}; the ledger is kept as {kept}, and a new one begins")
        return mended

    def _set_aside(self, *names: str) -> str:
        """Rename run.json and the ledger (or ``names``) to the first free number, and forget the links."""
        number = 1
        while any(os.path.lexists(self.path / _numbered(name, number)) for name in (RUN_JSON, LEDGER)):
            number += 1
        for name in names or (RUN_JSON, LEDGER):
            if os.path.lexists(self.path / name):
                (self.path / name).rename(self.path / _numbered(name, number))
        for link in self.links():
            link.unlink()
        return _numbered(LEDGER, number)

    def _remove_leftovers(self) -> None:
        remove_leftovers(self.path)
        for folder in named(self.path, "round-*"):
            remove_leftovers(folder)

    def links(self) -> list[Path]:
        """The links round-N/NAME of the run."""
        links = [link for folder in named(self.path, "round-*") for link in named(folder, "*")]
        return [link for link in links if link.is_symlink()]

    def ledgers(self) -> list[Path]:
        """Its ledger, and those that were set aside."""
        return named(self.path, "ledger*.jsonl")

    def update(self, **fields: Any) -> None:
        """Change fields of ``run.json``."""
        self._write(msgspec.structs.replace(self.info, **fields))

    def _write(self, info: RunInfo) -> None:
        with writing(str(self.path)):
            fields = msgspec.structs.asdict(info)
            write_json(self.path / RUN_JSON, {name: value for name, value in fields.items() if value is not UNSET})

    def finish(self, status: str, message: str | None = None) -> None:
        """Note how the run ended: finished, failed or interrupted."""
        self.update(status=status, message=message, ended=now())

    def record(self, event: Event, artifact: Artifact) -> None:
        """Append a stage to the ledger and link its artifact under round-N/name."""
        parts = {name: round(seconds, 4) for name, seconds in event.parts.items()}
        rounded = msgspec.structs.replace(
            event, seconds=round(event.seconds, 3), began=round(event.began, 3), parts=parts
        )
        ledger.append(self.ledger, rounded)
        self._link(self.path / event.place, artifact)

    def _link(self, link: Path, artifact: Artifact) -> None:
        """Make the link that leads people to an artifact."""
        target = os.path.relpath(artifact.path, link.parent)
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            if not (link.is_symlink() and os.readlink(link) == target):
                with writing(str(link)):
                    write_link(link, target)
        except OSError as e:
            raise StarError(
                f"the link {link} cannot be made: {e.strerror}",
                hint=f"remove what stands there; star resume {self.name} continues",
            ) from None

    # ---- reading
    # ------------------------------------------------------------------------------------------------------
    def events(self) -> list[Event]:
        """The stages of the run, each name of a round once with its last record, in order of rounds as first done.

        ``seconds`` and ``hit`` are those of the time it was built, when this run built it. A ledger that is damaged is
        a StarError.
        """
        merged: dict[tuple[int, str], Event] = {}
        for line in ledger.read(self.ledger):
            if isinstance(line, Event):
                earlier = merged.get((line.round, line.name))
                if not (earlier and earlier.key == line.key and not earlier.hit):
                    merged[line.round, line.name] = line
        return list(merged.values())

    def latest(self) -> list[Event]:
        """The stages since the run was last started."""
        events: list[Event] = []
        for line in ledger.read(self.ledger):
            if isinstance(line, Start):
                events = []
            else:
                events.append(line)
        return events

    def lost(self) -> list[str]:
        """Places such as round-2/filter that have a link and no line in the ledger: it has lost some."""
        noted = {e.place for e in self.events()}
        linked = (link.relative_to(self.path).as_posix() for link in self.links())
        return sorted(place for place in linked if place not in noted and not TEMPORARY.fullmatch(place))

    def artifact(self, store: Store, round: int, name: str) -> Artifact:
        """The artifact of one stage of the run."""
        events = self.events()
        for event in events:
            if (event.round, event.name) == (round, name):
                artifact = store.get(event.key)
                if artifact is None:
                    raise StarError(
                        f"the artifact {event.key} of {self.name}/{event.place} is no longer in the store",
                        hint=f"star resume {self.name} builds it again",
                    )
                return artifact
        raise unknown(f"stage of run {self.name}", f"round-{round}/{name}", [e.place for e in events])


def named(folder: Path, pattern: str) -> list[Path]:
    """What lies in a folder under such names, sorted; nothing where it is no folder that can be read."""
    try:
        return [folder / name for name in sorted(fnmatch.filter(os.listdir(folder), pattern))]
    except OSError:
        return []


def differing(before: Any, after: Any, name: str = "") -> list[str]:
    """What two configurations differ in, as texts: ["seed 1 -> 2", "task.content 3fa8... -> 77b1..."]."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if name or key not in UNNAMED]
        inner = f"{name}." if name else ""
        return [text for key in keys for text in differing(before.get(key), after.get(key), f"{inner}{key}")]
    if before == after:
        return []
    left, right = (text if len(text) < 25 else f"{text[:12]}..." for text in (str(before), str(after)))
    return [f"{name} {left} -> {right}"]


def _numbered(name: str, number: int) -> str:
    """ledger.jsonl, 2 -> ledger.2.jsonl"""
    stem, _, suffix = name.partition(".")
    return f"{stem}.{number}.{suffix}"


def runs(home: Path) -> list[Run]:
    """All runs of a home, oldest first, whatever state their files are in."""
    all_runs = [Run(home, name) for name in _folders(home / "runs") if can_be_named(name)]
    started = [run for run in all_runs if run.exists()]
    return sorted(started, key=lambda run: (_changed(run.path / RUN_JSON), run.name))


def _folders(root: Path) -> Iterator[str]:
    """The names of the folders of runs and, as sweep/arm, of those in them."""
    for folder in _folders_in(root):
        yield folder.name
        for inner in _folders_in(folder):
            yield f"{folder.name}/{inner.name}"


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in named(folder, "*") if os.path.isdir(path)]


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def arms_below(home: Path, name: str) -> list[Run]:
    """The runs of a sweep, by name."""
    return sorted((r for r in runs(home) if r.name.startswith(f"{name}/")), key=lambda r: r.name)
