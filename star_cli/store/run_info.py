"""run.json: what a run was asked for, and how it stands.

runs/demo/run.json
{"format": "run/1", "name": "demo", "overrides": ["rounds=2", "seed=1"], "config": {"seed": 1, ...},
 "config_key": "5bf6...", "sweep": null, "arm": [], "home": "/home/ada/star", "parts": {"method": "star", ...},
 "pins": {}, "status": "finished", "pid": 4711, "started": "2026-11-21T18:25:26+0000", "built": 22,
 "message": null, "ended": "2026-11-21T18:25:27+0000"}
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from star_cli.store.durable import process_alive
from star_cli.store.manifest import Count

FORMAT = "run/1"
STATUSES = ("running", "finished", "failed", "interrupted")
Pid = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked for: the overrides, all settings that follow from them, and the parts' names.

    Runs with the same ``config_key`` are the same experiment. ``sweep`` and ``arm`` say which sweep it belongs to and
    what sets it apart there; ``pins`` are the stages that were taken as they are ("round/name" -> key).
    """

    overrides: list[str] = []
    config: dict[str, Any] = {}
    config_key: str = ""
    sweep: str | None = None
    arm: list[str] = []
    home: str = ""
    parts: dict[str, str | None] = {}
    pins: dict[str, str] = {}


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``run.json`` holds: the Settings, and how the run stands."""

    format: str
    name: str
    overrides: list[str]
    config: dict[str, Any]
    config_key: str
    sweep: str | None
    arm: list[str]
    home: str
    parts: dict[str, str | None]
    pins: dict[str, str]
    status: str  # one of STATUSES
    pid: Pid
    started: str
    built: Count | UnsetType = UNSET  # stages built since it was last started
    message: str | None | UnsetType = UNSET  # why it failed
    ended: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"its format is {self.format!r}, expected {FORMAT!r}")
        if self.status not in STATUSES:
            raise ValueError(f"its status is {self.status!r}, expected one of {', '.join(STATUSES)}")
        if self.status != "running" and UNSET in (self.message, self.ended):
            raise ValueError(f"its status is {self.status!r}, and when or why it ended is missing")

    @property
    def state(self) -> str:
        """The status as it is now: "killed" where it says running and the process is gone."""
        return "killed" if self.status == "running" and not process_alive(self.pid) else self.status

    @property
    def method(self) -> str:
        """The name of its method."""
        return self.parts.get("method") or "star"

    @property
    def seed(self) -> int:
        """The seed of its experiment."""
        seed = self.config.get("seed", 0)
        return seed if isinstance(seed, int) else 0

    @property
    def task_settings(self) -> dict[str, Any]:
        """The settings of its task."""
        settings = self.config.get("task")
        return settings if isinstance(settings, dict) else {}
