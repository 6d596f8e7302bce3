"""The root of every configuration: which settings there are beside those of the parts, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from star_cli.core.parts import Part
from star_cli.core.settings import (
    Evaluation,
    Filtering,
    Pilot,
    Pretraining,
    Runtime,
    Sampling,
    Schedule,
    Tracking,
    Training,
    Verification,
)


@dataclass(kw_only=True)
class Root:
    """The root of every configuration. Groups are filled by the defaults list, the rest by overrides."""

    name: str | None = None  # of the run; null: made of the settings
    home: str | None = None  # where artifacts/ and runs/ lie; null: STAR_HOME or this directory
    seed: int = 0  # of everything that is drawn
    rounds: int | None = None  # the method's, under a short name
    samples: int | None = None  # the method's, under a short name
    problems: int = 0  # training problems drawn afresh in each round; 0: the whole split
    task: Any = None
    grader: Any = None
    engine: Any = None
    trainer: Any = None
    method: Any = None
    model: Any = None
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)  # settings of a method where it is the chosen one
    verifiers: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # settings of a verifier where it is the chosen one
    verifier: Any = None
    verification: Verification = field(default_factory=Verification)
    sampling: Sampling = field(default_factory=Sampling)
    filter: Filtering = field(default_factory=Filtering)
    evaluation: Evaluation = field(default_factory=Evaluation)
    training: Training = field(default_factory=Training)
    schedule: Schedule = field(default_factory=Schedule)
    pretraining: Pretraining = field(default_factory=Pretraining)
    runtime: Runtime = field(default_factory=Runtime)
    tracking: Any = None
    forecast: bool = False  # say first what to expect, from the pilot
    pilot: Pilot = field(default_factory=Pilot)
    parts: list[str] = field(default_factory=list)  # read from the command line before Hydra: run/parts_override.py
    optimize: Any = None  # what an optimising sweeper is told of each arm: METRIC or STAGE/METRIC, or a list of them
    on_end: str | None = None  # a shell command when a run ends; it sees STAR_RUN, STAR_STATUS, STAR_ACCURACY and more


SECTIONS: dict[str, type[Any]] = {  # the sections of settings beside those of the parts
    "verification": Verification,
    "sampling": Sampling,
    "filter": Filtering,
    "evaluation": Evaluation,
    "training": Training,
    "schedule": Schedule,
    "pretraining": Pretraining,
    "runtime": Runtime,
    "tracking": Tracking,
    "pilot": Pilot,
}


@dataclass(kw_only=True)
class Auto(Part):
    """grader=auto: the grader that the task names as its own."""
