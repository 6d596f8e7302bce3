"""The filters of a query as conditions of SQL. Whatever a person typed is a value, never a piece of the statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from star_cli.report.view.query import CHANGES, SORTS, SampleQuery

SEARCHED = ("text", "question", "problem_id", "answer", "gold")
Labels = list[tuple[str, int, bool]]  # (problem, sample, whether a person finds it right)


@dataclass
class Where:
    """Conditions that all hold, and the values of their question marks."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """One more condition."""
        self.conditions.append(f"({condition})")
        self.values += values

    def among(self, column: str, values: tuple[str, ...]) -> None:
        """A column has one of some values; none means any."""
        if values:
            self.add(f"{column} IN ({', '.join('?' * len(values))})", *values)

    @property
    def sql(self) -> str:
        """WHERE and the conditions; "" where there are none."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


@dataclass(frozen=True)
class Beside:
    """What some filters need beside the samples' own table: the names of other tables, and the labels.

    ``against``: other verdicts; ``versus``: the samples of another set; ``groups``: (id, name, value) of problems;
    ``leaks``: (place).
    """

    against: str = ""
    versus: str = ""
    groups: str = ""
    leaks: str = ""
    labels: Labels = field(default_factory=list)


def where(query: SampleQuery, table: str, beside: Beside) -> Where:
    """The condition of a query on the rows of ``table``."""
    made = Where()
    made.among("outcome", query.outcome)
    made.among("reason", query.reason)
    if query.truncated:
        made.add("finish = 'length' OR reason = 'TRUNCATED'")
    for name, value in (("hinted", query.hinted), ("kept", query.kept)):
        if value:
            made.add(name if value == "yes" else f"NOT {name}")
    if query.steps:
        made.add("outcome = 'right' AND wrong_steps > 0")
    if query.min is not None:
        made.add("tokens >= ?", query.min)
    if query.max is not None:
        made.add("tokens <= ?", query.max)
    if query.text:
        contained = " OR ".join(f"contains(lower({name}), lower(?))" for name in SEARCHED)
        made.add(contained, *[query.text] * len(SEARCHED))
    for group in query.group:
        name, _, value = group.partition("=")
        made.add(f"problem_id IN (SELECT id FROM {beside.groups} WHERE name = ? AND value = ?)", name, value)
    if query.leak:
        made.add(f"place IN (SELECT place FROM {beside.leaks})")
    if query.against:
        same = f"o.problem_id = {table}.problem_id AND o.sample = {table}.sample"
        made.add(f"EXISTS (SELECT 1 FROM {beside.against} o WHERE {same} AND o.correct <> {table}.correct)")
    if query.change:
        made.add(changed(query.change, table, beside.versus))
    if query.choice:
        made.add(f"place IN ({_chosen(query.choice, table)})")
    if query.label:
        _labelled(made, query.label, table, beside.labels)
    return made


def order(query: SampleQuery) -> str:
    """ORDER BY: the chosen column, unknown values last, and the order of the file among equals."""
    direction = "DESC" if query.desc else "ASC"
    column = SORTS[query.sort]
    return f"ORDER BY {column} {direction}" if column == "place" else f"ORDER BY {column} {direction} NULLS LAST, place"


def changed(change: str, now: str, then: str) -> str:
    """The condition on a row of ``now`` that its problem, asked in both sets, became solved, was forgotten, ..."""
    assert change in CHANGES
    right_now, right_then = _right(now), _right(then)
    is_now = "" if change in ("solved", "still right") else "NOT "
    was_then = "" if change in ("forgotten", "still right") else "NOT "
    return (
        f"problem_id IN (SELECT problem_id FROM {then}) AND problem_id {is_now}IN ({right_now}) "
        f"AND problem_id {was_then}IN ({right_then})"
    )


def _right(table: str) -> str:
    """The problems with a right sample."""
    return f"SELECT problem_id FROM {table} WHERE correct"


def _chosen(choice: str, table: str) -> str:
    """The places of the samples that a selector picks, one a problem; the first among equals."""
    if choice == "best":
        return (
            f"SELECT arg_max(place, score) FROM (SELECT * FROM {table} WHERE score IS NOT NULL ORDER BY place) "
            "GROUP BY problem_id"
        )
    return (
        "SELECT arg_max(first_place, votes) FROM (SELECT problem_id, min(place) AS first_place, count(*) AS votes "
        f"FROM {table} WHERE answer IS NOT NULL GROUP BY problem_id, answer ORDER BY first_place) GROUP BY problem_id"
    )


def _labelled(made: Where, label: str, table: str, labels: Labels) -> None:
    """Samples that have a label; of all, those where it says other, or the same, as the verdict."""
    if not labels:
        made.add("false")
        return
    rows = ", ".join(["(?, ?, ?)"] * len(labels))
    condition = {"any": "true", "disputed": "l.finds <> correct", "confirmed": "l.finds = correct"}[label]
    made.add(
        f"EXISTS (SELECT 1 FROM (VALUES {rows}) l(problem_id, sample, finds) WHERE l.problem_id = {table}.problem_id "
        f"AND l.sample = {table}.sample AND {condition})",
        *[value for row in labels for value in row],
    )
