"""Runs against each other at equal budgets: what each reached for what it spent, and which differences the data show.

Runs that differ in nothing but their seed are one group (arms.py); means, intervals and differences are those of
comparison.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from star_cli.analysis.arms import Arm, Group, Point, group_arms, settings_of
from star_cli.analysis.comparison import Comparison
from star_cli.analysis.cost import UNITS, spending
from star_cli.analysis.events import TRANSFER, evaluations, selections, transfers
from star_cli.analysis.made_by import task_of
from star_cli.core.records import Problem, Verdict
from star_cli.errors import StarError, unknown
from star_cli.stages.candidates import NAME, OWN, pool_of
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.runs import Run, arms_below

ACCURACY = "accuracy"


def compare_runs(
    home: Path,
    names: list[str],
    unit: str = "samples",
    metric: str = ACCURACY,
    *,
    baseline: str | None = None,
    group: str | None = None,
) -> Comparison:
    """The comparison of runs and of the arms of sweeps, in one of ``UNITS``.

    ``metric`` is accuracy or one that a select stage measures (best_of@8/dpo). ``baseline`` is the run, method or label
    that the others are set against (None: the first by name); ``group`` (digits=3) takes the problems of one group
    alone. A run that cannot be read is left out, with a note. Raises StarError where nothing can be compared.
    """
    if unit not in UNITS:
        raise unknown("budget", unit, UNITS)
    if metric != ACCURACY and not NAME.fullmatch(metric) and not metric.startswith(TRANSFER):
        raise StarError(
            f"--metric {metric!r} is neither accuracy nor a selection nor a transfer",
            hint="for example --metric best_of@8/dpo, --metric majority@8, --metric transfer-countdown",
        )
    arms, problems, notes = _load(home, names, metric)
    if not arms:
        raise StarError(
            f"none of {', '.join(names)} has measured {metric} yet ({'; '.join(notes)})",
            hint="star show RUN shows how far a run is"
            if metric == ACCURACY
            else "a method with a verifier measures it at its end, in its stage select",
        )
    ids = same_problems(problems)
    if unit == "flops":
        _refuse_unknown_parameters(arms)
    if group is not None:
        ids = of_group(next(iter(problems.values())), ids, group)
        metric = f"{metric} of {group}"
    groups = with_baseline(group_arms(arms), baseline)
    _refuse_no_common_round(groups)
    return Comparison(groups, unit, metric, ids, [*notes, *_notes(arms, groups)])


def with_baseline(groups: list[Group], baseline: str | None) -> list[Group]:
    """The groups, that of the baseline first: a run's name, a method or a label names it."""
    if baseline is None:
        return groups
    by_run = [g for g in groups if baseline in [a.name for a in g.arms]]
    named = by_run or [g for g in groups if baseline == g.label] or [g for g in groups if baseline == g.arms[0].method]
    if named:
        return [named[0], *(g for g in groups if g is not named[0])]
    choices = [name for g in groups for name in (g.label, *(a.name for a in g.arms))]
    raise unknown("baseline", baseline, dict.fromkeys(choices), hint="name a run that is compared, or a method")


def of_group(problems: Artifact | None, ids: list[str], group: str) -> list[str]:
    """The ids of the problems in a group such as digits=3; a group without problems is a StarError."""
    assert problems is not None  # same_problems has seen to it
    task = task_of(problems, {})
    groups = {p.id: [f"{k}={v}" for k, v in task.groups(p).items()] for p in problems.read(Problem)}
    chosen = [i for i in ids if group in groups[i]]
    if not chosen:
        hint = "for task=jsonl: task.groups_by=[FIELD] in the runs"
        raise unknown("group of problems", group, {name for named in groups.values() for name in named}, hint=hint)
    return chosen


def _load(home: Path, names: list[str], metric: str) -> tuple[list[Arm], dict[str, Artifact | None], list[str]]:
    """(the runs that measured the metric, the problems of each, notes on the runs that are left out)."""
    store, notes = open_store(home), []
    arms: list[Arm] = []
    problems: dict[str, Artifact | None] = {}
    for run in named_runs(home, names):
        try:
            arm, own_problems = _arm(run, store, metric)
        except StarError as e:
            if len(names) == 1 and not arms_below(home, names[0].rstrip("/")):
                raise
            notes.append(f"{run.name} is left out: {e.what}")
            continue
        if arm.points:
            arms.append(arm)
            problems[run.name] = own_problems
        else:
            notes.append(f"{run.name} is left out: it has no {metric} yet")
    return arms, problems, notes


def named_runs(home: Path, names: list[str]) -> list[Run]:
    """The runs that names mean; a sweep's are all its arms. Each once. An unknown name is a StarError."""
    named: dict[str, Run] = {}
    for name in names:
        run = Run(home, name.rstrip("/"))
        arms = [] if run.exists() else arms_below(home, run.name)
        if not arms and not run.exists():
            run.require()
        named |= {r.name: r for r in arms or [run]}
    return list(named.values())


