"""What every way to pick an answer reaches, over k: table, paired differences and plot of a ``select`` artifact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from star_cli.core.records import Metric
from star_cli.errors import StarError
from star_cli.lib.selection import verdict_of
from star_cli.report.chart import Chart, Line
from star_cli.report.columns import Column, interval, points, stacked, width_of
from star_cli.report.text import clean
from star_cli.store.artifacts import Artifact
from star_cli.store.manifest import MANIFEST

AT = re.compile(r"@(\d+)")
RULES = (
    "All selectors choose from the same candidates. A number at k is the expectation over k of the N candidates, drawn "
    "without replacement; an unparsed answer is wrong and wins no vote. Intervals are 95 % bootstrap intervals over "
    "problems; a difference is paired by problem, and where its interval holds 0 no difference is shown."
)


class SelectionFacts(msgspec.Struct, frozen=True):
    """What a select artifact reports about its pool, beside its metrics.

    ``weighting`` says of each verifier how its scores weigh a vote; at ``drawn_subsets`` votes are estimated.
    """

    problems: int
    candidates: int
    verifiers: list[str]
    ks: list[int]
    weighting: dict[str, str] = {}
    drawn_subsets: list[int] = []


@dataclass(frozen=True)
class Selection:
    """The metrics of a select artifact, in order of k."""

    metrics: dict[str, Metric]
    facts: SelectionFacts

    @property
    def ks(self) -> list[int]:
        """How many candidates are chosen from."""
        return self.facts.ks

    @property
    def selectors(self) -> list[str]:
        """Families of metrics that have a value at every k; the oracle's is pass@k."""
        named = [f"{kind}/{v}" for v in self.facts.verifiers for kind in ("weighted", "best_of")]
        return ["pass", "majority", *named]

    def at(self, selector: str, k: int) -> Metric | None:
        """The metric of a selector at k."""
        kind, _, verifier = selector.partition("/")
        return self.metrics.get(f"{kind}@{k}/{verifier}" if verifier else f"{kind}@{k}")

    def differences(self, k: int) -> list[Metric]:
        """The paired differences at k."""
        return [m for name, m in self.metrics.items() if name.count("@") > 1 and AT.findall(name)[0] == str(k)]

    def chart(self) -> Chart:
        """Accuracy over k."""
        lines = []
        for s in self.selectors:
            points = [(float(k), m.value, m.low, m.high) for k in self.ks if (m := self.at(s, k)) is not None]
            lines.append(Line(label_of(s), points))
        return Chart(lines, "k candidates", log=2)

    def columns(self) -> list[Column]:
        """k, and accuracy with its interval of every selector."""
        cells = {s: [self.at(s, k) for k in self.ks] for s in self.selectors}
        return [
            Column("\nk", [str(k) for k in self.ks]),
            *(
                Column(_head(s), [interval(m.value, m.low, m.high) if m else "-" for m in metrics])
                for s, metrics in cells.items()
            ),
        ]

    def difference_columns(self) -> list[Column]:
        """The differences at the largest k, with what their intervals say."""
        metrics = self.differences(self.ks[-1])
        return [
            Column("paired difference", [clean(m.name) for m in metrics], left=True),
            Column("points", [points(m.value, m.low, m.high) for m in metrics]),
            Column("", [verdict_of(m.low, m.high) for m in metrics], left=True),
        ]

    def about(self) -> list[str]:
        """What the numbers rest on, in sentences."""
        facts, m = self.facts, self.metrics
        sentences = [
            f"{facts.problems} problems with {facts.candidates} candidates each or more: "
            f"{m['distinct_answers'].value:.1f} different answers a problem, "
            f"{100 * m['unparsed'].value:.1f} % unparsed, "
            f"{m['tokens_per_candidate'].value:.0f} tokens a candidate."
        ]
        if facts.drawn_subsets:
            ks = ", ".join(map(str, facts.drawn_subsets))
            sentences.append(f"Votes at k = {ks} are means over 2000 subsets drawn by seed, the others are exact.")
        by_exp = [verifier for verifier, weighting in facts.weighting.items() if weighting == "exp"]
        if by_exp:
            sentences.append(
                f"A weighted vote takes the exponential of the scores of {', '.join(by_exp)}, which are no "
                "probabilities."
            )
        return sentences


def selection_of(artifact: Artifact) -> Selection:
    """The Selection of a select artifact; a StarError where what it reports is damaged."""
    try:
        facts = msgspec.convert(artifact.manifest.metrics, SelectionFacts)
    except msgspec.ValidationError as e:
        raise StarError(
            f"the metrics in {artifact.path / MANIFEST} are damaged: {e}",
            hint=f"remove {artifact.path} and run again to rebuild it",
        ) from None
    return Selection({m.name: m for m in artifact.read(Metric)}, facts)


def label_of(selector: str) -> str:
    """best_of/dpo -> "best of k, dpo"."""
    kind, _, verifier = selector.partition("/")
    names = {"pass": "pass@k = oracle", "majority": "majority", "weighted": "weighted vote", "best_of": "best of k"}
    return f"{names[kind]}, {verifier}" if verifier else names[kind]


def _head(selector: str) -> str:
    label = label_of(selector)
    return clean(label.replace(", ", "\n", 1) if ", " in label else label.replace(" = ", "\n= ", 1))


@dataclass(frozen=True)
class SelectionView:
    """What `star show RUN/round-n/select` shows."""

    artifact: Artifact
    name: str

    def as_json(self) -> dict[str, Any]:
        """Every metric with its interval; of a difference also what it shows."""
        s = selection_of(self.artifact)
        rows = [
            {
                "name": m.name,
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "n": m.n,
                **({"says": verdict_of(m.low, m.high)} if m.name.count("@") > 1 else {}),
            }
            for m in s.metrics.values()
        ]
        return {"key": self.artifact.key, "stage": self.artifact.stage, "facts": self.artifact.metrics, "metrics": rows}

    def print(self, out: Console) -> None:
        """Table, differences, plot."""
        s, width = selection_of(self.artifact), width_of(out)
        out.print(Text(f"{self.name}: accuracy % [95 % interval] by k", style="bold"))
        first, *others = s.columns()
        out.print(stacked([first], [[c] for c in others], width), width=width)
        if s.differences(s.ks[-1]):
            out.print()
            first, *others = s.difference_columns()
            out.print(stacked([first], [others], width), width=width)
        plot = s.chart().text(width=min(60, width))
        if plot and out.encoding.lower().startswith("utf"):
            out.print(Text("\n" + plot))
        for line in [*s.about(), RULES]:
            out.print(Text("\n" + line), width=width, soft_wrap=False)
