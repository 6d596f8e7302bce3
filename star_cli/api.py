"""All that a plug-in imports. docs/plugins.md shows how to write each kind of part, star_cli.testing tests them.

    from star_cli.api import Problem, Prompt, Task, register

``star_cli.api.open("runs/demo")`` reads the results of a run. Importing it is light: no torch, no hydra. What is named
here keeps its name and its meaning within a major version.
"""

from star_cli.core.keys import key, seed_of
from star_cli.core.parts import (
    RUNTIME,
    Completion,
    Engine,
    Grader,
    Model,
    ModelRef,
    Prompt,
    Request,
    Session,
    Task,
    Trainer,
    TrainJob,
    Verifier,
    VerifyJob,
)
from star_cli.core.records import (
    Example,
    Labelled,
    Metric,
    Pair,
    Problem,
    Rationale,
    Record,
    Score,
    Verdict,
)
from star_cli.core.registry import register
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import EngineDied, StarError, need
from star_cli.report.results import Results, open_results
from star_cli.run.lab import Experiment, Lab, Method
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import Errors, grade_all, joined
from star_cli.stages.keeping import Keeper, KeepRule
from star_cli.stages.sampling import SampleWriter
from star_cli.store.artifacts import Artifact

open = open_results  # not in __all__: an import of everything would hide the builtin

__all__ = [
    "RUNTIME",
    "Artifact",
    "Completion",
    "Engine",
    "EngineDied",
    "Errors",
    "Example",
    "Experiment",
    "Grader",
    "KeepRule",
    "Keeper",
    "Lab",
    "Labelled",
    "Method",
    "Metric",
    "Model",
    "ModelRef",
    "Pair",
    "Problem",
    "Prompt",
    "Rationale",
    "Record",
    "Request",
    "Results",
    "Runtime",
    "SampleWriter",
    "Sampling",
    "Score",
    "Session",
    "Stage",
    "StageContext",
    "StarError",
    "Task",
    "TrainJob",
    "Trainer",
    "Verdict",
    "Verifier",
    "VerifyJob",
    "grade_all",
    "joined",
    "key",
    "need",
    "register",
    "seed_of",
    "stage",
]
