"""spider: questions over databases, answered in SQL (Yu et al. 2018, arXiv 1809.08887); BIRD's files too.

{"db_id": "pets", "question": "How many dogs are there?", "query": "SELECT count(*) FROM pet WHERE kind = 'dog'"}
{"db_id": "pets", "question": "...", "evidence": "dogs: kind = 'dog'", "SQL": "SELECT ...", "difficulty": "simple"}

Data: ``task.path=DIR`` with train_spider.json, dev.json (or questions.jsonl), tables.json and database/DB/*.sqlite, as
published. The hint is the gold query; it is never in a training prompt.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import RUNTIME
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.sql.determinism import flags
from star_cli.lib.sql.execute import BadDatabase, Failed, instances
from star_cli.lib.sql.files import address_of_files, addresses_below, file_sum, locate
from star_cli.lib.sql.forms import hardness
from star_cli.lib.sql.layout import QUESTIONS, databases_folder, question_files, tables_file
from star_cli.lib.sql.schema import Schema, sample_values, schema_of
from star_cli.tasks.base.formats import Row, read
from star_cli.tasks.base.lessons import solved_lessons
from star_cli.tasks.base.text_to_sql import TextToSQLTask

LESSON = 1200  # characters of the longest lesson of a tiny model
NAMED = 10  # questions left out that are named for each reason
SECONDS = 10.0  # a gold query may take on all instances when it is checked


@register("task", "spider", version=2)
class Spider(TextToSQLTask):
    """``values`` shows that many values of every column in the schema, ``types=false`` leaves types and keys out.

    ``content`` is filled in with the hash of questions, tables and databases. Questions whose database is missing or
    whose gold query does not execute are left out and counted; ``check_gold=false`` skips that look at every gold
    query. ``ambiguous=skip`` leaves out those whose result is not determined, too. A questions file without splits is
    split by whole databases: a fifth each for dev and test.
    """

    path: str | None = field(default=None, metadata=RUNTIME)
    content: str | None = None
    values: int = 0
    types: bool = True
    check_gold: bool = True
    ambiguous: str = "keep"
    lessons: dict[str, int] = field(metadata=RUNTIME, default_factory=lambda: {"gold": 512, "gold/hinted": 512})
    prompt_file: ClassVar[str] = "spider.txt"
    max_tokens: ClassVar[int] = 512

    def __post_init__(self) -> None:
        self._left_out: dict[str, dict[str, list[str]]] = {}  # by split and reason the ids of questions

    def check(self) -> None:
        need(
            bool(self.path),
            "task=spider does not know its data",
            "give its folder with task.path=DIR (train_spider.json, dev.json, tables.json, database/DB/*.sqlite)",
        )
        need(self.ambiguous in ("keep", "skip"), f"task.ambiguous must be keep or skip, got {self.ambiguous!r}")
        need(self.ambiguous == "keep" or self.check_gold, "task.ambiguous=skip needs task.check_gold=true")
        need(self.values >= 0, f"task.values must be >= 0, got {self.values}")
        super().check()
        content = content_of(self.root)
        need(
            self.content in (None, content),
            f"task.content={self.content}, but the data at {self.path} is {content}",
            "the files are others or were changed; leave task.content out to take them as they are",
        )
        self.content = content

    @property
    def root(self) -> Path:
        """The folder of the data."""
        return Path(str(self.path)).expanduser().resolve()

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        left_out = self._left_out[split] = {}
        schemas = {schema.name: schema for schema in self.schemas(split)}
        folder = databases_folder(self.root, split)
        ids: set[str] = set()
        for number, (where, row) in enumerate(self.rows(split)):
            problem = self.problem(row, f"{split}-{number}", where, schemas, folder)
            if problem.id in ids:
                raise StarError(
                    f"{where}: the id {problem.id!r} occurs twice", hint="every question needs an id of its own"
                )
            ids.add(problem.id)
            fault = self._fault(problem)
            if fault is None:
                yield problem
            else:
                left_out.setdefault(fault, []).append(problem.id)
        if ids and len(ids) == sum(map(len, left_out.values())):
            reason = next(iter(left_out))
            raise StarError(
                f"no question of the {split} split at {self.path} can be used: {reason.replace('_', ' ')} "
                f"({', '.join(left_out[reason][:3])}, ...)",
                hint="check that database/DB/*.sqlite are there and belong to these questions",
            )

    def _fault(self, problem: Problem) -> str | None:
        """Why a question is left out; notes in its ``meta`` what its gold query leaves undetermined."""
        if not problem.meta["database"]:
            return "missing_database"
        if not self.check_gold:
            return None
        undetermined = gold_flags(problem.meta["database"], problem.answer)
        if undetermined is None:
            return "gold_does_not_execute"
        if undetermined:
            problem.meta["flags"] = list(undetermined)
        return "ambiguous_gold" if undetermined and self.ambiguous == "skip" else None

    def left_out(self, split: str) -> dict[str, int]:
        return {
            f"{reason} ({', '.join(ids[:NAMED])}{', ...' if len(ids) > NAMED else ''})": len(ids)
            for reason, ids in self._left_out.get(split, {}).items()
        }

    def problem(self, row: dict[str, Any], id: str, where: str, schemas: dict[str, Schema], folder: Path) -> Problem:
        """The problem of one row; its ``meta.database`` is empty where the database is missing."""
        sql, question, name = row.get("query", row.get("SQL")), row.get("question"), row.get("db_id")
        if not (isinstance(sql, str) and isinstance(question, str) and isinstance(name, str)):
            raise StarError(
                f"{where}: expected texts question, db_id and query (or SQL); it has {', '.join(row)}",
                hint="task=spider reads the files of Spider and BIRD",
            )
        if name not in schemas:
            raise StarError(
                f"{where}: no schema of {name!r} in tables.json", hint="give the tables.json of these questions"
            )
        try:
            database = address_of_files(folder / name)
        except BadDatabase:
            database = ""
        evidence = str(row.get("evidence") or "").strip()
        own_id = row.get("id", row.get("question_id"))
        return Problem(
            id=id if own_id is None else str(own_id),
            question=question.strip() + (f"\n({evidence})" if evidence else ""),
            answer=sql.strip().rstrip(";").strip(),
            meta={
                "schema": schema_text(schemas[name], database, self.types, self.values),
                "db": name,
                "database": database,
                "hardness": row.get("difficulty") or hardness(sql) or "unparsed",
                "links": [list(link) for link in schemas[name].links],
            },
        )

    def rows(self, split: str) -> Iterator[Row]:
        """The questions of a split, each with its place."""
        by_split, common = question_files(self.root)
        if split in by_split:
            yield from read(by_split[split])
            return
        if common is None:
            raise StarError(
                f"task.path={self.path} has no {split} split, only {', '.join(sorted(by_split))}",
                hint="evaluation.split=" + next(iter(sorted(by_split)), "dev"),
            )
        rows = list(read(common))
        split_of = split_by_database(sorted({str(row.get("db_id")) for _, row in rows}))
        yield from ((where, row) for where, row in rows if split_of[str(row.get("db_id"))] == split)

    def split_note(self, split: str) -> str | None:
        by_split, common = question_files(self.root)
        if split in by_split or common is None:
            return None
        return f"{common} names no splits: whole databases are train, dev or test (3:1:1), by a hash of their names"

    def schemas(self, split: str) -> Iterator[Schema]:
        """The schemas that a split's questions may name."""
        for where, row in read(tables_file(self.root, split)):
            yield schema_of(row, where)

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        def write(problem: Problem, kind: str, hinted: bool) -> tuple[str, str]:
            return self.bare_prompt(problem, hinted), self.answer_only(problem)

        return solved_lessons(list(self.problems("train")), lessons, seed, ("gold",), write, LESSON)


