"""The only door to MLflow. Without tracking.server everything stays here: mlflow ui --backend-store-uri
sqlite:///HOME/mlflow/runs.db
"""

from __future__ import annotations

import re
from typing import Any

from star_cli.run.trackers.tracker import Tracker, markdown

ENDED = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
LONGEST = 5000  # characters of a setting


class Mlflow(Tracker):
    """Every stage's numbers go to an MLflow run, with the round as the step, and tables to its artifacts."""

    def open(self) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        here = self.home / "mlflow"
        if self.settings.server is None:
            here.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(self.settings.server or f"sqlite:///{here.resolve()}/runs.db")
        experiment = self._client.get_experiment_by_name(self.settings.project)
        files = None if self.settings.server else (here / "files").resolve().as_uri()
        id = experiment.experiment_id if experiment else self._client.create_experiment(self.settings.project, files)
        self._run = self._client.create_run(id, run_name=self.name).info.run_id
        params = [Param(name, str(value)[:LONGEST]) for name, value in flat(self.config)]
        for at in range(0, len(params), 100):
            self._client.log_batch(self._run, params=params[at : at + 100])

    def log_numbers(self, round: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self._client.log_metric(self._run, allowed(name), value, step=round)

    def log_table(self, round: int, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        self._client.log_dict(self._run, {"columns": columns, "data": rows}, f"{_file(name, round)}.json")
        self._client.log_text(self._run, markdown(columns, rows) + "\n", f"{_file(name, round)}.md")

    def close(self, status: str) -> None:
        self._client.set_terminated(self._run, ENDED.get(status, "FINISHED"))


def allowed(name: str) -> str:
    """A metric's name with the signs that MLflow takes: pass@8 is pass_at_8."""
    return re.sub(r"[^\w\-. /]", "_", name.replace("@", "_at_"))


def flat(config: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Settings as ("trainer.lr", 0.001), in order."""
    pairs: list[tuple[str, Any]] = []
    for name, value in config.items():
        path = allowed(f"{above}{name}")
        pairs += flat(value, f"{path}.") if isinstance(value, dict) else [(path, value)]
    return pairs


def _file(name: str, round: int) -> str:
    return name if name == "rounds" else f"round-{round}/{name}"
