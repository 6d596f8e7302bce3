"""The only door to wandb. Off unless asked for (``tracking=wandb``)."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from star_cli.core.extras import command
from star_cli.core.settings import Tracking
from star_cli.errors import StarError
from star_cli.run.observe import Silent
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
        try:
            self._run = wandb.init(
                project=settings.project,
                name=name,
                config=config,
                dir=str(folder),
                mode=mode,
                reinit="finish_previous",
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.errors.Error as e:
            raise StarError(
                f"wandb cannot be used: {str(e).splitlines()[0]}",
                hint="add tracking.mode=offline and sync later, or tracking=none",
            ) from e

    def stage_done(self, event: Event) -> None:
        numbers = {f"{event.name}/{k}": v for k, v in event.metrics.items() if isinstance(v, (int, float))}
        self._run.log({"round": event.round, f"{event.name}/seconds": event.seconds, **numbers})

    def finish(self, status: str) -> None:
        """End the wandb run."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status == "finished" else 1)


def logged_in() -> bool:
    """Whether wandb has a key on this machine, without importing or asking it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    return netrc.exists() and "wandb" in netrc.read_text(errors="replace")
