"""peek and priority: what AdaSTaR looked at in a round, and the heap it leaves."""

from __future__ import annotations

from star_cli.core.records import Record


class Peek(Record, kw_only=True, frozen=True):
    """A problem AdaSTaR looked at in a round: its place in the order of the heap (0 first), and the share of its
    attempts that were right.
    """

    schema = "peek/1"
    file = "peeks.jsonl"
    unique = ("problem_id",)
    problem_id: str
    position: int
    w: float


class Priority(Record, kw_only=True, frozen=True):
    """An entry of AdaSTaR's heap: the round in which a problem was last sampled (0: never), and its share of right
    attempts then.
    """

    schema = "priority/1"
    file = "priorities.jsonl"
    unique = ("problem_id",)
    problem_id: str
    sampled: int
    won: float
