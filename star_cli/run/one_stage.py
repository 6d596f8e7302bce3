"""One stage by itself, on artifacts named by run path or key: `star generate`, `star filter`, `star score`, ...

star filter --input rationales=demo/round-2/generate grader=math
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from star_cli.core.records import Example, Problem, Rationale, Record
from star_cli.core.registry import get
from star_cli.core.registry import name_of as part_name
from star_cli.errors import StarError, unknown
from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.execute import live_engine
from star_cli.run.lab import Lab
from star_cli.run.observe import Observer, Silent
from star_cli.run.overrides import home_in, name_of
from star_cli.stages.base import STAGES, stage_class
from star_cli.store.addresses import find_artifact, parse_path
from star_cli.store.artifacts import Artifact, open_store
from star_cli.store.runs import Run

ROLES = {
    "generate": ("model", "problems", "solved"),
    "filter": ("rationales", "problems"),
    "finetune": ("start", "examples"),
    "evaluate": ("model", "rationales", "problems"),
    "score": ("verifier", "rationales", "problems", "generator"),
}


def run_stage(
    verb: str,
    inputs: list[str],
    args: list[str],
    *,
    round: int = 1,
    hint: bool = False,
    observer: Callable[[str], Observer] = lambda progress: Silent(),
) -> tuple[Artifact, bool]:
    """Build one stage from ``ROLE=ADDRESS`` inputs; settings are those of the first input's run, changed by ``args``.

    Returns the artifact, and whether it was there already.
    """
    home = home_in(args)
    store = open_store(home)
    named = Inputs(verb, inputs, lambda address: find_artifact(home, store, address))
    changed = {name_of(a) for a in args} | {"name", "home"}
    inherited = [o for o in inherited_settings(home, inputs) if name_of(o) not in changed]

    def job(c: Composed) -> Any:
        x = c.experiment
        builder = Builder(x.equipment(), store, observer(x.runtime.progress), live_engine)
        artifact = VERBS[verb](Lab(x, builder), named, round, hint)
        return artifact, builder.built == 0

    try:
        artifact, hit = launch([*inherited, *args], job)
    finally:
        live_engine.close()
    return artifact, hit


def inherited_settings(home: Path, inputs: list[str]) -> list[str]:
    """The overrides of the first run that an input's path names."""
    for text in inputs:
        name, number, _ = parse_path(text.partition("=")[2])
        if number is not None:
            return Run(home, name).info.overrides
    return []


class Inputs:
    """The artifacts that ``--input ROLE=ADDRESS`` names, by role; a role the stage does not have is a StarError."""

    def __init__(self, verb: str, inputs: list[str], find: Callable[[str], Artifact]) -> None:
        self.by_role: dict[str, list[Artifact]] = {}
        for text in inputs:
            role, _, address = text.partition("=")
            if not address:
                raise StarError(
                    f"--input {text!r} names no artifact", hint="for example --input rationales=demo/round-2/generate"
                )
            if role not in ROLES[verb]:
                raise unknown(f"input of star {verb}", role, ROLES[verb])
            self.by_role.setdefault(role, []).append(find(address))
        for role, artifacts in self.by_role.items():
            if len(artifacts) > 1 and role != "examples":
                raise StarError(f"--input {role} was given {len(artifacts)} times, star {verb} takes one")

    def __contains__(self, role: str) -> bool:
        return role in self.by_role

    def optional(self, role: str) -> Artifact | None:
        """The artifact of a role, where it is named."""
        return self.by_role.get(role, [None])[0]

    def records(self, role: str, kind: type[Record]) -> Artifact:
        """The artifact of a role, which must hold records of a kind."""
        artifact = self._one(role)
        if not artifact.has(kind):
            raise StarError(
                f"--input {role} is a {artifact.stage} artifact without {kind.file}",
                hint=f"give one that holds {kind.schema} records",
            )
        return artifact

    def weights(self, role: str, *makes: str) -> Artifact:
        """The artifact of a role, which must hold weights of one of these kinds: base, model, verifier."""
        artifact = self._one(role)
        if stage_class(artifact.stage).makes not in makes:
            makers = sorted(name for name, stage in STAGES.items() if stage.makes in makes)
            raise StarError(
                f"--input {role} is a {artifact.stage} artifact, not a {makes[-1]}",
                hint=f"give a {' or '.join(makers)} artifact",
            )
        return artifact

    def problems_of(self, rationales: Artifact, lab: Lab) -> Artifact:
        """The problems that rationales answer: those named, else those that the rationales were made from."""
        if "problems" in self:
            return self.records("problems", Problem)
        key = rationales.input("problems")
        artifact = lab.builder.store.get(key) if key else None
        if artifact is None:
            raise StarError(
                f"the problems {key or '(none named)'} that {rationales.key} answers are not in the store",
                hint="name them with --input problems=...",
            )
        return artifact

    def _one(self, role: str) -> Artifact:
        artifact = self.optional(role)
        if artifact is None:
            raise StarError(f"an --input {role}=... is missing", hint=f"for example --input {role}=demo/round-1/...")
        return artifact


def _generate(lab: Lab, inputs: Inputs, round: int, hint: bool) -> Artifact:
    model = inputs.weights("model", "base", "model")
    _say_fixed(lab)
    problems = inputs.records("problems", Problem) if "problems" in inputs else lab.problems("train", round=round)
    return lab.generate(model, problems, round=round, hint=hint, unless=inputs.optional("solved"))


def _say_fixed(lab: Lab) -> None:
    """Say that --input model has no effect on what an engine with a fixed model writes."""
    if not lab.x.engine.own_weights:
        lab.say(
            f"engine={part_name(lab.x.engine)} writes with its own model; the weights of --input model are not used"
        )


def _filter(lab: Lab, inputs: Inputs, round: int, hint: bool) -> Artifact:
    rationales = inputs.records("rationales", Rationale)
    return lab.filter(inputs.problems_of(rationales, lab), rationales)


def _finetune(lab: Lab, inputs: Inputs, round: int, hint: bool) -> Artifact:
    inputs.records("examples", Example)
    return lab.finetune(inputs.weights("start", "base", "model"), inputs.by_role["examples"], round=round)


def _evaluate(lab: Lab, inputs: Inputs, round: int, hint: bool) -> Artifact:
    if "rationales" in inputs:
        rationales = inputs.records("rationales", Rationale)
        return lab.judge(inputs.problems_of(rationales, lab), rationales, round=round)
    _say_fixed(lab)
    return lab.evaluate(inputs.weights("model", "base", "model"), round=round)


def _score(lab: Lab, inputs: Inputs, round: int, hint: bool) -> Artifact:
    verifier, rationales = inputs.weights("verifier", "verifier"), inputs.records("rationales", Rationale)
    settings = dict(verifier.tag["verifier"])
    kind, name, _ = settings.pop("_").split("/")
    generator = inputs.optional("generator") or lab.builder.store.get(rationales.input("model") or "")
    return lab.score(
        verifier,
        inputs.problems_of(rationales, lab),
        rationales,
        round=rationales.round or 0,
        generator=generator,
        part=get(kind, name)(**settings),
    )


VERBS: dict[str, Callable[[Lab, Inputs, int, bool], Artifact]] = {
    "generate": _generate,
    "filter": _filter,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "score": _score,
}
