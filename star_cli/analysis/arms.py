"""Runs that can be compared: what each measured and spent, and which of them differ in nothing but their seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from star_cli.analysis.cost import Cost, Spending
from star_cli.store.run_info import RunInfo, Settings
from star_cli.store.run_names import UNNAMED

SLACK = 0.02  # by how much a round may cost more than the budget and still count as paid
FREE = ("name", "home", "seed", *sorted(UNNAMED))  # settings that tell no two runs apart


@dataclass(frozen=True)
class Point:
    """A measured round: what was spent until then, and the share of right answers to every problem."""

    round: int
    cost: Cost
    shares: dict[str, float]


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
        """The seed of each of its runs."""
        return [a.seed for a in self.arms]

    def rounds(self) -> list[int]:
        """The rounds that all its runs measured."""
        return sorted(set.intersection(*({p.round for p in a.points} for a in self.arms)))

    def points(self, round: int) -> list[Point]:
        """One round of every run."""
        return [next(p for p in a.points if p.round == round) for a in self.arms]

    def cost(self, round: int, unit: str) -> float | None:
        """What its runs had spent on average by the end of a round; None where one does not know."""
        costs = [p.cost.in_unit(unit) for p in self.points(round)]
        known = [c for c in costs if c is not None]
        return sum(known) / len(known) if known and len(known) == len(costs) else None

    def total(self, unit: str) -> float | None:
        """What its runs spent on average in all, as far as all of them got."""
        return self.cost(self.rounds()[-1], unit) if self.rounds() else None

    def at(self, unit: str, budget: float) -> list[Point] | None:
        """Where its runs stood at a budget: the last round it paid for, or None where nothing was measured by then."""
        paid = [n for n in self.rounds() if (c := self.cost(n, unit)) is not None and c <= budget * (1 + SLACK)]
        return self.points(paid[-1]) if paid else None


def group_arms(arms: list[Arm]) -> list[Group]:
    """Arms of the same method and settings as one group, of each seed the first one.

    A group is named by its method and by the settings that tell it from other groups of that method.
    """
    by_settings: dict[str, list[Arm]] = {}
    for arm in arms:
        identity = json.dumps([arm.method, arm.settings], sort_keys=True, default=str)
        by_settings.setdefault(identity, []).append(arm)
    groups = [
        sorted({a.seed: a for a in reversed(alike)}.values(), key=lambda a: a.seed) for alike in by_settings.values()
    ]
    return [Group(_label(group[0], [other[0] for other in groups if other is not group]), group) for group in groups]


def _label(arm: Arm, others: list[Arm]) -> str:
    """The method, and the settings in which other arms of it differ: "star filter.limit=1"."""
    differing = {
        name
        for other in others
        if other.method == arm.method
        for name in {*arm.settings, *other.settings}
        if arm.settings.get(name) != other.settings.get(name)
    }
    return " ".join([arm.method, *(f"{name}={arm.settings.get(name)}" for name in sorted(differing - {"method"}))])


def settings_of(info: Settings | RunInfo) -> dict[str, Any]:
    """Every setting of a run that can change its result, but its seed, as {"filter.limit": 1}."""
    flat: dict[str, Any] = {}

    def flatten(value: Any, name: str) -> None:
        if isinstance(value, dict) and value:
            for inner, content in value.items():
                flatten(content, f"{name}.{inner}" if name else str(inner))
        elif name:
            flat[name] = value

    flatten({name: value for name, value in info.config.items() if name not in FREE}, "")
    flat.update(info.parts)  # which part it is, also of a part without settings
    flat.pop("pretraining.seed", None)
    return flat
