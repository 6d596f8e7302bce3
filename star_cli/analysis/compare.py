"""Runs against each other at equal budgets: what each reached for what it spent, and which differences the data show.

Runs that differ in nothing but their seed are one group. Intervals are 95 % bootstrap intervals over problems (the same
draws for all groups: a difference is paired) and, in a group of several seeds, over seeds too: of S seeds S-1 are drawn
with replacement, which gives the variance of a mean of S its right size. Groups with the same seeds are paired by seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from star_cli.analysis.cost import UNITS, Cost, Spending, spending
from star_cli.core.records import Problem, Verdict
from star_cli.errors import StarError, unknown
from star_cli.lib.selection import Floats, bounds, level, resampled, verdict_of
from star_cli.stages.candidates import NAME, pool_of
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.ledger import QUIET, Run

RESAMPLES = 2000
SHARES = (0.25, 0.5, 1.0)  # of the largest budget that every group reached
SLACK = 0.02  # by how much a round may cost more than the budget and still count as paid
FREE = ("name", "home", "seed", *sorted(QUIET))


@dataclass(frozen=True)
class Point:
    """A measured round: what was spent until then and the share of right answers to every problem."""

    round: int
    cost: Cost
    values: dict[str, float]


@dataclass
class Arm:
    """One run."""

    name: str
    method: str
    seed: int
    settings: dict[str, Any]
    points: list[Point]
    spent: Spending


@dataclass
class Group:
    """Runs of one method and setting, by seed."""

    label: str
    arms: list[Arm]

    @property
    def seeds(self) -> list[int]:
        return [a.seed for a in self.arms]

    def rounds(self) -> list[int]:
        """The rounds that all its runs measured."""
        return sorted(set.intersection(*({p.round for p in a.points} for a in self.arms)))

    def points(self, round: int) -> list[Point]:
        """One round of every run."""
        return [next(p for p in a.points if p.round == round) for a in self.arms]

    def cost(self, round: int, unit: str) -> float | None:
        """What its runs had spent on average by the end of a round; None where one does not know."""
        costs = [cost_in(p.cost, unit) for p in self.points(round)]
        known = [c for c in costs if c is not None]
        return sum(known) / len(known) if known and len(known) == len(costs) else None

    def total(self, unit: str) -> float | None:
        """What its runs spent on average in all, as far as all of them got."""
        return self.cost(self.rounds()[-1], unit) if self.rounds() else None

    def at(self, unit: str, budget: float) -> list[Point] | None:
        """Where its runs stood at a budget: the last round it paid for, or None where nothing was measured by then."""
        paid = [n for n in self.rounds() if (c := self.cost(n, unit)) is not None and c <= budget * (1 + SLACK)]
        return self.points(paid[-1]) if paid else None


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; of a difference ``says`` is higher, lower or no difference shown."""

    value: float
    low: float
    high: float

    @property
    def says(self) -> str:
        return verdict_of(self.low, self.high)

    def as_json(self) -> dict[str, float]:
        """The three numbers."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass
class Versus:
    """Groups, and everything that can be said of them in one unit of budget."""

    groups: list[Group]
    unit: str
    metric: str
    problems: list[str]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._weights = resampled(len(self.problems), RESAMPLES, 0)
        seeds = {tuple(g.seeds) for g in self.groups}
        self._seeds = {s: _seed_weights(len(s), i) for i, s in enumerate(sorted(seeds))}

    @property
    def budget(self) -> float:
        """The largest budget that every group that spends anything reached; 0 where none does."""
        return min((s for g in self.groups if (s := g.total(self.unit))), default=0.0)

    def budgets(self) -> list[float]:
        """Where the groups are compared: a quarter, a half and all of ``budget``."""
        return [s * self.budget for s in SHARES] if self.budget else [0.0]

    def _values(self, points: list[Point]) -> Floats:
        return np.array([[p.values[i] for i in self.problems] for p in points])

    def _means(self, g: Group, values: Floats) -> Floats:
        return np.asarray(((self._weights @ values.T) * self._seeds[tuple(g.seeds)]).sum(axis=1))

    def estimate(self, g: Group, points: list[Point]) -> Estimate:
        """The mean over seeds and problems of one point of every run of a group."""
        values = self._values(points)
        mean, low, high = level(values.mean(axis=0), self._means(g, values))
        return Estimate(mean, low, high)

    def difference(self, a: Group, b: Group, budget: float) -> Estimate | None:
        """a - b at a budget, paired by problem (and by seed where both have the same)."""
        here, there = a.at(self.unit, budget), b.at(self.unit, budget)
        if here is None or there is None:
            return None
        left, right = self._values(here), self._values(there)
        value = float(left.mean() - right.mean())
        if len(self.problems) < 2:
            return Estimate(value, -1.0, 1.0)
        low, high = bounds(self._means(a, left) - self._means(b, right))
        return Estimate(value, float(low), float(high))

    def pairs(self) -> Iterator[tuple[Group, Group]]:
        """Every group against every one before it."""
        return ((a, b) for i, a in enumerate(self.groups) for b in self.groups[:i])

    def curve(self, g: Group) -> list[tuple[float, Estimate]]:
        """(mean cost, accuracy) at the rounds that all runs of a group measured."""
        return [(c, self.estimate(g, g.points(n))) for n in g.rounds() if (c := g.cost(n, self.unit)) is not None]

    def last(self, g: Group) -> Estimate:
        """Where the runs of a group ended, whatever they spent."""
        return self.estimate(g, g.points(g.rounds()[-1]))

    def as_json(self) -> dict[str, Any]:
        """Everything, for scripts."""
        rows = [
            {
                "label": g.label,
                "runs": [a.name for a in g.arms],
                "seeds": g.seeds,
                "spent": {u: g.total(u) for u in UNITS},
                "last": self.last(g).as_json(),
                "at": [
                    {"budget": b, **self.estimate(g, p).as_json()} if (p := g.at(self.unit, b)) else {"budget": b}
                    for b in self.budgets()
                ],
                "curve": [{self.unit: x, **e.as_json()} for x, e in self.curve(g)],
            }
            for g in self.groups
        ]
        gaps = [
            {"a": a.label, "b": b.label, "budget": budget, **d.as_json(), "says": d.says}
            for budget in self.budgets()
            for a, b in self.pairs()
            if (d := self.difference(a, b, budget))
        ]
        return {
            "metric": self.metric,
            "unit": self.unit,
            "budget": self.budget,
            "problems": len(self.problems),
            "groups": rows,
            "differences": gaps,
            "notes": self.notes,
        }


def compare_runs(home: Path, names: list[str], unit: str = "samples", metric: str = "accuracy") -> Versus:
    """The comparison of runs and of the arms of sweeps. ``metric`` is accuracy or one of a select stage
    (best_of@8/dpo).
    """
    if unit not in UNITS:
        raise unknown("budget", unit, UNITS)
    if metric != "accuracy" and not NAME.fullmatch(metric):
        raise StarError(
            f"--metric {metric!r} is neither accuracy nor a selection",
            hint="for example --metric best_of@8/dpo, --metric majority@8",
        )
    store = open_store(home)
    notes: list[str] = []
    arms, asked = [], {}
    for run in expanded(home, names):
        arm, problems = _arm(run, store, metric)
        if arm.points:
            arms.append(arm)
            asked[run.name] = problems
        else:
            notes.append(f"{run.name} is left out: it has no {metric} yet")
    if not arms:
        raise StarError(
            f"none of {', '.join(names)} has measured {metric} yet",
            hint="star show RUN shows how far a run is"
            if metric == "accuracy"
            else "a method with a verifier measures it at its end, in its stage select",
        )
    ids = same_problems(asked)
    if unit == "flops" and any(a.spent.parameters is None for a in arms):
        unknowing = [a.name for a in arms if a.spent.parameters is None]
        raise StarError(
            f"the parameters of the base of {', '.join(unknowing[:3])} are not known (no safetensors file), so "
            "its FLOPs are not",
            hint="choose another budget: --budget tokens",
        )
    groups = grouped(arms)
    for g in groups:
        if not g.rounds():
            raise StarError(
                f"the runs {', '.join(a.name for a in g.arms)} differ in their seed alone, yet measured no round "
                "in common",
                hint="compare runs that are finished; star resume RUN",
            )
    used = {a.name for g in groups for a in g.arms}
    notes += [f"{a.name} is left out: another run has the same settings and seed" for a in arms if a.name not in used]
    bases = len({a.spent.base for a in arms})
    if bases > 1:
        notes.append(f"the runs start from {bases} different base models, so a difference is not the methods' alone")
    left = sorted({w for a in arms for w in a.spent.uncounted})
    if left:
        notes.append(
            "not in the costs (FLOPs of stages that do not count their tokens): "
            + ", ".join(left[:6])
            + (f" and {len(left) - 6} more" if len(left) > 6 else "")
        )
    return Versus(groups, unit, metric, ids, notes)


def expanded(home: Path, names: list[str]) -> list[Run]:
    """The runs that names mean; a sweep's are all its arms. Each once."""
    from star_cli.store.ledger import arms_below

    found: dict[str, Run] = {}
    for name in names:
        run = Run(home, name.rstrip("/"))
        arms = arms_below(home, run.name)
        if arms and not (run.path / "run.json").exists():
            found |= {a.name: a for a in arms}
        else:
            run.info  # noqa: B018  (an unknown run is told)
            found[run.name] = run
    return list(found.values())


