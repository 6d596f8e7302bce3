"""Random little databases: a parent table and a child table that points to it, with random columns and rows.

shop(id, name, city, size, cost)
sale(id, shop_id -> shop.id, kind, price, score)
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from star_cli.lib.sql.schema import Column, Schema, Table

PARENTS = ("shop", "team", "farm", "club", "ship", "band", "school", "park")
CHILDREN = ("sale", "player", "animal", "visit", "trip", "song", "class", "event")
TEXTS: dict[str, tuple[str, ...]] = {
    "city": ("Rome", "Oslo", "Lima", "Bonn"),
    "color": ("red", "blue", "green", "white"),
    "kind": ("small", "large", "old", "new"),
    "state": ("open", "closed", "busy", "free"),
    "style": ("plain", "modern", "simple", "grand"),
    "class": ("first", "second", "third", "fourth"),
}
NUMBERS = ("age", "size", "price", "score", "year", "weight", "speed", "cost")
NAMES = ("Ada", "Ben", "Cora", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jane", "Kim", "Leo", "Mia", "Nils")
LOWEST, HIGHEST = 10, 99  # of every number


@dataclass(frozen=True)
class World:
    """A little database: its schema, and a script of CREATE and INSERT statements for each instance.

    ``texts`` are the values of its text columns by "table.column", ``numbers`` the names of its number columns.
    """

    schema: Schema
    texts: dict[str, tuple[str, ...]]
    numbers: tuple[str, ...]
    scripts: tuple[str, ...]

    @property
    def parent(self) -> Table:
        """The table that the other one points to."""
        return self.schema.tables[0]

    @property
    def child(self) -> Table:
        """The table with the foreign key."""
        return self.schema.tables[1]

    @property
    def reference(self) -> str:
        """The child's column that points to the parent."""
        return f"{self.parent.name}_id"


def world(seed: int, number: int, instances: int, parents: int, children: int) -> World:
    """World ``number`` of a seed: its tables have ``parents`` and ``children`` rows in each of its instances."""
    rng = random.Random(f"world {seed} {number}")
    parent = PARENTS[(number + seed) % len(PARENTS)]
    child = rng.choice([c for c in CHILDREN if c not in TEXTS])
    left, right = rng.sample([t for t in TEXTS if t not in (parent, child)], 2)
    numbers = rng.sample(NUMBERS, 4)
    parent_columns = (
        Column("id", "number", True),
        Column("name", "text"),
        Column(left, "text"),
        *(Column(n, "number") for n in numbers[:2]),
    )
    child_columns = (
        Column("id", "number", True),
        Column(f"{parent}_id", "number", link=f"{parent}.id"),
        Column(right, "text"),
        *(Column(n, "number") for n in numbers[2:]),
    )
    schema = Schema(f"{parent}_{child}_{number}", (Table(parent, parent_columns), Table(child, child_columns)))
    texts: dict[str, tuple[str, ...]] = {f"{parent}.{left}": TEXTS[left], f"{child}.{right}": TEXTS[right]}
    number_columns = tuple(f"{parent}.{n}" for n in numbers[:2]) + tuple(f"{child}.{n}" for n in numbers[2:])
    scripts = tuple(
        _script(schema, texts, random.Random(f"rows {seed} {number} {i}"), parents, children) for i in range(instances)
    )
    return World(schema, texts, number_columns, scripts)


def _script(schema: Schema, texts: dict[str, tuple[str, ...]], rng: random.Random, parents: int, children: int) -> str:
    """CREATE and INSERT statements. Numbers of a column are all different, so that sorting by one has no ties."""
    lines = []
    for table, count in zip(schema.tables, (parents, children), strict=True):
        columns = [
            f"{c.name} {'INTEGER' if c.kind == 'number' else 'TEXT'}{' PRIMARY KEY' if c.key else ''}"
            + (f" REFERENCES {c.link.replace('.', '(')})" if c.link else "")
            for c in table.columns
        ]
        lines.append(f"CREATE TABLE {table.name} ({', '.join(columns)});")
        values = {c.name: _values(c, table.name, count, parents, texts, rng) for c in table.columns}
        rows = [f"({', '.join(values[c.name][i] for c in table.columns)})" for i in range(count)]
        lines.append(f"INSERT INTO {table.name} VALUES {', '.join(rows)};")
    return "\n".join(lines)


def _values(
    c: Column, table: str, count: int, parents: int, texts: dict[str, tuple[str, ...]], rng: random.Random
) -> list[str]:
    """``count`` values of a column, as SQL literals."""
    if c.key:
        return [str(i + 1) for i in range(count)]
    if c.link:
        return [str(min(rng.randint(1, parents), rng.randint(1, parents))) for _ in range(count)]
    if c.kind == "number":
        return [str(n) for n in rng.sample(range(LOWEST, HIGHEST + 1), count)]
    if c.name == "name":
        return [f"'{n}'" for n in rng.sample(NAMES, count)]
    return [f"'{rng.choice(texts[f'{table}.{c.name}'])}'" for _ in range(count)]
