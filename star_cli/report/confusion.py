"""Two sets of verdicts on the same samples: how often they agree, reason by reason, and which samples flipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from star_cli.errors import StarError
from star_cli.core.records import REASONS, Verdict
from star_cli.store.artifacts import Artifact


@dataclass
class Confusion:
    """``table`` counts (reason of a, reason of b); ``flipped`` are the samples that only one of them finds right."""

    table: Counter[tuple[str, str]] = field(default_factory=Counter)
    flipped: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    only_a: int = 0
    only_b: int = 0

    @property
    def total(self) -> int:
        return sum(self.table.values())

    @property
    def agreement(self) -> float:
        """Share of the samples on which both say right or both say wrong."""
        return 1 - len(self.flipped) / self.total if self.total else 1.0

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960) of right and wrong: agreement beyond chance; None where chance alone explains all."""
        if not self.total:
            return None
        a = sum(n for (x, _), n in self.table.items() if x == "MATCH") / self.total
        b = sum(n for (_, y), n in self.table.items() if y == "MATCH") / self.total
        chance = a * b + (1 - a) * (1 - b)
        return (self.agreement - chance) / (1 - chance) if chance < 1 else None

    def plain(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {
            "samples": self.total,
            "agreement": self.agreement,
            "kappa": self.kappa,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "table": [{"a": a, "b": b, "n": n} for (a, b), n in sorted(self.table.items())],
            "flipped": [
                {"problem_id": x.problem_id, "sample": x.sample, "a": [x.reason, x.answer], "b": [y.reason, y.answer]}
                for x, y in self.flipped
            ],
        }


def confusion(a: Artifact, b: Artifact) -> Confusion:
    """Compare the verdicts of two artifacts, sample by sample."""
    for artifact in (a, b):
        if not artifact.has(Verdict):
            raise StarError(
                f"the {artifact.stage} artifact {artifact.key} holds no verdicts",
                hint="give filter or evaluate artifacts",
            )
    left = {(v.problem_id, v.sample): v for v in a.read(Verdict)}
    found = Confusion()
    for verdict in b.read(Verdict):
        other = left.pop((verdict.problem_id, verdict.sample), None)
        if other is None:
            found.only_b += 1
            continue
        found.table[other.reason, verdict.reason] += 1
        if other.correct != verdict.correct:
            found.flipped.append((other, verdict))
    found.only_a = len(left)
    if not found.total:
        raise StarError(
            f"{a.key[:12]} and {b.key[:12]} judge no sample in common", hint="compare verdicts on the same rationales"
        )
    return found


def show(found: Confusion, out: Console, names: tuple[str, str] = ("a", "b"), limit: int = 20) -> None:
    """Print the table and the first flipped samples."""
    columns = [r for r in REASONS if any(y == r for _, y in found.table)]
    table = Table(title=f"rows: {names[0]}, columns: {names[1]}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for reason in columns:
        table.add_column(reason, justify="right")
    for row in (r for r in REASONS if any(x == r for x, _ in found.table)):
        table.add_row(row, *[f"{found.table[row, c]:,}" if found.table[row, c] else "." for c in columns])
    out.print(table)
    kappa = "" if found.kappa is None else f", kappa {found.kappa:.3f}"
    out.print(
        f"{found.total:,} samples, the same verdict on {found.agreement:.2%}{kappa}; {len(found.flipped):,} flipped"
    )
    for side, n in zip(names, (found.only_a, found.only_b), strict=True):
        if n:
            out.print(f"{n:,} samples are judged by {side} only")
    for x, y in found.flipped[:limit]:
        out.print(
            f"  {x.problem_id} sample {x.sample}: {names[0]} {x.reason} {_short(x.answer)}, "
            f"{names[1]} {y.reason} {_short(y.answer)}",
            markup=False,
        )
    if len(found.flipped) > limit:
        out.print(f"  and {len(found.flipped) - limit:,} more (--json lists all)")


def _short(answer: str | None) -> str:
    return "(none)" if answer is None else repr(answer if len(answer) <= 40 else answer[:39] + "…")
