"""One experiment as live parts, and the method that runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
)

if TYPE_CHECKING:
    from star_cli.run.lab import Lab
    from star_cli.store.artifacts import Artifact
from star_cli.core.parts import Engine, Grader, Model, Part, Task, Trainer, Verifier
from star_cli.core.settings import (
    Evaluation,
    Keep,
    Pilot,
    Pretraining,
    Runtime,
    Sampling,
    Schedule,
    Tracking,
    Verification,
)
from star_cli.errors import need


class Method(Part):
    """A whole algorithm on one page."""

    defaults: ClassVar[dict[str, Any]] = {}  # what its paper sets elsewhere: {"sampling.temperature": 0.7}
    verifier: ClassVar[str] = "none"  # the verifier of verifier=auto
    rounds: int
    samples: int

    def run(self, lab: Lab) -> Artifact:
        """The loop; returns the last model."""
        raise NotImplementedError

    def check(self) -> None:
        for name in ("rounds", "samples"):
            value = getattr(self, name, 1)
            need(value >= 1, f"{name} must be >= 1, got {value}", f"for example {name}=3")


@dataclass(kw_only=True)
class Experiment:
    """Everything `star run` needs, as live parts. It has no key of its own: only its stages have."""

    name: str
    home: Path
    seed: int
    task: Task
    grader: Grader
    engine: Engine
    trainer: Trainer
    method: Method
    model: Model
    sampling: Sampling
    filter: Keep
    evaluation: Evaluation
    schedule: Schedule
    pretraining: Pretraining
    runtime: Runtime
    tracking: Tracking
    problems: int = 0  # training problems drawn afresh each round; 0: the whole split
    pilot: Pilot = field(default_factory=Pilot)
    verifier: Verifier | None = None
    verification: Verification = field(default_factory=Verification)
    forecast: bool = False  # say first what to expect, from the pilot

    def check(self) -> None:
        """Every part's own check, before any work is done."""
        need(self.problems >= 0, f"problems must be >= 0 (0: the whole split), got {self.problems}")
        self.sampling.check()
        parts: list[Any] = [
            self.task,
            self.grader,
            self.engine,
            self.trainer,
            self.method,
            self.model,
            self.filter,
            self.evaluation,
            self.schedule,
            self.pretraining,
            self.runtime,
            self.tracking,
            self.pilot,
            self.verification,
            *([self.verifier] if self.verifier else []),
        ]
        for part in parts:
            part.check()
        self.task.check_split(self.evaluation.split)
