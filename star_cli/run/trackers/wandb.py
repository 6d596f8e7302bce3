"""The only door to wandb. Off unless asked for (``tracking=wandb``)."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from star_cli.core.extras import command
from star_cli.core.parts import Meter
from star_cli.core.settings import Tracking
from star_cli.errors import StarError
from star_cli.run.observe import Silent
from star_cli.store.durable import write_bytes
from star_cli.store.ledger import Event


class Wandb(Silent):
    """Every stage's numbers go to a wandb run, with the round as the step."""

    def __init__(self, settings: Tracking, name: str, config: dict[str, Any], folder: Path) -> None:
        try:
            import wandb
        except ImportError:
            raise StarError(
                "tracking=wandb needs the package wandb, which is not installed",
                hint=f"{command('wandb')}, or leave tracking out",
            ) from None
        if settings.mode == "online" and not logged_in():
            raise StarError(
                "tracking=wandb, but nobody is logged in to wandb on this machine",
                hint="run 'wandb login', or add tracking.mode=offline and sync later",
            )
        logging.getLogger("wandb").setLevel(logging.ERROR)
        mode: Any = settings.mode
        self._place = ""
        try:
            self._run = wandb.init(
                project=settings.project,
                name=name,
                config=config,
                dir=str(folder),
                mode=mode,
                id=_id_of(folder),
                resume="allow",
                group=name.partition("/")[0] if "/" in name else None,
                reinit="finish_previous",
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.errors.Error as e:
            raise StarError(
                f"wandb cannot be used: {str(e).splitlines()[0]}",
                hint="add tracking.mode=offline and sync later, or tracking=none",
            ) from e

    def stage_started(self, round: int, name: str, key: str) -> None:
        self._place = f"round-{round}/{name}"

    def meter(self, what: str, total: int) -> Meter:
        return _LossCurve(self._run, self._place)

    def stage_done(self, event: Event) -> None:
        numbers = {f"{event.name}/{k}": v for k, v in event.metrics.items() if isinstance(v, (int, float))}
        self._run.log({"round": event.round, f"{event.name}/seconds": event.seconds, **numbers})

    def finish(self, status: str) -> None:
        """End the wandb run."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status == "finished" else 1)


class _LossCurve:
    """The meter that sends the loss of every step."""

    def __init__(self, run: Any, place: str) -> None:
        self._run, self._place, self._done = run, place, 0

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        self._done += n
        if loss is not None:
            self._run.log({f"loss/{self._place}": loss, "training step": self._done})

    def close(self) -> None:
        return None


def _id_of(folder: Path) -> str:
    """The id of the wandb run of a run's folder, made once: a run that is resumed goes on there."""
    file = folder / "wandb-id"
    if not file.exists():
        write_bytes(file, f"{os.urandom(8).hex()}\n".encode())
    return file.read_text().strip()


def logged_in() -> bool:
    """Whether wandb has a key on this machine, without importing or asking it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    return netrc.exists() and "wandb" in netrc.read_text(errors="replace")
