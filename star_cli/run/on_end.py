"""``on_end=COMMAND``: a shell command at the end of every run, for a message to whoever waits.

star run on_end='curl -d "$STAR_RUN $STAR_STATUS $STAR_ACCURACY" https://ntfy.sh/my-topic'
"""

from __future__ import annotations

import os
import subprocess

from star_cli.errors import StarError
from star_cli.stages.base import stage_class
from star_cli.store.runs import Run

PATIENCE = 60  # seconds until the command is given up


def run_hook(command: str, run: Run) -> str | None:
    """Run the command; returns a sentence where it failed, and raises nothing: the run itself is complete.

    It sees the run in STAR_RUN, STAR_STATUS (finished, failed or interrupted), STAR_MESSAGE (why it failed, or ""),
    STAR_ACCURACY (the last one, or "") and STAR_HOME.
    """
    info = run.info
    try:
        accuracies = [
            e.metrics["accuracy"]
            for e in run.events()
            if stage_class(e.stage).measures and e.main and "accuracy" in e.metrics
        ]
    except StarError:  # a damaged ledger has been said already
        accuracies = []
    facts = {
        "STAR_RUN": run.name,
        "STAR_STATUS": info.status,
        "STAR_MESSAGE": info.message if isinstance(info.message, str) else "",
        "STAR_ACCURACY": f"{accuracies[-1]:.4f}" if accuracies else "",
        "STAR_HOME": str(run.home),
    }
    try:
        done = subprocess.run(
            command, shell=True, env=os.environ | facts, capture_output=True, timeout=PATIENCE, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return f"on_end={command}: it took more than {PATIENCE} s and was ended"
    if done.returncode == 0:
        return None
    reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or [""]
    return f"on_end={command}: it ended with {done.returncode}: {reason[0]}"
