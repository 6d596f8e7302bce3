"""Questions about a little database (worlds.py), each with its gold query, a rationale and Spider's hardness.

name of the shop with the most sale
join sale to shop; group by shop id; sort by count down; take 1; show name
SELECT T2.name FROM sale AS T1 JOIN shop AS T2 ON T1.shop_id = T2.id GROUP BY T2.id ORDER BY count(*) DESC LIMIT 1
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from star_cli.lib.sql.schema import Table
from star_cli.lib.sql.worlds import HIGHEST, LOWEST, World


@dataclass(frozen=True)
class Question:
    """``plan`` is the rationale: what the query does, step by step."""

    text: str
    plan: str
    sql: str


class Draw:
    """Random choices among the tables, columns and values of a world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.parent, self.child = world.parent.name, world.child.name
        self.join = f"{self.child} AS T1 JOIN {self.parent} AS T2 ON T1.{world.reference} = T2.id"
        self.joining = f"join {self.child} to {self.parent}"

    def table(self) -> Table:
        """A random table."""
        return self.rng.choice(self.world.schema.tables)

    def number(self, table: str) -> str:
        """A random number column of a table."""
        return self.rng.choice([n.partition(".")[2] for n in self.world.numbers if n.startswith(f"{table}.")])

    def numbers(self, table: str) -> tuple[str, str]:
        """Both number columns of a table, in random order."""
        first, second = self.rng.sample(
            [n.partition(".")[2] for n in self.world.numbers if n.startswith(f"{table}.")], 2
        )
        return first, second

    def text(self, table: str) -> str:
        """The text column of a table whose values are words."""
        return next(n.partition(".")[2] for n in self.world.texts if n.startswith(f"{table}."))

    def word(self, table: str) -> str:
        """A random value of that text column."""
        return self.rng.choice(next(v for n, v in self.world.texts.items() if n.startswith(f"{table}.")))

    def column(self, table: str) -> str:
        """A random column that is neither a key nor a foreign key."""
        columns = next(t for t in self.world.schema.tables if t.name == table).columns
        return self.rng.choice([c.name for c in columns if not c.key and not c.link])

    def value(self) -> int:
        """A random number to compare a column with."""
        return self.rng.randint(LOWEST + 10, HIGHEST - 10)

    def side(self) -> tuple[str, str]:
        """(words, sign) of a comparison."""
        return self.rng.choice([("over", ">"), ("under", "<")])

    def end(self) -> tuple[str, str, str]:
        """(words, words of the plan, SQL) of a sort order."""
        return self.rng.choice([("most", "down", "DESC"), ("least", "up", "ASC")])

    def aggregate(self) -> tuple[str, str]:
        """(words, SQL function) of an aggregate."""
        return self.rng.choice([("average", "avg"), ("largest", "max"), ("smallest", "min"), ("total", "sum")])


def count_all(d: Draw) -> Question:
    t = d.table().name
    return Question(f"how many {t} are there", f"count {t}", f"SELECT count(*) FROM {t}")


def list_column(d: Draw) -> Question:
    t = d.table().name
    c = d.column(t)
    return Question(f"{c} of every {t}", f"show {c} of {t}", f"SELECT {c} FROM {t}")


def filtered(d: Draw) -> Question:
    t = d.table().name
    c, n, v, (side, sign) = d.column(t), d.number(t), d.value(), d.side()
    return Question(
        f"{c} of each {t} with {n} {side} {v}",
        f"keep {t} with {n} {sign} {v}; show {c}",
        f"SELECT {c} FROM {t} WHERE {n} {sign} {v}",
    )


def count_filtered(d: Draw) -> Question:
    t = d.table().name
    n, v, (side, sign) = d.number(t), d.value(), d.side()
    return Question(
        f"how many {t} have {n} {side} {v}",
        f"keep {t} with {n} {sign} {v}; count",
        f"SELECT count(*) FROM {t} WHERE {n} {sign} {v}",
    )


def count_word(d: Draw) -> Question:
    t = d.table().name
    x, w = d.text(t), d.word(t)
    return Question(
        f"how many {t} have {x} {w}", f"keep {t} with {x} = {w}; count", f"SELECT count(*) FROM {t} WHERE {x} = '{w}'"
    )


def aggregated(d: Draw) -> Question:
    t = d.table().name
    n, (word, f) = d.number(t), d.aggregate()
    return Question(f"{word} {n} of all {t}", f"take {f} {n} of {t}", f"SELECT {f}({n}) FROM {t}")


def top(d: Draw) -> Question:
    t = d.table().name
    c, n, (word, way, order) = d.column(t), d.number(t), d.end()
    return Question(
        f"{c} of the {t} with the {word} {n}",
        f"sort {t} by {n} {way}; take 1; show {c}",
        f"SELECT {c} FROM {t} ORDER BY {n} {order} LIMIT 1",
    )


def count_groups(d: Draw) -> Question:
    t = d.table().name
    x = d.text(t)
    return Question(
        f"number of {t} for each {x}",
        f"group {t} by {x}; count; show {x}",
        f"SELECT {x}, count(*) FROM {t} GROUP BY {x}",
    )


