"""tiny_sql: questions over random little databases, answered in SQL; small enough for a tiny model to learn.

{"id": "easy/shop_sale_0/how many sale are there", "question": "how many sale are there",
 "answer": "SELECT count(*) FROM sale", "meta": {"hardness": "easy", "schema": "shop(id, ...)\\nsale(id, ...)",
 "database": "sqlite:2f9be0c41d7a8e35/shop_sale_0", "plan": "count sale", "links": [["sale.shop_id", "shop.id"]]}}

    Q: shop(id, name, city, size, cost)
    sale(id, shop_id -> shop.id, kind, price, score)
    how many sale are there
    A: count sale
    ```sql
    SELECT count(*) FROM sale
    ```
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from typing import ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import RUNTIME
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.sql.determinism import flags
from star_cli.lib.sql.execute import Failed, instances, run
from star_cli.lib.sql.files import address_of_scripts, locate
from star_cli.lib.sql.forms import LEVELS
from star_cli.lib.sql.questions import KINDS, Draw
from star_cli.lib.sql.worlds import World, world
from star_cli.tasks.base.lessons import lesson, lesson_kind
from star_cli.tasks.base.splits import SHARES
from star_cli.tasks.base.text_to_sql import TextToSQLTask

TRIES = 60  # draws for each question wanted: what was drawn before, has no rows or no single answer is drawn again
SECONDS = 5.0  # a gold query may take on all instances


@register("task", "tiny_sql", version=2)
class TinySql(TextToSQLTask):
    """``schemas`` random databases, each with ``instances`` of other rows; a prediction must be right on all of them.

    ``train``, ``dev`` and ``test`` say how many questions of each hardness (easy, medium, hard, extra: Spider's) are
    drawn, fewer where fewer exist. A question belongs to one split by a hash of its text. The SQLite files are written
    to ``<temp>/star-databases-<user id>`` (lib/sql/files.py). A lesson ``"hard"`` is a question with plan and SQL,
    ``"hard/hinted"`` one that shows the SQL.
    """

    schemas: int = 4
    instances: int = 2
    parents: int = 9
    children: int = 24
    train: int = 250
    dev: int = 40
    test: int = 60
    seed: int = 0
    shots: str = field(default="none", metadata=RUNTIME)
    lessons: dict[str, int] = field(
        metadata=RUNTIME,
        default_factory=lambda: {
            "easy": 1500,
            "medium": 1500,
            "hard": 100,
            "extra": 30,
            "medium/hinted": 400,
            "hard/hinted": 700,
            "extra/hinted": 700,
        },
    )
    max_tokens: ClassVar[int] = 160

    def check(self) -> None:
        for name in ("schemas", "instances", "train", "dev", "test"):
            need(getattr(self, name) >= 1, f"task.{name} must be >= 1, got {getattr(self, name)}")
        need(3 <= self.parents <= 14, f"task.parents must be from 3 to 14, got {self.parents}")
        need(3 <= self.children <= 80, f"task.children must be from 3 to 80, got {self.children}")
        super().check()
        self.worlds()  # the files are there, also for problems that were made before

    def worlds(self) -> list[tuple[str, World]]:
        """Every database's address and what is in it; missing files are written."""
        worlds = [world(self.seed, i, self.instances, self.parents, self.children) for i in range(self.schemas)]
        return [(address_of_scripts(w.schema.name, list(w.scripts)), w) for w in worlds]

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        worlds = self.worlds()
        for level in LEVELS:
            rng = random.Random(seed_of("tiny_sql", self.seed, split, level))
            yield from drawn(worlds, level, getattr(self, split), SHARES[split], rng)

    def gold(self, problem: Problem) -> str | None:
        return f" {problem.meta['plan']}\n{self.answer_only(problem).lstrip()}"

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        worlds = self.worlds()
        for name, count in lessons.items():
            level, hinted = lesson_kind(name, LEVELS)
            rng = random.Random(seed_of("lesson", seed, name))
            for i, p in enumerate(drawn(worlds, level, count, SHARES["train"], rng, repeat=True)):
                yield lesson(name, i, self.bare_prompt(p, hinted), self.gold(p) or "")


def drawn(
    worlds: list[tuple[str, World]], level: str, count: int, share: range, rng: random.Random, repeat: bool = False
) -> Iterator[Problem]:
    """``count`` questions of a hardness that fall into a share of the buckets; each once, unless ``repeat``."""
    ids: set[str] = set()
    for _ in range(TRIES * count):
        if not count:
            return
        address, w = rng.choice(worlds)
        question = rng.choice(KINDS[level])(Draw(w, rng))
        id = f"{level}/{w.schema.name}/{question.text}"
        in_share = seed_of("split", question.text) % 10 in share
        if not in_share or (not repeat and id in ids) or not usable(address, question.sql):
            continue
        ids.add(id)
        count -= 1
        yield Problem(
            id=id,
            question=question.text,
            answer=question.sql,
            meta={
                "hardness": level,
                "database": address,
                "schema": w.schema.text(types=False),
                "plan": question.plan,
                "links": [list(link) for link in w.schema.links],
            },
        )


@lru_cache(maxsize=65536)
def usable(address: str, sql: str) -> bool:
    """Whether a query has one result, with rows, on every instance of a database."""
    deadline = time.monotonic() + SECONDS
    try:
        paths = instances(locate(address))
        if not all(run(path, sql, deadline).rows for path in paths):
            return False
    except Failed as e:
        raise StarError(
            f"a query of this task's own did not run on {address}: {e} ({sql})",
            hint="free the machine or its disk and run the same command again",
        ) from e
    counted = "GROUP BY" in sql and "LIMIT" in sql  # only counts have ties: numbers of a column are all different
    return not counted or not any(flags(path, sql, deadline) for path in paths)
