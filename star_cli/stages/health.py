"""health: numbers that tell whether a loop learns, forgets, narrows or cheats, from what a round wrote and kept."""

from __future__ import annotations

import json
from typing import Any

from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict
from star_cli.errors import need
from star_cli.lib.health import MEANING, History, JudgedSample, health
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import with_verdicts
from star_cli.store.artifacts import Artifact
from star_cli.store.durable import write_json

HISTORY = "history.json"
IN_SHORT = {
    "newly_solved": "newly solved {:.0f}",
    "forgotten": "forgotten {:.0f}",
    "hint_only": "hint only {:.1%}",
    "hint_leak": "hint leak {:.1%}",
    "easiest_tenth": "easiest tenth {:.1%}",
    "balance": "balance {:.2f}",
}


@stage("health")
class Health(Stage):
    """Inputs: for every filter of a round ``verdicts.I`` (it), ``rationales.I`` and ``problems.I`` (what it judged),
    and ``before``, the health of an earlier round. ``wanted`` is n* of the balance score.

    Every number is defined in ``star_cli.lib.health.MEANING``.
    """

    reads, writes = (Problem, Rationale, Verdict, Example), (Metric,)
    monitors = quick = True
    round: int
    wanted: int = 1

    def __post_init__(self) -> None:
        need(self.wanted >= 1, f"wanted (n* of the balance score) must be >= 1, got {self.wanted}")

    def run(self, context: StageContext) -> dict[str, Any]:
        roles = ("problems", "rationales", "verdicts")
        sources = list(zip(*(context.numbered(role) for role in roles), strict=True))
        kept = [e for _, _, verdicts in sources for e in verdicts.read(Example)]
        judged = (JudgedSample(*row) for source in sources for row in with_verdicts(*source))
        measures, history = health(judged, kept, history_of(context.inputs.get("before")), self.wanted)
        values = {name: measures[name] for name in MEANING if name in measures}  # (value, how many it rests on)
        context.draft.write(
            Metric, [Metric(name=name, value=float(v), n=n, round=self.round) for name, (v, n) in values.items()]
        )
        write_json(context.draft.path / HISTORY, history.as_json())
        return {name: value for name, (value, _) in values.items()}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return ", ".join(shown.format(metrics[name]) for name, shown in IN_SHORT.items() if name in metrics)


def history_of(before: Artifact | None) -> History:
    """What an earlier health artifact remembers; nothing where there is none."""
    return History(**json.loads(before.file(HISTORY).read_bytes())) if before else History()
