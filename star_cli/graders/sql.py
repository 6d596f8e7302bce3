"""sql: the SQL of a text must give the gold query's result, on every instance of the database.

gold ``SELECT count(*) FROM pet``, text ``Count the rows.\\n```sql\\nSELECT count(id) FROM pet\\n````` -> MATCH
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.keys import key
from star_cli.core.parts import RUNTIME
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.graders._reading import Reader
from star_cli.lib.sql.execute import BadDatabase, Failed, Limits, Result, content_of, instances, run
from star_cli.lib.sql.files import address_of_scripts, addresses_below, locate
from star_cli.lib.sql.forms import exact_match
from star_cli.lib.sql.official import RULES, as_executed, equal_results
from star_cli.lib.sql.results import Rules, result_name, same
from star_cli.lib.sql.text import ordered, sql_of

GRACE = 0.4  # seconds after which a worker that overlooks its deadline is killed
HELD = 256  # gold results kept in a worker
_golds: OrderedDict[tuple[str, str, Limits], Result] = OrderedDict()

PETS = {
    "tables": [
        "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, kg REAL);"
        "INSERT INTO pet VALUES (1, 'Ann', 3, 1.5), (2, 'Bo', 3, 0.3), (3, 'Ann', 7, NULL), (4, 'Zo', 1, 9);",
        "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, kg REAL);"
        "INSERT INTO pet VALUES (1, 'Cy', 2, 2.5), (2, 'Di', 9, NULL), (5, 'Di', 4, 1);",
    ]
}
NAMES, OLDEST = "SELECT name FROM pet WHERE age > 2", "SELECT name FROM pet ORDER BY age DESC, id"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@register("grader", "sql", version=3)
class Sql(Reader):
    """The last fenced block of SQL counts, or the final statement; a block that holds something else is passed over.
    The known answer is the gold query.

    Of a problem's ``meta``: ``database`` (its address, or the path of a folder of instances or of one file; below
    ``databases`` where that is set, whose hash is filled in as ``databases_content``) or ``tables`` (CREATE TABLE and
    INSERT statements, a text for each instance). A verdict takes at most ``seconds``, gold
    (half of them) and all instances together. ``order``: rows compare as lists where the ``gold`` has an ORDER BY,
    ``always`` or ``never``. ``columns``: in ``any`` order or the ``same``. ``nulls`` are ``distinct`` or like ``empty``
    text, ``affinity=loose`` takes '1' for 1. ``empty``: where the gold is empty on every instance the SQL must
    ``match`` it exactly as sets, or be ``equal`` (empty too) only. The answer of a verdict names the first instance's
    result, equal for equal results, so that a majority votes by result; what does not execute has no vote.

    ``rules=spider`` and ``rules=bird`` grade as the published scripts of these benchmarks do (lib/sql/official.py), in
    place of ``order`` to ``empty``: to be reported beside ours (evaluation.rules), not to be trained on.
    """

    seconds: float = 5.0
    order: str = "gold"
    columns: str = "any"
    duplicates: bool = True
    nulls: str = "distinct"
    affinity: str = "strict"
    tolerance: float = 1e-6
    empty: str = "match"
    rows: int = 100_000
    cells: int = 1_000_000
    memory_mb: int = 256
    truncated: bool = False
    rules: str = "strict"
    databases: str | None = field(default=None, metadata=RUNTIME)
    databases_content: str | None = None
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        (NAMES, f"```sql\n{NAMES}\n```", "MATCH", {"meta": PETS}),
        (NAMES, f"Those above two.\n```sql\n{NAMES};\n```\nDone.", "MATCH", {"meta": PETS}),
        (NAMES, f"First try:\n```sql\nSELECT id FROM pet\n```\nBetter:\n```sql\n{NAMES}\n```", "MATCH", {"meta": PETS}),
        (NAMES, f"```sql\n{NAMES}\n```\nNo:\n```sql\nSELECT id FROM pet\n```", "MISMATCH", {"meta": PETS}),
        (
            NAMES,
            "SQL: SELECT name FROM pet WHERE age <> 1",
            "MISMATCH",
            {"meta": PETS},
        ),  # only the second instance tells
        (NAMES, "SELECT name FROM pet WHERE age > 2\nORDER BY id DESC", "MATCH", {"meta": PETS}),
        (NAMES, "select distinct name from pet where age > 2", "MISMATCH", {"meta": PETS}),
        (NAMES, "SELECT name, age FROM pet WHERE age > 2", "MISMATCH", {"meta": PETS}),
        (NAMES, "SELECT name FROM pet WHERE age > 2 AND id IN (SELECT id FROM pet)", "MATCH", {"meta": PETS}),
        (NAMES, "SELECT name FROM pet WHERE age > 2 -- UNION SELECT 'x'", "MATCH", {"meta": PETS}),
        ("SELECT name, age FROM pet", "SELECT age, name FROM pet", "MATCH", {"meta": PETS}),
        (OLDEST, OLDEST, "MATCH", {"meta": PETS}),
        (OLDEST, "SELECT name FROM pet", "MISMATCH", {"meta": PETS}),
        (OLDEST, "SELECT name FROM pet ORDER BY age", "MISMATCH", {"meta": PETS}),
        ("SELECT kg FROM pet", "SELECT ifnull(kg, '') FROM pet", "MISMATCH", {"meta": PETS}),
        ("SELECT age FROM pet", "SELECT age * 1.0 FROM pet", "MATCH", {"meta": PETS}),
        ("SELECT age FROM pet", "SELECT CAST(age AS TEXT) FROM pet", "MISMATCH", {"meta": PETS}),
        ("SELECT sum(kg) FROM pet", "SELECT sum(kg * 0.1) * 10 FROM pet", "MATCH", {"meta": PETS}),
        ("SELECT name FROM pet WHERE age > 90", "SELECT name FROM pet WHERE age > 80", "MATCH", {"meta": PETS}),
        ("SELECT name FROM pet WHERE age > 90", "SELECT name FROM pet WHERE id > 90", "MISMATCH", {"meta": PETS}),
        (NAMES, "SELECT nam FROM pet", "NO_ANSWER", {"meta": PETS}),
        (NAMES, "DROP TABLE pet", "NO_ANSWER", {"meta": PETS}),
        (NAMES, f"```sql\n{NAMES}; DROP TABLE pet\n```", "NO_ANSWER", {"meta": PETS}),
        (NAMES, f"```sql\n{NAMES}\n```\nwhich gives\n```\nname\n----\nAnn\nBo\n```", "MATCH", {"meta": PETS}),
        (NAMES, f"<think>```sql\nSELECT 1\n```</think>```sql\n{NAMES}\n```", "MATCH", {"meta": PETS}),
        (NAMES, f"<think>```sql\n{NAMES}\n```", "TRUNCATED", {"meta": PETS}),
        (NAMES, "SELECT count(*) FROM sqlite_master", "NO_ANSWER", {"meta": PETS}),
        (NAMES, "There is no answer.", "NO_ANSWER", {"meta": PETS}),
        (NAMES, "", "NO_ANSWER", {"meta": PETS}),
        (NAMES, f"{NAMES}\n\nQ: next\nA: SELECT 1", "MATCH", {"meta": PETS}),
        (NAMES, f"I am lost.\nQ: next\nA: {NAMES}", "RUN_ON", {"meta": PETS}),
        (NAMES, NAMES, "TRUNCATED", {"meta": PETS, "finish": "length"}),
        (NAMES, ENDLESS, "TIMEOUT", {"meta": PETS}),
        (NAMES, NAMES, "GRADER_ERROR", {"meta": {"database": "/nowhere/pets"}}),
        (NAMES, NAMES, "GRADER_ERROR"),
        ("SELECT nam FROM pet", NAMES, "GRADER_ERROR", {"meta": PETS}),
        ("", NAMES, "GRADER_ERROR", {"meta": PETS}),
    ]

    def check(self) -> None:
        super().check()
        need(self.seconds > 0, f"grader.seconds must be > 0, got {self.seconds}")
        for name, choices in (
            ("order", ("gold", "always", "never")),
            ("columns", ("any", "same")),
            ("nulls", ("distinct", "empty")),
            ("affinity", ("strict", "loose")),
            ("empty", ("match", "equal")),
            ("rules", RULES),
        ):
            value = getattr(self, name)
            need(value in choices, f"grader.{name} must be {' or '.join(choices)}, got {value!r}")
        for name in ("rows", "cells"):
            need(getattr(self, name) >= 1, f"grader.{name} must be >= 1, got {getattr(self, name)}")
        need(self.memory_mb >= 16, f"grader.memory_mb must be >= 16, got {self.memory_mb}")
        need(self.tolerance >= 0, f"grader.tolerance must be >= 0, got {self.tolerance}")
        need(
            self.databases is None or Path(self.databases).is_dir(),
            f"grader.databases={self.databases} is no directory",
            "give the folder that holds a folder for each database",
        )
        if self.databases is not None:
            content = key(["databases", addresses_below(Path(self.databases))])
            need(
                self.databases_content in (None, content),
                f"grader.databases_content={self.databases_content}, but those at {self.databases} are {content}",
                "a file is another one or was changed; leave it out to take them as they are",
            )
            self.databases_content = content

    @property
    def isolated(self) -> bool:
        return True

    @property
    def wall(self) -> float:
        return self.seconds + GRACE

    @property
    def limits(self) -> Limits:
        """What one statement may take."""
        return Limits(rows=self.rows, cells=self.cells, memory=self.memory_mb << 20)

    @property
    def comparison(self) -> Rules:
        """How results compare."""
        return Rules(self.columns, self.duplicates, self.nulls, self.affinity, self.tolerance)

    def judged(self, text: str) -> str:
        mine = self.reading(text).text
        sql, end = sql_of(mine)
        return text[: end if sql is not None else len(mine.rstrip())]

    def gold_fault(self, problem: Problem) -> str | None:
        try:
            self.golds(problem, time.monotonic() + self.seconds / 2)  # what a verdict gives it
        except (Failed, StarError) as e:
            return str(e)
        return None

    def places(self, problem: Problem) -> list[Path]:
        """The instances of a problem's database. Raises BadDatabase, StarError."""
        told, tables = problem.meta.get("database"), problem.meta.get("tables")
        if tables:
            scripts = [tables] if isinstance(tables, str) else list(tables)
            return instances(locate(address_of_scripts("given", scripts)))
        if not told:
            raise BadDatabase("the problem names no database")
        if self.databases is not None:
            return instances(Path(self.databases) / Path(told).name)
        return instances(locate(told))

    def golds(self, problem: Problem, deadline: float) -> list[tuple[Path, Result]]:
        """Every instance with the gold's result. Raises Failed, and BadDatabase where a database is to blame."""
        found = []
        gold = as_executed(problem.answer, self.rules)
        for path in self.places(problem):
            at = (content_of(path), gold, self.limits)
            result = _golds.get(at)
            if result is None:
                try:
                    result = run(path, gold, deadline, self.limits)
                except BadDatabase:
                    raise
                except Failed as e:
                    raise Failed(f"the gold query gives no result on {path.name}: {e.why}") from None
                _golds[at] = result
                if len(_golds) > HELD:
                    _golds.popitem(last=False)
            _golds.move_to_end(at)
            found.append((path, result))
        return found

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        reason, answer = self.judge(problem, rationale.text, rationale.finish)
        return self.verdict(rationale, reason, answer, answer_class=answer)

    def judge(self, problem: Problem, text: str, finish: str) -> tuple[str, str | None]:
        """(reason, the name of the result, or what went wrong)."""
        start = time.monotonic()
        try:
            golds = self.golds(problem, start + self.seconds / 2)
        except (Failed, StarError) as e:
            return "GRADER_ERROR", str(e)
        reading = self.reading(text)
        sql, _ = sql_of(reading.text)
        if reading.unfinished or (finish == "length" and not self.truncated):
            return "TRUNCATED", None
        if sql is None:
            return "RUN_ON" if reading.ran_on else "NO_ANSWER", None
        try:
            return self.compared(golds, problem.answer, sql, start + self.seconds)
        except BadDatabase as e:
            return "GRADER_ERROR", e.why
        except Failed as e:
            return ("TIMEOUT", None) if e.late else ("NO_ANSWER", f"does not execute: {e.why}"[:300])

    def compared(self, golds: list[tuple[Path, Result]], gold: str, sql: str, deadline: float) -> tuple[str, str]:
        """MATCH where the results are equal on every instance, and the name of the first one. Raises Failed."""
        lists = self.order == "always" or (self.order == "gold" and ordered(gold))
        answer = ""
        for path, wanted in golds:
            result = run(path, as_executed(sql, self.rules), deadline, self.limits)
            answer = answer or result_name(result, lists, self.comparison)
            equal = (
                same(wanted, result, lists, self.comparison)
                if self.rules == "strict"
                else equal_results(wanted, result, gold, self.rules)
            )
            if not equal:
                return "MISMATCH", answer
        if self.rules != "strict":
            return "MATCH", answer
        if self.empty == "match" and not any(result.rows for _, result in golds) and not exact_match(gold, sql):
            return "MISMATCH", answer
        return "MATCH", answer
