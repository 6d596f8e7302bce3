"""What the trials' tables share: the runs of sweeps as groups of seeds, shares of right answers with intervals.

Numbers stand between two marks of a page of docs/trials; a script writes them anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from star_cli.analysis.arms import Group
from star_cli.analysis.compare import compare_runs
from star_cli.analysis.comparison import Comparison, Estimate
from star_cli.core.records import Problem, Verdict
from star_cli.store.artifacts import Artifact, Store, open_store
from star_cli.store.runs import Run

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- result -->", "<!-- /result -->"


class Trial:
    """The runs of some sweeps in a home, grouped by setting."""

    def __init__(self, home: Path, sweeps: Sequence[str], metric: str = "accuracy") -> None:
        self.home = home
        self.store: Store = open_store(home)
        self.comparison: Comparison = compare_runs(home, list(sweeps), "samples", metric)
        self.groups: list[Group] = self.comparison.groups

    def artifact(self, run: str, round: int, name: str) -> Artifact | None:
        """What a run made under round-N/name."""
        for event in Run(self.home, run).events():
            if event.round == round and event.name == name:
                return self.store.get(event.key)
        return None

    def accuracy(self, group: Group, round: int) -> Estimate:
        """Of one round, over problems and seeds."""
        return self.comparison.estimate(group, group.points(round))

    def difference(self, a: Group, b: Group, round: int) -> Estimate:
        """a - b after a round, paired by problem and seed."""
        found = self.comparison.difference_of(a, a.points(round), b, b.points(round))
        assert found is not None
        return found

    def shares(
        self, group: Group, round: int, name: str, label: Callable[[Problem], str]
    ) -> dict[str, tuple[float, int]]:
        """{label of problems: (share of right samples over all seeds, samples)} of a judged artifact."""
        counts: dict[str, list[bool]] = {}
        for arm in group.arms:
            verdicts = self.artifact(arm.name, round, name)
            if verdicts is None:
                continue
            problems = self.store.get(verdicts.input("problems") or "")
            assert problems is not None
            labels = {p.id: label(p) for p in problems.read(Problem)}
            for v in verdicts.read(Verdict):
                counts.setdefault(labels[v.problem_id], []).append(v.correct)
        return {key: (float(np.mean(right)), len(right)) for key, right in sorted(counts.items())}


def home_argument(what: str) -> Path:
    """The folder with runs and artifacts that a script is called with."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("home", type=Path, help="where the trial ran (home=...)")
    home: Path = parser.parse_args().home
    return home


def percent(e: Estimate) -> str:
    """46.2 [40.2, 52.4]"""
    return f"{100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]"


def points(e: Estimate) -> str:
    """+6.3 [4.0, 8.5], in percentage points"""
    return f"{100 * e.value:+.1f} [{100 * e.low:+.1f}, {100 * e.high:+.1f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


def write_result(page: str, text: str) -> None:
    """Put ``text`` between the marks of a page of docs/trials."""
    path = DOCS / "trials" / page
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}", "utf-8")
    print(text)