def _arm(run: Run, store: Store, metric: str) -> tuple[Arm, Artifact | None]:
    info = run.info
    spent = spending(run, store)
    points, problems = [], None
    for e in sorted(run.events(), key=lambda e: e.round):
        if (e.name if metric == "accuracy" else e.stage) != ("evaluate" if metric == "accuracy" else "select"):
            continue
        artifact = store.get(e.key)
        values = None if artifact is None else _values(store, artifact, metric)
        if artifact is not None and values is not None:
            problems = store.get(artifact.manifest["inputs"]["problems"])
            points.append(Point(e.round, spent.until(e.round), values))
    seed = int((info.get("config") or {}).get("seed", 0))
    return Arm(run.name, method_of(info), seed, settings_of(info), points, spent), problems


def _values(store: Store, artifact: Artifact, metric: str) -> dict[str, float] | None:
    if metric == "accuracy":
        right: dict[str, list[bool]] = {}
        for v in artifact.read(Verdict):
            right.setdefault(v.problem_id, []).append(v.correct)
        return {i: sum(r) / len(r) for i, r in right.items()}
    inputs = {role: store.get(k) for role, k in artifact.manifest["inputs"].items()}
    have = {role: a for role, a in inputs.items() if a is not None}
    if len(have) < len(inputs):
        raise StarError(
            f"what the select artifact {artifact.key} was made of is no longer in the store",
            hint="run the same command again to build it",
        )
    match = NAME.fullmatch(metric)
    if match and match[3] and f"scores.{match[3]}" not in have:
        return None
    scores = {role.partition(".")[2]: a for role, a in have.items() if role.startswith("scores.")}
    pool = pool_of(have["problems"], have["rationales"], have["verdicts"], scores)
    seed = int(artifact.manifest["tag"].get("seed", 0))
    return dict(zip(pool.ids, pool.values(metric, seed).tolist(), strict=True))


