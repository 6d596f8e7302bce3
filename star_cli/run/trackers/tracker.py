"""What every tracker gets of a run: numbers by round, a table of the rounds, and samples with their verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from star_cli.core.extras import command
from star_cli.core.records import Rationale, Verdict
from star_cli.core.settings import Tracking
from star_cli.errors import StarError
from star_cli.run.observe import Silent
from star_cli.stages.base import stage_class
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Event

SAMPLES = 8  # of a stage that judges
LONGEST = 4000  # characters of a sample's text
SAMPLE_COLUMNS = ["problem", "sample", "correct", "answer", "reason", "text"]
ROUND_COLUMNS = ["round", "accuracy", "low", "high", "problems", "solved", "kept"]


class Tracker(Silent):
    """An observer that reports a run elsewhere. A subclass says how numbers and tables get there.

    ``folder`` is the run's own directory; what lies on this machine is kept there, or in ``home`` where one page shows
    several runs.
    """

    def __init__(
        self, settings: Tracking, name: str, config: dict[str, Any], *, folder: Path, home: Path, store: Store
    ) -> None:
        self.settings, self.name, self.config, self.folder, self.home, self.store = (
            settings, name, config, folder, home, store,
        )  # fmt: skip
        self._rounds: dict[int, dict[str, Any]] = {}
        try:
            self.open()
        except ImportError as e:
            package = (e.name or settings.kind).partition(".")[0]
            raise StarError(
                f"tracking={settings.kind} needs the package {package}, which is not installed",
                hint=f"{command(package)}, or leave tracking out",
            ) from None

    # ---- what a tracker says ----------------------------------------------------------------------------------------
    def open(self) -> None:
        """Begin; packages are imported here."""
        raise NotImplementedError

    def log_numbers(self, round: int, numbers: dict[str, float]) -> None:
        """Numbers of a round, as {"filter/solved": 41.0}."""
        raise NotImplementedError

    def log_table(self, round: int, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table, such as the samples of a stage."""
        raise NotImplementedError

    def close(self, status: str) -> None:
        """The run is finished, failed or interrupted."""
        raise NotImplementedError

    # ---- what it sees -----------------------------------------------------------------------------------------------
    def stage_done(self, event: Event) -> None:
        values = {k: v for k, v in event.metrics.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
        numbers = {f"{event.name}/{k}": float(v) for k, v in values.items()}
        self.log_numbers(event.round, {f"{event.name}/seconds": float(event.seconds), **numbers})
        kind = stage_class(event.stage)
        if not event.main or not (kind.judges or kind.measures):
            return
        row = self._rounds.setdefault(event.round, {"round": event.round})
        names = {"accuracy": "accuracy", "low": "low", "high": "high", "n": "problems"} if kind.measures else {}
        names |= {"solved": "solved", "kept": "kept"} if kind.judges else {}
        row.update({column: event.metrics.get(name) for name, column in names.items()})
        samples = list(islice(self._samples(event), SAMPLES))
        if samples:
            self.log_table(event.round, f"{event.name}/samples", SAMPLE_COLUMNS, samples)

    def finish(self, status: str) -> None:
        """Write the table of the rounds, and end."""
        rows = [[row.get(name) for name in ROUND_COLUMNS] for _, row in sorted(self._rounds.items())]
        if rows:
            self.log_table(max(self._rounds), "rounds", ROUND_COLUMNS, rows)
        self.close(status)

    def _samples(self, event: Event) -> Iterator[list[Any]]:
        """What was judged, in its order: the columns of SAMPLE_COLUMNS."""
        judged = self.store.get(event.key)
        written = _written(self.store, judged)
        if judged is None or written is None or not judged.has(Verdict):
            return
        for rationale, verdict in zip(written.read(Rationale), judged.read(Verdict), strict=False):
            yield [
                rationale.problem_id,
                rationale.sample,
                verdict.correct,
                verdict.answer or "",
                verdict.reason,
                rationale.text[:LONGEST],
            ]


def _written(store: Store, judged: Artifact | None) -> Artifact | None:
    """The rationales that an artifact judged; its own, where it wrote them too."""
    if judged is None or judged.has(Rationale):
        return judged
    return store.get(judged.input("rationales") or "")


def markdown(columns: list[str], rows: list[list[Any]]) -> str:
    """A table as Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = (str("" if value is None else value).replace("|", "\\|").replace("\n", "<br>") for value in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