def split_by_database(names: list[str]) -> dict[str, str]:
    """A split for each database, by hash: a fifth (at least one) for dev, a fifth for test, the rest for train."""
    order = sorted(names, key=lambda n: seed_of("spider split", n))
    share = max(1, len(order) // 5)
    return {n: "dev" if i < share else "test" if i < 2 * share else "train" for i, n in enumerate(order)}


@lru_cache(maxsize=4096)
def schema_text(schema: Schema, database: str, types: bool, values: int) -> str:
    """The text of a schema, with ``values`` values of every column from its database's first instance."""
    try:
        examples = sample_values(instances(locate(database))[0], schema, values) if values and database else {}
    except Failed:
        examples = {}
    return schema.text(types=types, values=examples)


@lru_cache(maxsize=65536)
def gold_flags(database: str, sql: str) -> tuple[str, ...] | None:
    """What a gold query leaves undetermined on any instance; None where it does not execute on one."""
    deadline = time.monotonic() + SECONDS
    try:
        return tuple(sorted({flag for path in instances(locate(database)) for flag in flags(path, sql, deadline)}))
    except Failed:
        return None


def content_of(root: Path) -> str:
    """What addresses a folder of this data: its questions, tables and databases by name and content.

    Notes where the databases lie, so that problems which were made before can be graded.
    """
    by_split, common = question_files(root)
    splits = [split for split in QUESTIONS if split in by_split or common]
    files = {*by_split.values(), *([common] if common else []), *(tables_file(root, split) for split in splits)}
    try:
        parts = [f"{path.relative_to(root)} {file_sum(path)}" for path in sorted(files)]
    except OSError as e:
        raise StarError(f"{e.filename} cannot be read: {e.strerror}", hint="look at its permissions") from None
    for folder in sorted({databases_folder(root, split) for split in splits}):
        parts += [f"{folder.relative_to(root)} {name} {address}" for name, address in addresses_below(folder).items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
