"""The only door to TensorBoard's files, by tensorboardX: tensorboard --logdir HOME/tensorboard shows them."""

from __future__ import annotations

from typing import Any

from star_cli.run.trackers.tracker import Tracker, markdown


class Tensorboard(Tracker):
    """Every stage's numbers as scalars with the round as the step; tables and settings as text."""

    def open(self) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(logdir=str(self.home / "tensorboard" / self.name), write_to_disk=True)
        rows = [[name, str(value)] for name, value in self.config.items()]
        self._writer.add_text("settings", markdown(["setting", "value"], rows), 0)

    def log_numbers(self, round: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, round)

    def log_table(self, round: int, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        self._writer.add_text(name, markdown(columns, rows), round)

    def close(self, status: str) -> None:
        self._writer.add_text("status", status, 0)
        self._writer.close()
