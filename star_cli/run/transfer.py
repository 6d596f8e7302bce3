"""Transfer: the tasks beside its own that a run's models are measured on (evaluation.tasks), as live parts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from star_cli.core import registry
from star_cli.core.parts import Grader, Task, stepwise
from star_cli.core.settings import Evaluation
from star_cli.errors import StarError, need


@dataclass(frozen=True)
class Target:
    """A task that is measured on and never trained on, with its own grader, and its name in the run."""

    label: str
    task: Task
    grader: Grader


def targets(evaluation: Evaluation) -> list[Target]:
    """The tasks that ``evaluation.tasks`` names, checked; a second one of a task is called NAME.2, a third NAME.3."""
    found: list[Target] = []
    counts: dict[str, int] = {}
    for entry in evaluation.tasks:
        name, settings = _named(entry)
        counts[name] = counts.get(name, 0) + 1
        task: Any = _part("task", name, settings)
        need(stepwise(task) is None, f"evaluation.tasks names {name}, which asks step by step, as no other task does")
        task.check_split(evaluation.split)
        own = dict(task.grader)
        grader: Any = _part("grader", own.pop("name"), own)
        found.append(Target(name if counts[name] == 1 else f"{name}.{counts[name]}", task, grader))
    return found


def _named(entry: Any) -> tuple[str, dict[str, Any]]:
    """(the task's name, its settings) of an entry: "countdown", or {"addition": {"max_digits": 5}}."""
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and len(entry) == 1:
        name, settings = next(iter(entry.items()))
        if isinstance(settings, dict):
            return str(name), {str(k): v for k, v in settings.items()}
    raise StarError(
        f"evaluation.tasks holds {entry!r}, which is no task",
        hint="name tasks, with settings or without: evaluation.tasks=[countdown,{addition:{max_digits:5}}]",
    )


def _part(kind: str, name: str, settings: dict[str, Any]) -> Any:
    cls = registry.get(kind, name)
    known = {f.name for f in fields(cls)}
    for setting in settings:
        need(
            setting in known,
            f"evaluation.tasks sets {setting!r} of {kind}={name}, which has no such setting",
            f"it has {', '.join(sorted(known))}",
        )
    part = cls(**settings)
    part.check()
    return part