def _arm(run: Run, store: Store, metric: str) -> tuple[Arm, Artifact | None]:
    """(what a run measured and spent, the problems it measured on)."""
    info, events = run.info, run.events()
    lost = run.lost()
    if lost:
        raise StarError(
            f"the ledger {run.ledger} has lost {', '.join(lost)}", hint=f"star resume {run.name} notes them again"
        )
    spent = spending(run, store)
    points: list[Point] = []
    problems = None
    if metric.startswith(TRANSFER):
        measured = transfers(events).get(metric.removeprefix(TRANSFER), [])
    else:
        measured = evaluations(events) if metric == ACCURACY else selections(events)
    for event in sorted(measured, key=lambda e: e.round):
        artifact = store.get(event.key)
        shares = None if artifact is None else _shares(store, artifact, metric)
        if artifact is not None and shares is not None:
            problems = store.get(artifact.input("problems") or "")
            points.append(Point(event.round, spent.until(event.round), shares))
    return Arm(run.name, info.method, info.seed, settings_of(info), points, spent), problems


def _shares(store: Store, artifact: Artifact, metric: str) -> dict[str, float] | None:
    """Of every problem the share of right answers; None where the artifact does not measure the metric."""
    if metric == ACCURACY or metric.startswith(TRANSFER):
        right: dict[str, list[bool]] = {}
        for verdict in artifact.read(Verdict):
            right.setdefault(verdict.problem_id, []).append(verdict.correct)
        return {i: sum(r) / len(r) for i, r in right.items()}
    inputs = {role: store.get(k) for role, k in artifact.manifest.inputs.items()}
    present = {role: a for role, a in inputs.items() if a is not None}
    if len(present) < len(inputs):
        raise StarError(
            f"what the select artifact {artifact.key} was made of is no longer in the store",
            hint="run the same command again to build it",
        )
    match = NAME.fullmatch(metric)
    if match and match[3] not in (None, OWN) and f"scores.{match[3]}" not in present:
        return None
    scores = {role.partition(".")[2]: a for role, a in present.items() if role.startswith("scores.")}
    pool = pool_of(present["problems"], present["rationales"], present["verdicts"], scores)
    if match and match[3] == OWN and OWN not in pool.verifiers:  # samples without log-probabilities
        return None
    seed = int(artifact.tag.get("seed", 0))
    return dict(zip(pool.ids, pool.values(metric, seed).tolist(), strict=True))


def same_problems(problems: Mapping[str, Artifact | None]) -> list[str]:
    """The ids of the problems that all runs were evaluated on; others are a StarError."""
    first: tuple[str, dict[str, tuple[str, str]]] | None = None
    by_key: dict[str, dict[str, tuple[str, str]]] = {}
    for name, artifact in problems.items():
        if artifact is None:
            raise StarError(
                f"the problems that {name} was evaluated on are no longer in the store", hint=f"star resume {name}"
            )
        if artifact.key not in by_key:
            by_key[artifact.key] = {p.id: (p.question, p.answer) for p in artifact.read(Problem)}
        own = by_key[artifact.key]
        first = first or (name, own)
        if own != first[1]:
            shared = sum(first[1].get(i) == p for i, p in own.items())
            raise StarError(
                f"{first[0]} was evaluated on {len(first[1])} problems and {name} on {len(own)}, of which "
                f"{shared} are the same, so they cannot be compared",
                hint="run both with the same task and evaluation settings",
            )
    assert first is not None
    return list(first[1])


def _refuse_unknown_parameters(arms: list[Arm]) -> None:
    unknowing = [a.name for a in arms if a.spent.parameters is None]
    if unknowing:
        raise StarError(
            f"the parameters of the base of {', '.join(unknowing[:3])} are not known (no safetensors file), so "
            "its FLOPs are not",
            hint="choose another budget: --budget tokens",
        )


def _refuse_no_common_round(groups: list[Group]) -> None:
    for g in groups:
        if not g.rounds():
            raise StarError(
                f"the runs {', '.join(a.name for a in g.arms)} differ in their seed alone, yet measured no round "
                "in common",
                hint="compare runs that are finished; star resume RUN",
            )


def _notes(arms: list[Arm], groups: list[Group]) -> list[str]:
    """What a reader of the comparison must know."""
    used = {a.name for g in groups for a in g.arms}
    notes = [f"{a.name} is left out: another run has the same settings and seed" for a in arms if a.name not in used]
    bases = len({a.spent.base for a in arms})
    if bases > 1:
        notes.append(f"the runs start from {bases} different base models, so a difference is not the methods' alone")
    uncounted = sorted({w for a in arms for w in a.spent.uncounted})
    if uncounted:
        more = f" and {len(uncounted) - 6} more" if len(uncounted) > 6 else ""
        notes.append(
            f"not in the costs (FLOPs of stages that do not count their tokens): {', '.join(uncounted[:6])}{more}"
        )
    return notes
