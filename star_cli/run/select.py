"""`star select`: what choosing among many candidates of a finished model reaches, on its own task or on another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from star_cli.core.registry import get
from star_cli.errors import StarError
from star_cli.run.build import Builder
from star_cli.run.compose import launch
from star_cli.run.composed import Composed
from star_cli.run.execute import live_engine
from star_cli.run.lab import Lab
from star_cli.run.observe import Observer, Silent
from star_cli.run.overrides import home_in, name_of
from star_cli.stages.base import stage_class
from star_cli.store.addresses import find_artifact, parse_path
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.runs import Run

CANDIDATES = 16


def select(
    what: str,
    verifiers: list[str],
    args: list[str],
    *,
    observer: Callable[[str], Observer] = lambda progress: Silent(),
) -> Artifact:
    """The select artifact of a run's model: ``verification.candidates`` solutions of each held-out problem, and what
    pass@k, votes and best of k reach on them for k = 1, 2, 4, ... up to all.

    ``what`` is RUN or RUN/round-N (the last round unless it is named). Settings are the run's own, changed by ``args``:
    with ``task=NAME`` the model is measured on another task. ``verifiers`` are addresses of trained verifiers; without
    one, those that the run trained itself. Raises StarError where there is no such model.
    """
    home = home_in(args)
    store = open_store(home)
    name, number, stage = parse_path(what)
    if stage is not None:
        raise StarError(f"{what} names a stage", hint=f"name a run or a round of it: {name}/round-{number}")
    run = Run(home, name)
    if not run.exists():
        raise StarError(f"there is no run {name}", hint="star ls runs shows them all")
    round, model = model_of(run, store, number)
    trained = [find_artifact(home, store, v) for v in verifiers] or verifiers_of(run, store)
    changed = {name_of(a) for a in args} | {"name", "home"}
    other_task = "task" in changed
    inherited = [
        o
        for o in run.info.overrides
        if name_of(o) not in changed and not (other_task and name_of(o).split(".")[0] in ("task", "grader", "problems"))
    ]
    fixed = [] if "verification.ks" in changed else [f"verification.ks={powers(_candidates([*inherited, *args]))}"]

    def job(c: Composed) -> Any:
        lab = Lab(
            c.experiment, Builder(c.experiment.equipment(), store, observer(c.experiment.runtime.progress), live_engine)
        )
        source = lab.candidates(model, round=round)
        scores = {}
        for verifier in trained:
            settings = dict(verifier.tag["verifier"])
            kind, part, _ = settings.pop("_").split("/")
            label = part if part not in scores else f"{part}-{verifier.key[:6]}"
            scores[label] = lab.score(
                verifier, source[0], source[1], round=round, generator=model, part=get(kind, part)(**settings)
            )
        return lab.select(source, scores, round=round)

    try:
        artifact: Artifact = launch([*inherited, *args, *fixed], job)
    finally:
        live_engine.close()
    return artifact


def model_of(run: Run, store: Store, number: int | None) -> tuple[int, Artifact]:
    """(round, model) of a run: the last fine-tuned one, or that of a round; round 0 may be the base."""
    models = {}
    for event in run.latest():
        if stage_class(event.stage).makes in ("base", "model") and event.main:
            models[event.round] = event  # a fine-tuning of round 0 comes after its base
    if not models:
        raise StarError(f"{run.name} has made no model yet", hint=f"star resume {run.name} goes on with it")
    round = max(models) if number is None else number
    if round not in models:
        raise StarError(
            f"{run.name} has no model of round {round}",
            hint=f"it has those of rounds {', '.join(map(str, sorted(models)))}",
        )
    return round, run.artifact(store, round, models[round].name)


def verifiers_of(run: Run, store: Store) -> list[Artifact]:
    """The verifiers that a run trained in the last round in which it trained any."""
    events = [e for e in run.latest() if stage_class(e.stage).makes == "verifier"]
    last = max((e.round for e in events), default=0)
    return [run.artifact(store, e.round, e.name) for e in events if e.round == last]


def powers(most: int) -> str:
    """1, 2, 4, ... and ``most`` itself, as a setting."""
    ks = [1]
    while 2 * ks[-1] <= most:
        ks.append(2 * ks[-1])
    return str(ks if ks[-1] == most else [*ks, most]).replace(" ", "")


def _candidates(overrides: list[str]) -> int:
    """``verification.candidates`` as the last override sets it."""
    said = [o.partition("=")[2] for o in overrides if name_of(o) == "verification.candidates"]
    if not said:
        return CANDIDATES
    if not said[-1].isdecimal() or int(said[-1]) < 1:
        raise StarError(f"verification.candidates={said[-1]} is no number of candidates", hint="for example 64")
    return int(said[-1])
