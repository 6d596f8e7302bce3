"""The pulse of runs: a short text that is another one as soon as there is something new to show."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.report.view.library import JOURNAL, Library
from star_cli.store.runs import RUN_JSON, Run


def pulse_of(library: Library, runs: list[Run]) -> dict[str, Any]:
    """{"state": the text, "running": whether any of these runs is}."""
    parts: list[str] = []
    running = False
    for run in runs:
        parts += [run.name, _state(run.path / RUN_JSON), _state(run.ledger)]
        try:
            progress = library.progress(run)
            running = running or run.info.state == "running"
        except StarError:
            continue
        if progress is not None:
            parts += [str(progress.done), _state(library.store.partial(progress.key) / JOURNAL)]
    return {"state": hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16], "running": running}


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "-"
    return f"{status.st_size} {status.st_mtime_ns}"
