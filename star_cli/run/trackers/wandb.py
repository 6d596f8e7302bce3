"""The only door to wandb. Off unless asked for (``tracking=wandb``)."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.core.parts import Meter, Tracking
from star_cli.store.ledger import Event


class NoMeter:
    """A meter that shows nothing."""

    def step(self, n: int = 1, *, tokens: int = 0, right: int | None = None, loss: float | None = None) -> None:
        return None

    def close(self) -> None:
        return None


class Silent:
    """The observer that sees nothing; the base of the others."""

    def meter(self, what: str, total: int) -> Meter:
        return NoMeter()

    def say(self, text: str) -> None:
        return None

    def stage_started(self, round: int, name: str, key: str) -> None:
        return None

    def stage_done(self, event: Event) -> None:
        return None

    def engine_starts(self, name: str) -> None:
        return None


class Wandb(Silent):
    """Every stage's numbers go to a wandb run, with the round as the step."""

    def __init__(self, settings: Tracking, name: str, config: dict[str, Any], folder: Path) -> None:
        try:
            import wandb
        except ImportError:
            raise StarError("tracking=wandb needs the package wandb, which is not installed",
                            hint="pip install 'star-cli[wandb]', or leave tracking out") from None
        if settings.mode == "online" and not logged_in():
            raise StarError("tracking=wandb, but nobody is logged in to wandb on this machine",
                            hint="run 'wandb login', or add tracking.mode=offline and sync later")
        logging.getLogger("wandb").setLevel(logging.ERROR)
        mode: Any = settings.mode
        self._run = wandb.init(project=settings.project, name=name, config=config, dir=str(folder), mode=mode,
                               reinit="finish_previous", settings=wandb.Settings(silent=True, console="off"))

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


class Several:
    """Several observers as one; the first one's meter is used."""

    def __init__(self, *observers: Any) -> None:
        self.observers = observers

    def meter(self, what: str, total: int) -> Meter:
        meter: Meter = self.observers[0].meter(what, total)
        return meter

    def say(self, text: str) -> None:
        for o in self.observers:
            o.say(text)

    def stage_started(self, round: int, name: str, key: str) -> None:
        for o in self.observers:
            o.stage_started(round, name, key)

    def stage_done(self, event: Event) -> None:
        for o in self.observers:
            o.stage_done(event)

    def engine_starts(self, name: str) -> None:
        for o in self.observers:
            o.engine_starts(name)