def grouped(d: Draw) -> Question:
    t = d.table().name
    x, n, (word, f) = d.text(t), d.number(t), d.aggregate()
    return Question(
        f"{word} {n} of {t} for each {x}",
        f"group {t} by {x}; take {f} {n}; show {x}",
        f"SELECT {x}, {f}({n}) FROM {t} GROUP BY {x}",
    )


def two_columns(d: Draw) -> Question:
    t = d.table().name
    (n, m), x, v, (side, sign) = d.numbers(t), d.text(t), d.value(), d.side()
    return Question(
        f"{x} and {m} of each {t} with {n} {side} {v}",
        f"keep {t} with {n} {sign} {v}; show {x} and {m}",
        f"SELECT {x}, {m} FROM {t} WHERE {n} {sign} {v}",
    )


def joined(d: Draw) -> Question:
    c, n, v, (side, sign) = d.column(d.parent), d.number(d.child), d.value(), d.side()
    return Question(
        f"{d.parent} {c} for each {d.child} with {n} {side} {v}",
        f"{d.joining}; keep {n} {sign} {v}; show {c}",
        f"SELECT T2.{c} FROM {d.join} WHERE T1.{n} {sign} {v}",
    )


def against_average(d: Draw) -> Question:
    t = d.table().name
    c, n, (side, sign) = d.column(t), d.number(t), d.side()
    return Question(
        f"{c} of each {t} with {n} {side} the average",
        f"average {n} of {t}; keep {n} {sign} that; show {c}",
        f"SELECT {c} FROM {t} WHERE {n} {sign} (SELECT avg({n}) FROM {t})",
    )


def without(d: Draw) -> Question:
    c = d.column(d.parent)
    return Question(
        f"{c} of each {d.parent} without {d.child}",
        f"list {d.world.reference} of {d.child}; keep {d.parent} not in that; show {c}",
        f"SELECT {c} FROM {d.parent} WHERE id NOT IN (SELECT {d.world.reference} FROM {d.child})",
    )


def joined_top(d: Draw) -> Question:
    c, n, (word, way, order) = d.column(d.parent), d.number(d.child), d.end()
    return Question(
        f"{d.parent} {c} for the {d.child} with the {word} {n}",
        f"{d.joining}; sort by {n} {way}; take 1; show {c}",
        f"SELECT T2.{c} FROM {d.join} ORDER BY T1.{n} {order} LIMIT 1",
    )


def joined_groups(d: Draw) -> Question:
    x, (n, m), v, (side, sign), (word, f) = (d.text(d.parent), d.numbers(d.child), d.value(), d.side(), d.aggregate())
    return Question(
        f"{word} {n} of {d.child} with {m} {side} {v} for each {d.parent} {x}",
        f"{d.joining}; keep {m} {sign} {v}; group by {x}; take {f} {n}; show {x}",
        f"SELECT T2.{x}, {f}(T1.{n}) FROM {d.join} WHERE T1.{m} {sign} {v} GROUP BY T2.{x}",
    )


def both(d: Draw) -> Question:
    t = d.table().name
    x, (n, m), v, w = d.text(t), d.numbers(t), d.value(), d.value()
    return Question(
        f"{x} of a {t} with {n} over {v} and of a {t} with {m} under {w}",
        f"list {x} of {t} with {n} > {v}; list {x} of {t} with {m} < {w}; in both",
        f"SELECT {x} FROM {t} WHERE {n} > {v} INTERSECT SELECT {x} FROM {t} WHERE {m} < {w}",
    )


def most_children(d: Draw) -> Question:
    c, (word, way, order) = d.column(d.parent), d.end()
    return Question(
        f"{c} of the {d.parent} with the {word} {d.child}",
        f"{d.joining}; group by {d.parent} id; sort by count {way}; take 1; show {c}",
        f"SELECT T2.{c} FROM {d.join} GROUP BY T2.id ORDER BY count(*) {order} LIMIT 1",
    )


def average_and_word(d: Draw) -> Question:
    t = d.table().name
    c, n, x, w, (side, sign) = d.column(t), d.number(t), d.text(t), d.word(t), d.side()
    return Question(
        f"{c} of each {t} with {x} {w} and {n} {side} the average",
        f"average {n} of {t}; keep {n} {sign} that; keep {x} = {w}; show {c}",
        f"SELECT {c} FROM {t} WHERE {n} {sign} (SELECT avg({n}) FROM {t}) AND {x} = '{w}'",
    )


def joined_kept_top(d: Draw) -> Question:
    c, (n, m), v, (side, sign), (word, way, order) = (
        d.column(d.parent),
        d.numbers(d.child),
        d.value(),
        d.side(),
        d.end(),
    )
    return Question(
        f"{d.parent} {c} for the {d.child} with the {word} {n} and {m} {side} {v}",
        f"{d.joining}; keep {m} {sign} {v}; sort by {n} {way}; take 1; show {c}",
        f"SELECT T2.{c} FROM {d.join} WHERE T1.{m} {sign} {v} ORDER BY T1.{n} {order} LIMIT 1",
    )


KINDS: dict[str, tuple[Callable[[Draw], Question], ...]] = {
    "easy": (count_all, list_column, filtered, count_filtered, count_word, aggregated),
    "medium": (top, count_groups, grouped, two_columns, joined),
    "hard": (against_average, without, joined_top, joined_groups, both),
    "extra": (most_children, average_and_word, joined_kept_top),
}
