"""spider: questions over databases, answered in SQL (Yu et al. 2018, arXiv 1809.08887); BIRD's files too.

{"db_id": "pets", "question": "How many dogs are there?", "query": "SELECT count(*) FROM pet WHERE kind = 'dog'"}
{"db_id": "pets", "question": "...", "evidence": "dogs: kind = 'dog'", "SQL": "SELECT ...", "difficulty": "simple"}

Data: ``task.path=DIR`` with train_spider.json, dev.json (or questions.jsonl), tables.json and database/DB/*.sqlite, as
published. The hint is the gold query; it is never in a training prompt.
"""

from __future__ import annotations

import hashlib
import heapq
import time
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.keys import file_sha256, seed_of
from star_cli.core.parts import RUNTIME
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.sql.determinism import flags
from star_cli.lib.sql.execute import Failed, instances
from star_cli.lib.sql.forms import hardness
from star_cli.lib.sql.schema import Schema, from_row, sample_values
from star_cli.tasks.base import datafiles as data
from star_cli.tasks.base.text_to_sql import Querying, grader_of

QUESTIONS = {"train": ("train_spider", "train"), "dev": ("dev",), "test": ("test",)}
BIG = 256 << 20  # bytes of a database above which its size and both ends stand for its content
LESSON = 1200  # characters of the longest lesson of a tiny model
NAMED = 10  # questions left out that are named for each reason
SECONDS = 10.0  # what a gold query may take on all instances when it is checked


@register("task", "spider")
class Spider(Querying):
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
        self._left: dict[str, dict[str, list[str]]] = {}

    @property
    def grader(self) -> dict[str, Any]:  # type: ignore[override]
        """The sql grader, which looks for the databases where this task does."""
        if not self.path or not self.root.is_dir():
            return grader_of()
        named, common = question_files(self.root)
        places = {databases(self.root, split) for split in (QUESTIONS if common else named)}
        return grader_of(str(places.pop()) if len(places) == 1 else None)

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
        found = content_of(self.root)
        need(
            self.content in (None, found),
            f"task.content={self.content}, but the data at {self.path} is {found}",
            "the files are others or were changed; leave task.content out to take them as they are",
        )
        self.content = found

    @property
    def root(self) -> Path:
        """The folder of the data."""
        return Path(str(self.path)).expanduser().resolve()

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        left = self._left[split] = {}
        schemas = {s.name: s for s in self.schemas(split)}
        folder = databases(self.root, split)
        seen: set[str] = set()
        given = 0
        for number, (where, row) in enumerate(self.rows(split)):
            problem = self.problem(row, f"{split}-{number}", where, schemas, folder)
            if problem.id in seen:
                raise StarError(
                    f"{where}: the id {problem.id!r} occurs twice", hint="every question needs an id of its own"
                )
            seen.add(problem.id)
            fault, told = checked(problem.meta["database"], problem.answer) if self.check_gold else (None, [])
            if fault is None and told and self.ambiguous == "skip":
                fault = "ambiguous_gold"
            if fault is not None:
                left.setdefault(fault, []).append(problem.id)
                continue
            given += 1
            yield (
                problem
                if not told
                else Problem(
                    **{
                        **{n: getattr(problem, n) for n in problem.__struct_fields__},
                        "meta": {**problem.meta, "flags": told},
                    }
                )
            )
        if seen and not given:
            first = next(iter(left))
            raise StarError(
                f"no question of the {split} split at {self.path} can be used: {first.replace('_', ' ')} "
                f"({', '.join(left[first][:3])}, ...)",
                hint="check that database/DB/*.sqlite are there and belong to these questions",
            )

    def left_out(self, split: str) -> dict[str, int]:
        return {
            f"{reason} ({', '.join(ids[:NAMED])}{', ...' if len(ids) > NAMED else ''})": len(ids)
            for reason, ids in self._left.get(split, {}).items()
        }

    def problem(self, row: dict[str, Any], id: str, where: str, schemas: dict[str, Schema], folder: Path) -> Problem:
        """The problem of one row."""
        sql = row.get("query", row.get("SQL"))
        if (
            not isinstance(sql, str)
            or not isinstance(row.get("question"), str)
            or not isinstance(row.get("db_id"), str)
        ):
            raise StarError(
                f"{where}: expected texts question, db_id and query (or SQL); it has {', '.join(row)}",
                hint="task=spider reads the files of Spider and BIRD",
            )
        name = row["db_id"]
        if name not in schemas:
            raise StarError(
                f"{where}: no schema of {name!r} in tables.json", hint="give the tables.json of these questions"
            )
        schema, place = schemas[name], folder / name
        evidence = str(row.get("evidence") or "").strip()
        question = row["question"].strip() + (f"\n({evidence})" if evidence else "")
        given = row.get("id", row.get("question_id"))
        return Problem(
            id=id if given is None else str(given),
            question=question,
            answer=sql.strip().rstrip(";").strip(),
            meta={
                "schema": described(schema, place, self.types, self.values),
                "db": name,
                "database": str(place),
                "hardness": row.get("difficulty") or hardness(sql) or "unparsed",
                "links": [list(x) for x in schema.links],
            },
        )

    def rows(self, split: str) -> Iterator[data.Row]:
        """The questions of a split, each with its place."""
        named, common = question_files(self.root)
        if split in named:
            yield from data.read(named[split])
            return
        if common is None:
            raise StarError(
                f"task.path={self.path} has no {split} split, only {', '.join(sorted(named))}",
                hint="evaluation.split=" + next(iter(sorted(named)), "dev"),
            )
        everything = list(data.read(common))
        mine = by_database(sorted({str(r.get("db_id")) for _, r in everything}))
        yield from ((where, r) for where, r in everything if mine[str(r.get("db_id"))] == split)

    def schemas(self, split: str) -> Iterator[Schema]:
        """The schemas that a split's questions may name."""
        for file in tables_files(self.root, split):
            for where, row in data.read(file):
                yield from_row(row, where)

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        everything = list(self.problems("train"))
        for name, count in lessons.items():
            kind, _, form = name.partition("/")
            need(kind == "gold" and form in ("", "hinted"), f"unknown lesson {name!r}, expected gold or gold/hinted")
            for p in heapq.nsmallest(count, everything, key=lambda p: seed_of("lesson", seed, name, p.id)):
                asked = self.show(self.ask(p), " ".join(p.answer.splitlines())) if form else self.ask(p)
                prompt, completion = f"Q: {asked}\nA:", self.answer_only(p)
                if len(prompt) + len(completion) <= LESSON:
                    yield Example(
                        problem_id=f"lesson/{name}/{p.id}",
                        sample=0,
                        prompt=prompt,
                        completion=completion,
                        origin="gold",
                    )


