"""The only door to trackio. It keeps everything on this machine: ``trackio show`` with TRACKIO_DIR=HOME/trackio."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

from star_cli.run.trackers.tracker import Tracker


class Trackio(Tracker):
    """Every stage's numbers go to a trackio run, with the round as the step."""

    def open(self) -> None:
        os.environ.setdefault("TRACKIO_DIR", str(self.home / "trackio"))  # read when it is imported
        import trackio

        self._trackio = trackio
        with contextlib.redirect_stdout(io.StringIO()):  # it says how to look at its page
            self._run = trackio.init(
                project=self.settings.project,
                name=self.name,
                config=self.config,
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def log_numbers(self, round: int, numbers: dict[str, float]) -> None:
        self._run.log({"round": round, **numbers}, step=round)

    def log_table(self, round: int, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        self._run.log({name: self._trackio.Table(columns=columns, data=rows, allow_mixed_types=True)}, step=round)

    def close(self, status: str) -> None:
        self._run.log({"finished": float(status == "finished")})
        with contextlib.redirect_stdout(io.StringIO()):
            self._run.finish()
