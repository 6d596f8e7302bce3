"""How far two graders agree on the same rationales: confusion table and Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_cli.core.records import Verdict
from star_cli.errors import StarError
from star_cli.store.addresses import find_artifact, names_a_run, parse_path
from star_cli.store.artifacts import Artifact, open_store


@dataclass
class Confusion:
    """``table`` counts (reason of a, reason of b); ``flipped`` are the samples that only one of them finds right.

    ``only_a`` and ``only_b`` count samples that one of them alone has judged.
    """

    table: Counter[tuple[str, str]] = field(default_factory=Counter)
    flipped: list[tuple[Verdict, Verdict]] = field(default_factory=list)
    only_a: int = 0
    only_b: int = 0

    @property
    def total(self) -> int:
        """The samples that both have judged."""
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

    def as_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
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
    """Compare the verdicts of two artifacts, sample by sample. Raises StarError where they share no sample."""
    for artifact in (a, b):
        if not artifact.has(Verdict):
            raise StarError(
                f"the {artifact.stage} artifact {artifact.key} holds no verdicts",
                hint="give filter or evaluate artifacts",
            )
    return set_against(a.read(Verdict), b.read(Verdict), (a.key[:12], b.key[:12]))


def set_against(a: Iterable[Verdict], b: Iterable[Verdict], names: tuple[str, str]) -> Confusion:
    """Compare verdicts, or labels in the form of verdicts, sample by sample.

    Raises StarError, which says ``names``, where they share no sample.
    """
    verdicts_a = {(v.problem_id, v.sample): v for v in a}
    result = Confusion()
    for verdict in b:
        other = verdicts_a.pop((verdict.problem_id, verdict.sample), None)
        if other is None:
            result.only_b += 1
            continue
        result.table[other.reason, verdict.reason] += 1
        if other.correct != verdict.correct:
            result.flipped.append((other, verdict))
    result.only_a = len(verdicts_a)
    if not result.total:
        raise StarError(
            f"{names[0]} and {names[1]} judge no sample in common", hint="compare verdicts on the same rationales"
        )
    return result


def confusion_at(home: Path, a: str, b: str) -> Confusion | None:
    """The confusion table of two artifacts, named by run path or key, that hold verdicts on the same samples.

    None where they are anything else, for example runs.
    """
    if any(parse_path(address)[1] is None and names_a_run(home, address) for address in (a, b)):
        return None
    store = open_store(home)
    one, other = (find_artifact(home, store, address) for address in (a, b))
    if one.key == other.key or not (one.has(Verdict) and other.has(Verdict)):
        return None
    if one.input("rationales") != other.input("rationales"):
        return None  # other texts: their verdicts cannot be set against each other
    return confusion(one, other)
