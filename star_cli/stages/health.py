"""health: numbers that tell whether a loop learns, forgets, narrows or cheats, from what a round wrote and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict
from star_cli.errors import StarError, need
from star_cli.lib.health import MEANING, History, Looked, health
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import joined
from star_cli.store.artifacts import Artifact, write_json

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
    round: int
    wanted: int = 1

    def __post_init__(self) -> None:
        need(self.wanted >= 1, f"wanted (n* of the balance score) must be >= 1, got {self.wanted}")

    def run(self, context: StageContext) -> dict[str, Any]:
        numbers = sorted(int(role.partition(".")[2]) for role in context.inputs if role.startswith("verdicts."))
        sets = [
            tuple(context.inputs[f"{role}.{i}"] for role in ("problems", "rationales", "verdicts")) for i in numbers
        ]
        kept = [e for _, _, verdicts in sets for e in verdicts.read(Example)]
        looked = (s for problems, rationales, verdicts in sets for s in _looked(problems, rationales, verdicts))
        told, history = health(looked, kept, history_of(context.inputs.get("before")), self.wanted)
        context.draft.write(
            Metric,
            [
                Metric(name=name, value=float(told[name][0]), n=told[name][1], round=self.round)
                for name in MEANING
                if name in told
            ],
        )
        write_json(context.draft.path / HISTORY, history.as_json())
        return {name: told[name][0] for name in MEANING if name in told}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return ", ".join(shown.format(metrics[name]) for name, shown in IN_SHORT.items() if name in metrics)


def _looked(problems: Artifact, rationales: Artifact, verdicts: Artifact) -> Iterator[Looked]:
    given = verdicts.read(Verdict)
    for problem, rationale in joined(problems, rationales):
        verdict = next(given, None)
        if verdict is None or verdict.identity() != rationale.identity():
            raise StarError(
                f"the verdicts {verdicts.key} do not fit the rationales {rationales.key}: at problem "
                f"{problem.id} sample {rationale.sample}",
                hint=f"remove {verdicts.path} and run again to rebuild it",
            )
        yield Looked(problem, rationale, verdict)


def history_of(before: Artifact | None) -> History:
    """What an earlier health artifact remembers; nothing where there is none."""
    return History(**json.loads(before.file(HISTORY).read_bytes())) if before else History()