def same_problems(asked: Mapping[str, Artifact | None]) -> list[str]:
    """The ids of the problems that all runs were evaluated on; others are a StarError."""
    first: tuple[str, dict[str, tuple[str, str]]] | None = None
    seen: dict[str, dict[str, tuple[str, str]]] = {}
    for name, artifact in asked.items():
        if artifact is None:
            raise StarError(
                f"the problems that {name} was evaluated on are no longer in the store", hint=f"star resume {name}"
            )
        if artifact.key not in seen:
            seen[artifact.key] = {p.id: (p.question, p.answer) for p in artifact.read(Problem)}
        mine = seen[artifact.key]
        first = first or (name, mine)
        if mine != first[1]:
            shared = sum(first[1].get(i) == p for i, p in mine.items())
            raise StarError(
                f"{first[0]} was evaluated on {len(first[1])} problems and {name} on {len(mine)}, of which "
                f"{shared} are the same, so they cannot be compared",
                hint="run both with the same task and evaluation settings",
            )
    assert first is not None
    return list(first[1])


def method_of(info: dict[str, Any]) -> str:
    """The name of a run's method."""
    told = (info.get("parts") or {}).get("method")
    named = [o.partition("=")[2] for o in info.get("overrides") or [] if o.lstrip("+").startswith("method=")]
    return str(told or (named[-1] if named else "star"))


def settings_of(info: dict[str, Any]) -> dict[str, Any]:
    """Every setting of a run that can change its result, but its seed, as {"filter.limit": 1}."""
    flat: dict[str, Any] = {f"{k}": v for k, v in (info.get("parts") or {}).items()}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict) and value:
            for k, v in value.items():
                walk(v, f"{name}.{k}" if name else str(k))
        elif name:
            flat[name] = value

    walk({k: v for k, v in (info.get("config") or {}).items() if k not in FREE}, "")
    flat.update({f"{k}": v for k, v in (info.get("parts") or {}).items()})  # also of a part without settings
    flat.pop("pretraining.seed", None)
    return flat


def grouped(arms: list[Arm]) -> list[Group]:
    """Arms of the same method and settings as one group, of each seed the first one, named by the method and what else
    tells them apart.
    """
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(json.dumps([arm.method, arm.settings], sort_keys=True, default=str), []).append(arm)
    groups = [sorted({a.seed: a for a in reversed(some)}.values(), key=lambda a: a.seed) for some in found.values()]
    labels = []
    for some in groups:
        mine = some[0]
        rivals = [g[0] for g in groups if g[0].method == mine.method and g is not some]
        names = {k for r in rivals for k in {*mine.settings, *r.settings} if mine.settings.get(k) != r.settings.get(k)}
        differ = sorted(names - {"method", "name"})
        labels.append(" ".join([mine.method, *(f"{k}={mine.settings.get(k)}" for k in differ)]))
    return [Group(label, some) for label, some in zip(labels, groups, strict=True)]


def cost_in(cost: Cost, unit: str) -> float | None:
    """One of the four numbers."""
    value: float | None = getattr(cost, unit)
    return value


def _seed_weights(seeds: int, number: int) -> Floats:
    """(R, S) weights of a bootstrap over S seeds; each row adds up to 1."""
    if seeds == 1:
        return np.ones((RESAMPLES, 1))
    drawn = np.random.default_rng([7, number]).integers(seeds, size=(RESAMPLES, seeds - 1))
    return np.asarray((drawn[:, :, None] == np.arange(seeds)).sum(axis=1) / (seeds - 1))
