"""Pages of samples and single ones: a set, a query, and what the tables answer."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from star_cli.analysis.made_by import task_of
from star_cli.core.parts import Task
from star_cli.core.records import Problem
from star_cli.errors import StarError
from star_cli.lib.health import leaks
from star_cli.report.label_files import Label, LabelFile
from star_cli.report.view.conditions import Beside, Where, changed, order, where
from star_cli.report.view.first_page import SamplePage, first_page
from star_cli.report.view.library import Library, SampleSet
from star_cli.report.view.query import CHANGES, PAGE, SampleQuery
from star_cli.report.view.tables import Row, Tables

LIST = (
    "problem_id, sample, hinted, finish, tokens, logprob, score, outcome, reason, answer, gold, wrong_steps, kept, "
    "left(question, 300) AS question, left(text, 300) AS beginning"
)
TINY = 50_000_000  # bytes of a set that is read only to count what changed, without being asked for


class Samples:
    """Answers queries about the sets of a library."""

    def __init__(self, library: Library, tables: Tables) -> None:
        self.library, self.tables = library, tables

    def page(self, one: SampleSet, query: SampleQuery) -> SamplePage:
        """The rows of the query's page, each with its place ``at`` among all that match.

        The first page of a large set is read from the beginning of its files while its table is being made.
        """
        if query == SampleQuery() and one.bytes > TINY and not self.tables.has(one):
            beginning = first_page(one)
            if beginning is not None:
                threading.Thread(target=self._make_ready, args=(one,), daemon=True).start()
                return self._labelled(one, beginning)
        table = self.tables.of(one)
        condition = self.condition(one, query, table)
        counts = self.tables.rows(
            f"SELECT outcome, reason, count(*) AS n FROM {table} {condition.sql} GROUP BY ALL ORDER BY n DESC",
            condition.values,
        )
        matching = sum(row["n"] for row in counts)
        last = max(1, -(-matching // PAGE))
        start = (min(query.page, last) - 1) * PAGE
        rows = self._rows(LIST, query, table, condition, PAGE, start)
        for at, row in enumerate(rows, start):
            row["at"] = at
        total = self.tables.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]
        page = SamplePage(rows, matching, total, _summed(counts, "outcome"), _summed(counts, "reason"))
        return self._labelled(one, page)

    def one(self, one: SampleSet, query: SampleQuery) -> tuple[Row, int]:
        """(the sample at ``query.at`` of those that match, how many match). StarError where none does."""
        table = self.tables.of(one)
        condition = self.condition(one, query, table)
        matching = self._matching(table, condition)
        if not matching:
            raise StarError(f"no sample of {one.place} passes these filters", hint="take one of them away")
        at = min(query.at, matching - 1)
        (row,) = self._rows("*", query, table, condition, 1, at)
        return row | {"at": at, "label": self.labels(one).get((row["problem_id"], row["sample"]))}, matching

    def first(self, one: SampleSet, query: SampleQuery, limit: int) -> tuple[list[Row], int]:
        """(the first samples that match, whole; how many match)."""
        table = self.tables.of(one)
        condition = self.condition(one, query, table)
        rows = self._rows("*", query, table, condition, limit, 0)
        labels = self.labels(one)
        for row in rows:
            row["label"] = labels.get((row["problem_id"], row["sample"]))
        return rows, self._matching(table, condition)

    def _rows(
        self, columns: str, query: SampleQuery, table: str, condition: Where, limit: int, offset: int
    ) -> list[Row]:
        """Some of the rows that match, in order. Their places are sorted first: texts are large."""
        places = [
            row["place"]
            for row in self.tables.rows(
                f"SELECT place FROM {table} {condition.sql} {order(query)} LIMIT {limit} OFFSET {offset}",
                condition.values,
            )
        ]
        if not places:
            return []
        marks = ", ".join("?" * len(places))
        found = self.tables.rows(f"SELECT place, {columns} FROM {table} WHERE place IN ({marks})", places)
        by_place = {row["place"]: row for row in found}
        return [by_place[place] for place in places]

    def _matching(self, table: str, condition: Where) -> int:
        count: int = self.tables.rows(f"SELECT count(*) AS n FROM {table} {condition.sql}", condition.values)[0]["n"]
        return count

    def _labelled(self, one: SampleSet, page: SamplePage) -> SamplePage:
        labels = self.labels(one)
        for row in page.rows:
            row["label"] = labels.get((row["problem_id"], row["sample"]))
        return page

    def _make_ready(self, one: SampleSet) -> None:
        """Make the table of a set; what is wrong with its files is said to whoever asks next."""
        with suppress(StarError):
            self.tables.of(one)

    def row(self, one: SampleSet, problem: str, sample: int) -> Row:
        """One sample by its name; a StarError where the set does not hold it."""
        table = self.tables.of(one)
        rows = self.tables.rows(f"SELECT * FROM {table} WHERE problem_id = ? AND sample = ?", [problem, sample])
        if not rows:
            raise StarError(f"{one.place} holds no sample {sample} of a problem {problem!r}")
        return rows[0]

    def random_place(self, one: SampleSet, query: SampleQuery) -> int:
        """A place among the samples that match."""
        _, matching = self.one(one, query.but(at=0))
        return random.randrange(matching)

    def changes(self, one: SampleSet, then: SampleSet) -> dict[str, int]:
        """How many problems, asked in both sets, became solved, were forgotten, stayed right or wrong."""
        now_table, then_table = self.tables.of(one), self.tables.of(then)
        return {
            change: self.tables.rows(
                f"SELECT count(DISTINCT problem_id) AS n FROM {now_table} "
                f"WHERE {changed(change, now_table, then_table)}"
            )[0]["n"]
            for change in CHANGES
        }

    def labels(self, one: SampleSet) -> dict[tuple[str, int], Label]:
        """What a person found of the samples of a set."""
        file = self.label_file(one)
        return file.read() if file else {}

    def label_file(self, one: SampleSet) -> LabelFile | None:
        """Where labels of a set are kept; None while it is still being written."""
        return LabelFile(one.run, f"round-{one.round}/{one.name}", one.rationales.key) if one.rationales else None

    def task(self, one: SampleSet) -> Task:
        """The task that made the prompts; a StarError where it cannot be had."""
        if one.rationales is None:
            raise StarError("the prompt is not known while the stage is still being written")
        return _task(one.rationales.key, one)

    def condition(self, one: SampleSet, query: SampleQuery, table: str) -> Where:
        """The condition of a query, with the tables that its filters need."""
        versus = self.versus(one, query) if query.change else None
        beside = Beside(
            against=self._against(one, query.against) if query.against else "",
            versus=self.tables.of(versus) if versus else "",
            groups=self._groups(one) if query.group else "",
            leaks=self._leaks(one, table) if query.leak else "",
            labels=[(i, n, label.right) for (i, n), label in self.labels(one).items()] if query.label else [],
        )
        return where(query, table, beside)

    def versus(self, one: SampleSet, query: SampleQuery) -> SampleSet:
        """The set that changes are counted from: the one named, else the round before; a StarError where none is."""
        if query.versus:
            return self.library.find(query.versus)
        before = self.library.before(one)
        if before is None:
            raise StarError(
                f"{one.place} has no round before it to compare with", hint="name one: versus=RUN/round-1/evaluate"
            )
        return before

    def _against(self, one: SampleSet, key: str) -> str:
        artifact = next((a for a in self.library.other_verdicts(one) if a.key.startswith(key)), None)
        if artifact is None:
            raise StarError(
                f"no other verdicts on the rationales of {one.place} have a key that begins with {key!r}",
                hint=f"star regrade {one.source} grader=NAME makes some",
            )
        return self.tables.verdicts(artifact)

    def _groups(self, one: SampleSet) -> str:
        """The table of the groups of every problem, as its task has them."""
        task = self.task(one)

        def rows() -> Iterator[list[Any]]:
            for artifact in one.problems:
                for problem in artifact.read(Problem):
                    yield from ([problem.id, name, str(value)] for name, value in task.groups(problem).items())

        name = "groups " + " ".join(a.key for a in one.problems)
        return self.tables.noted(name, {"id": "VARCHAR", "name": "VARCHAR", "value": "VARCHAR"}, rows)

    def _leaks(self, one: SampleSet, table: str) -> str:
        """The table of the rationales that give away that the answer was shown (lib/health.py)."""

        def rows() -> Iterator[list[Any]]:
            for row in self.tables.rows(
                f"SELECT place, problem_id, text, question, gold, choices FROM {table} WHERE hinted"
            ):
                if leaks(problem_of(row), row["text"]):
                    yield [row["place"]]

        return self.tables.noted(f"leaks {one.key}", {"place": "BIGINT"}, rows)


def problem_of(row: Row) -> Problem:
    """The problem of a row, as far as the table holds it."""
    return Problem(
        id=row["problem_id"],
        question=row["question"] or "",
        answer=row["gold"] or "",
        choices=row["choices"],
        meta=json.loads(row["meta"]) if row.get("meta") else {},
    )


@lru_cache(maxsize=256)
def _task(key: str, one: SampleSet) -> Task:
    assert one.rationales is not None
    return task_of(one.rationales, one.run.info.task_settings)


def _summed(rows: list[Row], name: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        if row[name] is not None:
            sums[row[name]] = sums.get(row[name], 0) + row["n"]
    return sums
