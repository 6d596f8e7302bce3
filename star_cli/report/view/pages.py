"""The pages: what each URL shows, filled into the templates. Everything from data is cleaned and escaped there."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from star_cli.analysis.agreement import confusion
from star_cli.core.parts import Task
from star_cli.core.records import REASONS
from star_cli.errors import StarError
from star_cli.lib.health import MEANING
from star_cli.report.artifact import FactsView
from star_cli.report.sql import sql_results
from star_cli.report.view import charts, marks
from star_cli.report.view.detail import Detail, detail, records_of, whole_problem
from star_cli.report.view.library import Library, SampleSet
from star_cli.report.view.overview import differing, run_line, run_page, run_row, stage_line
from star_cli.report.view.problem import Tried, tried
from star_cli.report.view.pulse import pulse_of
from star_cli.report.view.query import CHANGES, CHOICES, LABELS, OUTCOMES, SORTS, SampleQuery
from star_cli.report.view.samples import TINY, Samples
from star_cli.report.view.tables import Tables
from star_cli.report.view.templating import templates
from star_cli.run.parts_override import load_parts_of
from star_cli.store.addresses import find_artifact, parse_path
from star_cli.store.artifacts import Artifact
from star_cli.store.runs import Run

STATIC = Path(__file__).parent / "static"
SQL_ROWS = 50  # shown of a result
KINDS = ("evaluation", "training", "rationalized", "beside", "written")
FIELDS = {
    "outcome": OUTCOMES,
    "reason": REASONS,
    "sort": tuple(SORTS),
    "label": LABELS,
    "choice": CHOICES,
    "change": CHANGES,
}
Items = list[tuple[str, str]]  # the parameters of a URL


class Pages:
    """Makes the HTML of every page of a home."""

    def __init__(self, home: Path) -> None:
        self.library = Library(home)
        self.tables = Tables()
        self.samples = Samples(self.library, self.tables)
        self.templates = templates()
        self._loaded: set[str] = set()

    def close(self) -> None:
        """Give the memory of the tables back."""
        self.tables.close()

    def render(self, template: str, **values: Any) -> str:
        """A template with these values."""
        return self.templates.get_template(template).render(**values)

    def runs(self) -> str:
        """The list of runs."""
        runs = self.library.runs()
        rows = [run_row(self.library, run) for run in runs]
        return self.render("runs.html", title="runs", rows=rows, home=self.library.home, pulse="all")

    def run(self, name: str) -> str:
        """A run, or the arms of a sweep laid over each other."""
        chosen = self.library.named(name)
        if chosen[0].name != name:
            return self.compare([run.name for run in chosen], f"sweep {name}")
        page = run_page(self.library, chosen[0])
        return self.render(
            "run.html",
            title=name,
            page=page,
            curve=charts.curve([page.line], f"accuracy of {name} by round"),
            graph=charts.graph(page.boxes),
            stages=stage_line(chosen[0]),
            meanings=MEANING if page.health else {},
            pulse=name,
        )

    def compare(self, names: list[str], title: str = "runs compared") -> str:
        """Several runs: their curves in one picture, their last accuracies, the settings in which they differ."""
        chosen = self.chosen(names)
        lines = [run_line(self.library, run) for run in chosen]
        return self.render(
            "compare.html",
            title=title,
            rows=[run_row(self.library, run) for run in chosen],
            curve=charts.curve(lines, "accuracy by round"),
            legend=charts.legend(lines),
            settings=differing(chosen),
            together=urlencode([("run", run.name) for run in chosen]),
            pulse="all",
        )

    def sample_list(self, place: str, items: Items) -> str:
        """The samples of a set that pass the filters of the URL."""
        one, query = self.set(place), SampleQuery.of(items)
        page = self.samples.page(one, query)
        versus, changes = self._changes(one, query)
        sets = self.library.sets(one.run)
        return self.render(
            "samples.html",
            title=one.place,
            set=one,
            query=query,
            page=page,
            versus=versus,
            changes=changes,
            siblings=[s for s in sets if s.round == one.round],
            rounds=[s for s in sets if s.name == one.name],
            groups=sorted({group for row in self.library.rounds(one.run) for group in row.groups}),
            fields=FIELDS,
            pulse=one.run.name if self.library.progress(one.run) else "",
        )

    def _changes(self, one: SampleSet, query: SampleQuery) -> tuple[SampleSet | None, dict[str, int]]:
        """(the set that this one is held against, how many problems changed since).

        It is counted unasked where both sets are small.
        """
        if query.versus or query.change:
            versus = self.samples.versus(one, query)
        else:
            before = self.library.before(one) if one.verdicts else None
            if before is None or max(one.bytes, before.bytes) > TINY:
                return before, {}
            versus = before
        return versus, self.samples.changes(one, versus)

    def sample(self, place: str, items: Items, as_written: bool = False) -> str:
        """One sample, and its neighbours under the same filters."""
        one, query = self.set(place), SampleQuery.of(items)
        row, matching = self.samples.one(one, query)
        return self.render(
            "sample.html",
            title=f"{row['problem_id']} in {one.place}",
            set=one,
            query=query.but(at=row["at"]),
            row=row,
            matching=matching,
            detail=self.detail(one, row, query.text, as_written),
            as_written=as_written,
            pulse="",
        )

    def detail(self, one: SampleSet, row: dict[str, Any], search: str = "", as_written: bool = False) -> Detail:
        """What the page of a sample adds to its row; a problem that is gone is a StarError."""
        problem = whole_problem(one, row["problem_id"])
        if problem is None:
            raise StarError(f"the problem {row['problem_id']!r} of {one.place} is no longer in the store")
        rationale, verdict = records_of(row)
        return detail(one, problem, rationale, verdict, self.task(one), search=search, as_written=as_written)

    def exported(self, place: str, items: Items, limit: int) -> tuple[str, int]:
        """(a page of the first samples that match, which needs nothing beside itself; how many it holds)."""
        one, query = self.set(place), SampleQuery.of(items)
        rows, matching = self.samples.first(one, query, limit)
        html = self.render(
            "export.html",
            title=one.place,
            set=one,
            query=query,
            matching=matching,
            samples=[(row, self.detail(one, row, query.text)) for row in rows],
            style=(STATIC / "view.css").read_text("utf-8"),
        )
        return html, len(rows)

    def problem(self, id: str, names: list[str], kinds: list[str], search: str = "") -> str:
        """One problem in every set of some runs that asked it, side by side."""
        chosen = self.chosen(names)
        every = [one for run in chosen for one in self.library.sets(run)]
        shown = [one for one in every if not kinds or one.kind in kinds]
        found = tried(shown, id, {one.place: self.samples.labels(one) for one in shown})
        if not found:
            raise StarError(
                f"no {' or '.join(kinds) or 'stage'} of {', '.join(run.name for run in chosen)} asked a problem {id!r}"
            )
        first = found[0].problem
        same = (first.question, first.answer)
        return self.render(
            "problem.html",
            title=id,
            problem=first,
            columns=[(one, self._details(one, search)) for one in found],
            others=sorted({t.set.run.name for t in found if (t.problem.question, t.problem.answer) != same}),
            names=[run.name for run in chosen],
            kinds=kinds,
            all_kinds=[kind for kind in KINDS if any(one.kind == kind for one in every)],
            all_runs=[run.name for run in self.library.runs()],
            pulse="",
        )

    def _details(self, found: Tried, search: str) -> list[Detail]:
        """The marked text of each attempt of a set."""
        task = self.task(found.set)
        return [detail(found.set, found.problem, a.rationale, a.verdict, task, search=search) for a in found.attempts]

    def graders(self, place: str) -> str:
        """Other verdicts on the same rationales, with how far they agree."""
        one = self.set(place)
        rows = []
        for artifact in self.library.other_verdicts(one):
            agreed = confusion(one.verdicts, artifact) if one.verdicts else None
            rows.append((artifact, grader_of(artifact), agreed))
        return self.render(
            "graders.html", title=f"graders of {one.place}", set=one, rows=rows, pulse="", own=grader_of(one.verdicts)
        )

    def artifact(self, name: str) -> str:
        """The facts of any artifact, by run path or key."""
        artifact = find_artifact(self.library.home, self.library.store, name)
        facts = FactsView(artifact, name, 20).as_json()
        return self.render("artifact.html", title=name, facts=facts, pulse="")

    def sql(self, place: str, problem: str, sample: int) -> str:
        """What the SQL of a sample gave beside what the gold query gives, as a piece of a page."""
        one = self.set(place)
        row = self.samples.row(one, problem, sample)
        whole = whole_problem(one, problem)
        assert whole is not None
        self.task(one)  # where its databases lie is known to the task
        return self.render("sql.html", results=sql_results(whole, row["text"]), code=marks.code, rows=SQL_ROWS)

    def pulse(self, name: str) -> dict[str, Any]:
        """What changes when there is something new to show of a run, or of "all" of them."""
        runs = self.library.runs() if name == "all" else self.library.named(name)
        return pulse_of(self.library, runs)

    def set(self, place: str) -> SampleSet:
        """The set of a place, with the parts that its run was made with loaded."""
        self._load_parts(Run(self.library.home, parse_path(place)[0]))
        return self.library.find(place)

    def task(self, one: SampleSet) -> Task | None:
        """The task that made the prompts of a set; None where it cannot be had."""
        try:
            return self.samples.task(one)
        except StarError:
            return None

    def chosen(self, names: list[str]) -> list[Run]:
        """The runs of some names, each once."""
        runs = [run for name in dict.fromkeys(names) for run in self.library.named(name)]
        if not runs:
            raise StarError("no run is chosen", hint="tick some in the list of runs, or add run=NAME to the URL")
        for run in runs:
            self._load_parts(run)
        return list({run.name: run for run in runs}.values())

    def _load_parts(self, run: Run) -> None:
        if run.name not in self._loaded:
            self._loaded.add(run.name)
            load_parts_of(run)


def grader_of(artifact: Artifact | None) -> str:
    """The name of the grader that made an artifact's verdicts."""
    grader = artifact.tag.get("grader") if artifact else None
    return str(grader["_"]).split("/")[1] if isinstance(grader, dict) and "_" in grader else "unknown"
