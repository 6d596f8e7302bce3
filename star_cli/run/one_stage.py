"""One stage by itself, on artifacts named by run path or key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from star_cli.core.records import Example, Problem, Rationale
from star_cli.errors import StarError, unknown
from star_cli.run.build import Builder
from star_cli.run.compose import Composed, launch
from star_cli.run.execute import live_engine
from star_cli.run.lab import Lab
from star_cli.run.observe import Observer, Silent
from star_cli.run.overrides import home_of, name_of
from star_cli.store.artifacts import Artifact, open_store
from star_cli.store.ledger import Run, find_artifact, parse_path

Watch = Callable[[str], Observer]  # who watches, for a runtime.progress
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
    observer: Watch = lambda progress: Silent(),
) -> tuple[Artifact, bool]:
    """Build one stage; (artifact, whether it was there already). Settings are the input's run's own plus ``args``."""
    homes = [a.partition("=")[2] for a in args if a.startswith("home=")]
    home = home_of(homes[-1] if homes else None)
    store = open_store(home)
    given = named(verb, inputs, lambda text: find_artifact(home, store, text))
    told = {name_of(a) for a in args}
    inherited = [o for o in inherited_settings(home, inputs) if name_of(o) not in told | {"name", "home"}]

    def job(c: Composed) -> Any:
        x = c.experiment
        builder = Builder(x.equipment(), store, observer(x.runtime.progress), live_engine)
        artifact = VERBS[verb](Lab(x, builder), given, round, hint)
        return artifact, builder.built == 0

    try:
        artifact, hit = launch([*inherited, *args], job)
    finally:
        live_engine.close()
    return artifact, hit


def named(verb: str, inputs: list[str], find: Callable[[str], Artifact]) -> dict[str, list[Artifact]]:
    """``ROLE=ADDRESS`` texts as artifacts by role."""
    found: dict[str, list[Artifact]] = {}
    for text in inputs:
        role, _, address = text.partition("=")
        if not address:
            raise StarError(
                f"--input {text!r} names no artifact", hint="for example --input rationales=demo/round-2/generate"
            )
        if role not in ROLES[verb]:
            raise unknown(f"input of star {verb}", role, ROLES[verb])
        found.setdefault(role, []).append(find(address))
    for role, artifacts in found.items():
        if len(artifacts) > 1 and role != "examples":
            raise StarError(f"--input {role} was given {len(artifacts)} times, star {verb} takes one")
    return found


def inherited_settings(home: Path, inputs: list[str]) -> list[str]:
    """The overrides of the first run that an input's path names."""
    for text in inputs:
        name, number, _ = parse_path(text.partition("=")[2])
        if number is not None:
            return list(Run(home, name).info.get("overrides", []))
    return []


def _problems_of(lab: Lab, given: dict[str, list[Artifact]], rationales: Artifact) -> Artifact:
    if "problems" in given:
        return _one(given, "problems", Problem)
    key = rationales.input("problems") or ""
    found = lab.builder.store.get(key) if key else None
    if found is None:
        raise StarError(
            f"the problems {key or '(none named)'} that {rationales.key} answers are not in the store",
            hint="name them with --input problems=...",
        )
    return found


def _one(given: dict[str, list[Artifact]], role: str, kind: Any = None) -> Artifact:
    if role not in given:
        raise StarError(f"an --input {role}=... is missing", hint=f"for example --input {role}=demo/round-1/...")
    artifact = given[role][0]
    if kind is not None and not artifact.has(kind):
        raise StarError(
            f"--input {role} is a {artifact.stage} artifact without {kind.file}",
            hint=f"give one that holds {kind.schema} records",
        )
    models = ("verifier",) if role == "verifier" else ("pretrain", "finetune", "base")
    if kind is None and artifact.stage not in models:
        raise StarError(
            f"--input {role} is a {artifact.stage} artifact, not a model", hint=f"give a {' or '.join(models)} artifact"
        )
    return artifact


def _generate(lab: Lab, given: dict[str, list[Artifact]], round: int, hint: bool) -> Artifact:
    problems = _one(given, "problems", Problem) if "problems" in given else lab.problems("train", round=round)
    return lab.generate(_one(given, "model"), problems, round=round, hint=hint, unless=given.get("solved", [None])[0])


def _filter(lab: Lab, given: dict[str, list[Artifact]], round: int, hint: bool) -> Artifact:
    rationales = _one(given, "rationales", Rationale)
    return lab.filter(_problems_of(lab, given, rationales), rationales)


def _finetune(lab: Lab, given: dict[str, list[Artifact]], round: int, hint: bool) -> Artifact:
    _one(given, "examples", Example)
    return lab.finetune(_one(given, "start"), given["examples"], round=round)


def _evaluate(lab: Lab, given: dict[str, list[Artifact]], round: int, hint: bool) -> Artifact:
    if "rationales" in given:
        rationales = _one(given, "rationales", Rationale)
        return lab.judge(_problems_of(lab, given, rationales), rationales, round=round)
    return lab.evaluate(_one(given, "model"), round=round)


def _score(lab: Lab, given: dict[str, list[Artifact]], round: int, hint: bool) -> Artifact:
    from star_cli.core.registry import get

    verifier, rationales = _one(given, "verifier"), _one(given, "rationales", Rationale)
    told = dict(verifier.manifest["tag"]["verifier"])
    kind, name, _ = told.pop("_").split("/")
    generator = given.get("generator", [lab.builder.store.get(rationales.input("model") or "")])[0]
    return lab.score(
        verifier,
        _problems_of(lab, given, rationales),
        rationales,
        round=rationales.round or 0,
        generator=generator,
        part=get(kind, name)(**told),
    )


VERBS: dict[str, Callable[[Lab, dict[str, list[Artifact]], int, bool], Artifact]] = {
    "generate": _generate,
    "filter": _filter,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "score": _score,
}