def question_files(root: Path) -> tuple[dict[str, Path], Path | None]:
    """({split: file}, a file of questions without splits)."""
    if not root.is_dir():
        raise StarError(f"task.path={root} is no folder", hint="give the folder that holds dev.json and tables.json")
    found = {}
    for split, names in QUESTIONS.items():
        for place in (root, root / split):
            files = [f for name in names for f in (place / f"{name}.json", place / f"{name}.jsonl") if f.is_file()]
            if files and split not in found:
                found[split] = files[0]
    common = next((f for f in (root / "questions.jsonl", root / "questions.json") if f.is_file()), None)
    if not found and common is None:
        raise StarError(
            f"task.path={root} holds no questions", hint="expected train_spider.json and dev.json, or questions.jsonl"
        )
    return found, common


def tables_files(root: Path, split: str) -> list[Path]:
    """The files with the schemas of a split: its own where there are some (BIRD, Spider's test), else the common
    one.
    """
    for place, name in (
        (root, f"{split}_tables"),
        (root / split, f"{split}_tables"),
        (root, "tables"),
        (root / split, "tables"),
    ):
        for ending in (".json", ".jsonl"):
            if (place / f"{name}{ending}").is_file():
                return [place / f"{name}{ending}"]
    raise StarError(f"task.path={root} holds no tables.json", hint="it comes with the data set, beside the questions")


def databases(root: Path, split: str) -> Path:
    """The folder that holds a folder for each database."""
    names = (f"{split}_databases", f"{split}_database", "databases", "database")
    found = [p / name for p in (root / split, root) for name in names if (p / name).is_dir()]
    if not found:
        raise StarError(f"task.path={root} holds no databases", hint="expected database/DB/DB.sqlite")
    return found[0]


def by_database(names: list[str]) -> dict[str, str]:
    """A split for each database, by hash: a fifth (at least one) for dev, a fifth for test, the rest for train."""
    order = sorted(names, key=lambda n: seed_of("spider split", n))
    share = max(1, len(order) // 5)
    return {n: "dev" if i < share else "test" if i < 2 * share else "train" for i, n in enumerate(order)}


@lru_cache(maxsize=4096)
def described(schema: Schema, place: Path, types: bool, values: int) -> str:
    """The text of a schema, with values of its first instance where some are wanted."""
    try:
        shown = sample_values(instances(place)[0], schema, values) if values else {}
    except Failed:
        shown = {}
    return schema.text(types=types, values=shown)


@lru_cache(maxsize=65536)
def checked(place: str, sql: str) -> tuple[str | None, list[str]]:
    """(why a gold query cannot be used, what it leaves undetermined)."""
    try:
        paths = instances(Path(place))
    except Failed:
        return "missing_database", []
    deadline, found = time.monotonic() + SECONDS, set()
    for path in paths:
        try:
            found.update(flags(path, sql, deadline))
        except Failed:
            return "gold_does_not_execute", []
    return None, sorted(found)


def content_of(root: Path) -> str:
    """What addresses a folder of this data: names and hashes of its questions, tables and databases."""
    named, common = question_files(root)
    files = set(named.values()) | ({common} if common else set())
    for split in QUESTIONS:
        if split in named or common:
            files.update(tables_files(root, split))
            files.update(p for p in databases(root, split).glob("*/*") if p.suffix in (".sqlite", ".sqlite3", ".db"))
    told = [f"{p.relative_to(root)} {_mark(str(p), p.stat().st_size, p.stat().st_mtime_ns)}" for p in sorted(files)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


@lru_cache(maxsize=65536)
def _mark(path: str, size: int, changed: int) -> str:
    if size <= BIG:
        return file_sha256(Path(path))
    with open(path, "rb") as f:
        head = f.read(1 << 20)
        f.seek(-(1 << 20), 2)
        return f"{size} {hashlib.sha256(head + f.read()).hexdigest()}"
